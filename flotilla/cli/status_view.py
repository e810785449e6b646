"""Prints what `status`, `clusters` and `workloads` show to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.notes import Notes, notes_document, paint_notes
from flotilla.cli.tables import age, labels_text, print_table, verdict
from flotilla.counts import counted

if TYPE_CHECKING:
    from flotilla.observe.fleet import FleetStatus
    from flotilla.observe.members import MemberStatus
    from flotilla.observe.workloads import CopyStatus

_STYLES = {"Healthy": "green", "Unhealthy": "red"}
_GIB = 2**30


def paint_status(
    console: Console, seen: FleetStatus, shown: FleetStatus | None = None, *, everything: bool = False
) -> None:
    """Print the summary of a fleet, then its members and workloads.

    Args:
        console: where to print.
        seen: the fleet's status; the summary is about all of it.
        shown: the part of it whose members and workloads are printed; None prints all.
        everything: print all rows on a terminal, too.
    """
    shown = shown or seen
    console.print(_summary(seen))
    for name, reason in seen.unanswered.items():
        console.print(Text(f"{name} does not answer: {reason}", style="bold red"))
    headings = ("CLUSTER", "MODE", "READY", "SINCE", "VERSION", "NODES", "MAINTENANCE")
    console.print()
    print_table(
        console,
        headings,
        [(*_ready(m), age(m.since), m.version, _nodes(m), Text(m.maintenance, style="yellow")) for m in shown.members],
        everything=everything,
    )
    if shown.workloads:
        console.print()
        of_copies = ("NAMESPACE", "WORKLOAD", "CLUSTER", "READY", "HEALTH", "IMAGE")
        rows = [
            (c.namespace, c.workload, c.cluster, c.progress, _health(c), ", ".join(c.images)) for c in shown.workloads
        ]
        print_table(console, of_copies, rows, everything=everything)


def _summary(seen: FleetStatus) -> Text:
    s = seen.summary
    well = s["members"] == s["membersReady"] and s["copies"] == s["copiesHealthy"] and not seen.unanswered
    text = (
        f"{s['membersReady']} of {counted(s['members'], 'member')} ready; "
        f"{counted(s['workloads'], 'workload')}, "
        f"{s['copiesHealthy']} of {counted(s['copies'], 'copy', 'copies')} healthy"
    )
    if seen.unanswered:
        text += f"; {len(seen.unanswered)} of the members {'does' if len(seen.unanswered) == 1 else 'do'} not answer"
    return Text(text, style="bold green" if well else "bold red")


def paint_clusters(
    console: Console, members: Sequence[MemberStatus], shown: Sequence[MemberStatus], *, everything: bool = False
) -> None:
    """Print how many of `members` are ready, then a table of the members in `shown`."""
    ready = sum(member.ready for member in members)
    style = "bold green" if ready == len(members) else "bold red"
    console.print(Text(f"{ready} of {counted(len(members), 'member')} ready\n", style=style))
    headings = ("CLUSTER", "MODE", "READY", "SINCE", "VERSION", "NODES", "CPU", "MEMORY", "PODS", "WHERE", "LABELS")
    print_table(console, (*headings, "TAINTS", "MAINTENANCE"), [_cluster_row(m) for m in shown], everything=everything)


def _cluster_row(member: MemberStatus) -> tuple[str | Text, ...]:
    place = "/".join(part for part in (member.provider, member.region, ",".join(member.zones)) if part)
    return (
        *_ready(member),
        age(member.since),
        member.version,
        _nodes(member),
        _usage(member, "cpu", 1, ""),
        _usage(member, "memory", _GIB, "Gi"),
        _usage(member, "pods", 1, ""),
        place,
        labels_text(member.labels),
        ",".join(member.taints),
        Text(member.maintenance, style="yellow"),
    )


def _ready(member: MemberStatus) -> tuple[str, str, Text]:
    return member.name, member.mode, verdict(member.ready, "True", f"False: {member.reason}")


def _usage(member: MemberStatus, name: str, unit: int, suffix: str) -> str:
    used = member.usage.get(name)
    if used is None:
        return ""
    return f"{used.allocated / unit:.3g}/{used.allocatable / unit:.4g}{suffix} {used.percent}%"


def _nodes(member: MemberStatus) -> str:
    return f"{member.nodes_ready}/{member.nodes}"


@dataclass(frozen=True)
class Copies:
    """Copies of workloads, with the reasons why some are not healthy."""

    copies: list[CopyStatus]
    """The copies to show."""
    healthy: int
    """The number of healthy copies among `total`."""
    total: int
    """The number of copies that the options select, including those that are not shown."""
    why: dict[CopyStatus, list[str]] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    def reasons(self, copy: CopyStatus) -> list[str]:
        """Return why a copy isn't healthy."""
        return [text for text in (copy.reason, *self.why.get(copy, [])) if text]

    def to_json(self) -> dict[str, Any]:
        """Return the copies for machines."""
        copies = [{**asdict(copy), "why": self.reasons(copy)} for copy in self.copies]
        return {"workloads": copies, **({"chartNotes": notes_document(self.notes)} if self.notes else {})}


def paint_copies(console: Console, seen: Copies, everything: bool) -> None:
    """Print how many copies are healthy, then a table of the copies to show, with the reasons."""
    style = "bold green" if seen.healthy == seen.total else "bold red"
    console.print(Text(f"{seen.healthy} of {counted(seen.total, 'copy', 'copies')} healthy\n", style=style))
    rows = [_copy_row(copy, seen.reasons(copy)) for copy in seen.copies]
    headings = ("NAMESPACE", "WORKLOAD", "CLUSTER", "READY", "HEALTH", "SINCE", "IMAGE", "OVERRIDES", "WHY")
    print_table(console, headings, rows, everything=everything)
    paint_notes(console, seen.notes)


def _copy_row(copy: CopyStatus, why: list[str]) -> tuple[str | Text, ...]:
    return (
        copy.namespace,
        copy.workload,
        copy.cluster,
        copy.progress,
        Text(copy.health, style=_STYLES.get(copy.health, "yellow")),
        age(copy.since),
        ", ".join(copy.images),
        ", ".join(copy.overrides),
        "; ".join(why),
    )


def _health(copy: CopyStatus) -> Text:
    reason = f": {copy.reason}" if copy.reason else ""
    return Text(f"{copy.health}{reason}", style=_STYLES.get(copy.health, "yellow"))
