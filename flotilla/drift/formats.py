"""A drift report in the formats that CI systems and reviewers read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flotilla.counts import counted
from flotilla.drift.findings import DriftReport, Finding, Ignored, Remedy
from flotilla.untrusted import code_span, json_safe, one_line, sarif_text

_TITLE = "Flotilla drift"
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
REMEDIES = {
    Remedy.UP: "`flotilla up --refresh` restores it",
    Remedy.KARMADA: "Karmada restores it, but has not done so yet",
    Remedy.MANUAL: "`up` can't fix this: a person has to decide",
}
"""The text of each remedy."""


def sentence(finding: Finding) -> str:
    """Return a finding in one line: the difference, its values, the last writer, and the remedy."""
    text = f"{finding.object}: {finding.message}"
    if finding.has_values:
        text += f" (wanted {shortened(finding.wanted)}, found {shortened(finding.found)})"
    if finding.manager:
        text += f"; last written by {finding.manager}" + (f" at {finding.time}" if finding.time else "")
    return f"{text}; {REMEDIES[finding.remedy]}" + (f"; {finding.note}" if finding.note else "")


def ignored_sentence(one: Ignored) -> str:
    """Return an ignored finding in one line: the difference, its values, the last day and the reason of the entry."""
    finding = replace(one.finding, manager="")
    text = sentence(finding).removesuffix(f"; {REMEDIES[finding.remedy]}")
    return f"{text}; ignored until {one.until}: {one.reason}"


def count_text(findings: int) -> str:
    """Return the number of findings as text: `1 finding`, `2 findings`."""
    return counted(findings, "finding")


def shortened(value: Any) -> str:
    """Return a value as text of at most 80 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - the width of a line


def github(report: DriftReport, stack: str) -> str:
    """Return GitHub's workflow commands: an error for each finding, a warning for each unknown cluster."""
    lines = [_command("error", f"{_TITLE}: {f.rule} in {f.cluster}", sentence(f)) for f in report.findings]
    lines += [_command("warning", f"{_TITLE}: {u.cluster} is unknown", u.reason) for u in report.unknown]
    lines += [
        _command("notice", f"{_TITLE}: {one.finding.rule} in {one.finding.cluster} is ignored", ignored_sentence(one))
        for one in report.ignored
    ]
    lines += [_command("notice", f"{_TITLE}: ignore", text) for text in report.notices]
    lines += [_command("notice", f"{_TITLE}: held back", one.text) for one in report.held_back]
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
    """Return a Code Quality report of GitLab."""
    entries = [
        {
            "description": one_line(sentence(f)),
            "check_name": f.rule,
            "fingerprint": _fingerprint(stack, *f.key),
            "severity": "major" if f.remedy is Remedy.MANUAL else "minor",
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
    entries += [
        {
            "description": one_line(f"{one.finding.cluster}: {ignored_sentence(one)}"),
            "check_name": f"{one.finding.rule}-ignored",
            "fingerprint": _fingerprint(stack, "ignored", *one.finding.key),
            "severity": "info",
            "location": {"path": _stack_file(stack), "lines": {"begin": 1}},
        }
        for one in report.ignored
    ]
    entries += [
        {
            "description": one_line(text),
            "check_name": "ignore-unused",
            "fingerprint": _fingerprint(stack, "ignore-unused", text),
            "severity": "info",
            "location": {"path": _stack_file(stack), "lines": {"begin": 1}},
        }
        for text in report.notices
    ]
    entries += [
        {
            "description": one_line(one.text),
            "check_name": "held-back",
            "fingerprint": _fingerprint(stack, "held-back", one.workload),
            "severity": "info",
            "location": {"path": _stack_file(stack), "lines": {"begin": 1}},
        }
        for one in report.held_back
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
        ignored = [one for one in report.ignored if one.finding.cluster == cluster]
        if ignored:
            text = "\n".join(one_line(f"ignored: {one.finding.rule}: {ignored_sentence(one)}") for one in ignored)
            SubElement(case, "system-out").text = text
    if remarks := [*(one.text for one in report.held_back), *report.notices]:
        SubElement(suite, "system-out").text = "\n".join(one_line(text) for text in remarks)
    suite.set("failures", str(failures))
    suite.set("errors", str(len(unknown)))
    indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode")


def sarif(report: DriftReport, stack: str) -> str:
    """Return a SARIF 2.1.0 log; unknown clusters are notifications of the run."""
    every = [(f, None) for f in report.findings] + [(one.finding, one) for one in report.ignored]
    rules = sorted({f.rule for f, _ in every})
    run = {
        "tool": {"driver": {"name": "flotilla", "rules": [{"id": rule} for rule in rules]}},
        "invocations": [
            {
                "executionSuccessful": not report.unknown,
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": sarif_text(f"{u.cluster} is unknown: {u.reason}")}}
                    for u in report.unknown
                ]
                + [
                    {"level": "note", "message": {"text": sarif_text(text)}}
                    for text in (*(one.text for one in report.held_back), *report.notices)
                ],
            }
        ],
        "results": [
            {
                "ruleId": f.rule,
                "level": "error",
                "message": {"text": sarif_text(sentence(f))},
                **({"suppressions": [_suppression(ignored)]} if ignored else {}),
                "locations": [
                    {
                        "physicalLocation": {"artifactLocation": {"uri": _stack_file(stack)}},
                        "logicalLocations": [{"fullyQualifiedName": one_line(f"{f.cluster}/{f.object}")}],
                    }
                ],
                "partialFingerprints": {"flotilla/v1": _fingerprint(stack, *f.key)},
            }
            for f, ignored in every
        ],
    }
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json_safe(json.dumps(log, indent=2, ensure_ascii=False))


def _suppression(one: Ignored) -> dict[str, str]:
    """Return the reason why a result doesn't count; `external` because it is not in the code (SARIF 2.1.0, 3.35)."""
    why = sarif_text(f"until {one.until}: {one.reason}")
    return {"kind": "external", "status": "accepted", "justification": why}


def markdown(report: DriftReport, stack: str) -> str:
    """Return the text of a comment or an issue.

    Texts from clusters are in code spans, so that a forge reads no mention, no reference to an issue, no link and no
    picture in them.
    """
    lines = [f"### {_TITLE}: {code_span(stack)}", "", _summary(report, code_span(stack))]
    if report.findings:
        lines += ["", "| cluster | object | what | wanted | found | last written by | fixed by |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
        lines += [_row(f) for f in report.findings]
    for one in report.unknown:
        lines += ["", f"{code_span(one.cluster)} **is unknown**: {code_span(one.reason)}"]
    lines += [
        f"\nIgnored in {code_span(one.finding.cluster)}: {code_span(ignored_sentence(one))}" for one in report.ignored
    ]
    lines += [f"\nOn purpose: {code_span(one.text)}" for one in report.held_back]
    lines += [f"\nNotice: {code_span(text)}" for text in report.notices]
    return "\n".join(lines)


def _row(f: Finding) -> str:
    values = (shortened(f.wanted), shortened(f.found)) if f.has_values else ("", "")
    message = f"{f.message}; {f.note}" if f.note else f.message
    cells = (f.cluster, f.object, message, *values, f"{f.manager} {f.time}")
    cluster, obj, what, wanted, found, writer = (code_span(text) for text in cells)
    return "| " + " | ".join((cluster, obj, f"{what} ({f.rule})", wanted, found, writer, REMEDIES[f.remedy])) + " |"


def _summary(report: DriftReport, stack: str) -> str:
    looked = f"{counted(report.objects, 'object')} in {counted(len(report.clusters), 'cluster')}"
    ignored = f"; {counted(len(report.ignored), 'finding')} ignored" if report.ignored else ""
    if report.clean:
        return f"No drift: {looked} are as declared{ignored}."
    count = count_text(len(report.findings)) if report.findings else "Nothing found"
    unknown = f"; {counted(len(report.unknown), 'cluster')} could not be asked" if report.unknown else ""
    return f"{count} in stack {stack}{unknown}{ignored} ({looked})."


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
"""The formats by their names for `--format`."""
