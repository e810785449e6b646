"""A drift report in the forms that CI systems and reviewers read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flotilla.counts import counted
from flotilla.drift.findings import DriftReport, Finding, Mend
from flotilla.untrusted import code_span, json_safe, one_line, sarif_text

_TITLE = "Flotilla drift"
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
REMEDIES = {
    Mend.UP: "`flotilla up --refresh` puts it back",
    Mend.KARMADA: "Karmada puts it back, and has not yet",
    Mend.HAND: "`up` can't fix this: somebody has to decide",
}
"""What puts a finding right, in words."""


def sentence(finding: Finding) -> str:
    """Return a finding in one line: what, values, by whom, what mends it."""
    text = f"{finding.object}: {finding.message}"
    if finding.path:
        text += f" (wanted {_short(finding.wanted)}, found {_short(finding.found)})"
    if finding.manager:
        text += f"; last written by {finding.manager}" + (f" at {finding.time}" if finding.time else "")
    return f"{text}; {REMEDIES[finding.mend]}"


def count_text(findings: int) -> str:
    """Return how many findings there are, in words."""
    return counted(findings, "finding")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line's worth


def github(report: DriftReport, stack: str) -> str:
    """Return workflow commands: an error for each finding, a warning for each cluster that is unknown."""
    lines = [_command("error", f"{_TITLE}: {f.rule} in {f.cluster}", sentence(f)) for f in report.findings]
    lines += [_command("warning", f"{_TITLE}: {u.cluster} is unknown", u.reason) for u in report.unknown]
    if report.clean:
        lines.append(_command("notice", _TITLE, _summary(report, stack)))
    return "\n".join(lines)


def _command(name: str, title: str, text: str) -> str:
    return f"::{name} title={_escaped(one_line(title), property_=True)}::{_escaped(one_line(text))}"


def _escaped(text: str, *, property_: bool = False) -> str:
    for mark, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(mark, code)
    return text.replace(":", "%3A").replace(",", "%2C") if property_ else text


def gitlab(report: DriftReport, stack: str) -> str:
    """Return a Code Quality report."""
    entries = [
        {
            "description": one_line(sentence(f)),
            "check_name": f.rule,
            "fingerprint": _fingerprint(stack, *f.key),
            "severity": "major" if f.mend is Mend.HAND else "minor",
            "location": {"path": _stack_file(stack), "lines": {"begin": 1}},
        }
        for f in report.findings
    ]
    entries += [
        {
            "description": one_line(f"{u.cluster} is unknown: {u.reason}"),
            "check_name": "cluster-unknown",
            "fingerprint": _fingerprint(stack, "cluster-unknown", u.cluster),
            "severity": "info",
            "location": {"path": _stack_file(stack), "lines": {"begin": 1}},
        }
        for u in report.unknown
    ]
    return json_safe(json.dumps(entries, indent=2, ensure_ascii=False))


def junit(report: DriftReport, stack: str) -> str:
    """Return a test suite with a case for each cluster; unknown is an error, never a pass."""
    suite = Element("testsuite", name=f"{_TITLE}: {stack}", tests=str(len(report.clusters)))
    failures = 0
    unknown = {u.cluster: u.reason for u in report.unknown}
    for cluster in report.clusters:
        case = SubElement(suite, "testcase", classname=stack, name=one_line(cluster))
        found = [f for f in report.findings if f.cluster == cluster]
        if found:
            failures += 1
            failure = SubElement(case, "failure", message=count_text(len(found)))
            failure.text = "\n".join(one_line(f"{f.rule}: {sentence(f)}") for f in found)
        if cluster in unknown:
            SubElement(case, "error", message=one_line(unknown[cluster]))
    suite.set("failures", str(failures))
    suite.set("errors", str(len(unknown)))
    indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode")


def sarif(report: DriftReport, stack: str) -> str:
    """Return a SARIF 2.1.0 log; clusters that are unknown are notifications of the run."""
    rules = sorted({f.rule for f in report.findings})
    run = {
        "tool": {"driver": {"name": "flotilla", "rules": [{"id": rule} for rule in rules]}},
        "invocations": [
            {
                "executionSuccessful": not report.unknown,
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": sarif_text(f"{u.cluster} is unknown: {u.reason}")}}
                    for u in report.unknown
                ],
            }
        ],
        "results": [
            {
                "ruleId": f.rule,
                "level": "error",
                "message": {"text": sarif_text(sentence(f))},
                "locations": [
                    {
                        "physicalLocation": {"artifactLocation": {"uri": _stack_file(stack)}},
                        "logicalLocations": [{"fullyQualifiedName": one_line(f"{f.cluster}/{f.object}")}],
                    }
                ],
                "partialFingerprints": {"flotilla/v1": _fingerprint(stack, *f.key)},
            }
            for f in report.findings
        ],
    }
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json_safe(json.dumps(log, indent=2, ensure_ascii=False))


def markdown(report: DriftReport, stack: str) -> str:
    """Return a comment or an issue's text. What comes from clusters stands in code spans: nothing in it is read.

    Nobody is mentioned by it, no mark of another issue is in it, no link and no picture.
    """
    lines = [f"### {_TITLE}: {code_span(stack)}", "", _summary(report, code_span(stack))]
    if report.findings:
        lines += ["", "| cluster | object | what | wanted | found | last written by | fixed by |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
        lines += [_row(f) for f in report.findings]
    for one in report.unknown:
        lines += ["", f"{code_span(one.cluster)} **is unknown**: {code_span(one.reason)}"]
    return "\n".join(lines)


def _row(f: Finding) -> str:
    values = (_short(f.wanted), _short(f.found)) if f.path else ("", "")
    cells = (f.cluster, f.object, f.message, *values, f"{f.manager} {f.time}")
    cluster, obj, what, wanted, found, writer = (code_span(text) for text in cells)
    return "| " + " | ".join((cluster, obj, f"{what} ({f.rule})", wanted, found, writer, REMEDIES[f.mend])) + " |"


def _summary(report: DriftReport, stack: str) -> str:
    looked = f"{counted(report.objects, 'object')} in {counted(len(report.clusters), 'cluster')}"
    if report.clean:
        return f"No drift: {looked} are as declared."
    count = count_text(len(report.findings)) if report.findings else "Nothing found"
    unknown = f"; {counted(len(report.unknown), 'cluster')} could not be asked" if report.unknown else ""
    return f"{count} in stack {stack}{unknown} ({looked})."


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _stack_file(stack: str) -> str:
    return f"stacks/Pulumi.{stack}.yaml"


FORMATS: dict[str, Callable[[DriftReport, str], str]] = {
    "github": github,
    "gitlab": gitlab,
    "junit": junit,
    "sarif": sarif,
    "markdown": markdown,
}
"""By the names that `--format` takes."""
