"""Findings that a stack ignores: they are listed separately, and don't count as drift until their last day is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from flotilla.drift.findings import DriftReport, Finding, Ignored
from flotilla.stack.drift import IgnoredDrift as Ignore

__all__ = ["Ignore", "with_ignored"]


def with_ignored(report: DriftReport, ignores: Sequence[Ignore], *, today: dt.date | None = None) -> DriftReport:
    """Return a report in which the ignored findings are separate.

    A finding whose entry has ended counts, and has a note of that. A notice names each entry that matches nothing, if
    all clusters that the entry may concern answered.

    Args:
        report: the report without ignored findings.
        ignores: the stack's entries in the order of the file. The first one that matches and has not ended is used.
        today: the day to compare with; None for the current one (UTC).
    """
    day = today or dt.datetime.now(dt.UTC).date()
    counted: list[Finding] = []
    ignored: list[Ignored] = []
    used: set[int] = set()
    for finding in report.findings:
        matching = [(index, one) for index, one in enumerate(ignores) if _matches(one, finding)]
        used |= {index for index, _ in matching}
        now = next((one for _, one in matching if one.until >= day), None)
        if now:
            ignored.append(Ignored(finding, now.reason, now.until.isoformat()))
        elif matching:
            ended = max((one for _, one in matching), key=lambda one: one.until)
            note = f"it was ignored until {ended.until.isoformat()} ({ended.reason}), which has ended"
            counted.append(replace(finding, note=note))
        else:
            counted.append(finding)
    silent = {one.cluster for one in report.unknown}
    notices = [
        f"drift.ignore[{index}] ({_named(one)}) matches no finding: delete it if it is no longer needed"
        for index, one in enumerate(ignores)
        if index not in used and not (silent & {one.member} if one.member else silent)
    ]
    return replace(report, findings=tuple(counted), ignored=tuple(ignored), notices=tuple(notices))


def _matches(ignore: Ignore, finding: Finding) -> bool:
    kind, _, rest = finding.object.partition(" ")
    namespace, _, name = rest.rpartition("/")
    return (
        kind == ignore.kind
        and (ignore.name is None or fnmatchcase(name, ignore.name))
        and ignore.namespace in (None, namespace)
        and ignore.member in (None, finding.cluster)
        and ignore.rule in (None, finding.rule)
        and (ignore.field is None or _within(ignore.field, finding))
    )


def _within(field: str, finding: Finding) -> bool:
    """Return whether a finding is about a field, or about a field inside of it."""
    if field.startswith("/"):
        return finding.pointer == field or finding.pointer.startswith(f"{field}/")
    return finding.path == field or finding.path.startswith((f"{field}.", f"{field}["))


def _named(ignore: Ignore) -> str:
    where = f"{ignore.namespace}/" if ignore.namespace else ""
    parts = [ignore.kind, f"{where}{ignore.name or '*'}", ignore.rule, ignore.field]
    return " ".join(part for part in parts if part)
