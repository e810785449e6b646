"""The verbs `status`, `clusters` and `workloads`: the fleet at a glance, and closer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.access import access_options, cluster_options, open_access
from flotilla.cli.completion import completed, workload_names
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.notes import Notes, notes_asked, notes_document, paint_notes
from flotilla.cli.output import complain
from flotilla.cli.stack_options import seconds
from flotilla.cli.tables import age, labels_text, print_table, verdict
from flotilla.cli.verbs import HELP
from flotilla.cli.views import show, view_options
from flotilla.counts import counted
from flotilla.observe.access import FleetAccess
from flotilla.observe.across import chosen
from flotilla.observe.answering import unanswered
from flotilla.observe.fleet import FleetStatus, fleet_status
from flotilla.observe.members import MemberStatus, members_of
from flotilla.observe.why import ask_why
from flotilla.observe.workloads import CopyStatus

_WELL = ("healthy", "unhealthy")
_STYLES = {"Healthy": "green", "Unhealthy": "red"}
_GIB = 2**30


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    parents = [common, *access_options(), cluster_options(), view_options()]
    health = argparse.ArgumentParser(add_help=False)
    health.add_argument("--health", choices=_WELL, help="only what is well, or only what isn't")

    status = verbs.add_parser("status", parents=[*parents, health], help=HELP["status"])
    status.set_defaults(verb=_status)
    clusters = verbs.add_parser("clusters", parents=[*parents, health], help=HELP["clusters"])
    clusters.set_defaults(verb=_clusters)
    workloads = verbs.add_parser("workloads", parents=[*parents, health], help=HELP["workloads"])
    completed(workloads.add_argument("name", nargs="*", help="only these workloads"), workload_names)
    workloads.add_argument("-n", "--namespace", default="", help="only this namespace")
    workloads.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS", help="for asking members why")
    workloads.add_argument("--notes", action="store_true", help="what their charts' authors say (NOTES.txt), too")
    workloads.set_defaults(verb=_workloads)


# -- status ---------------------------------------------------------------------------------------


def _status(options: argparse.Namespace) -> ExitCode:
    access = open_access(options)

    def look() -> FleetStatus:
        seen = fleet_status(access.control_plane)
        members = _selected(options, access, seen.members)
        names = {member.name for member in members}
        copies = tuple(copy for copy in seen.workloads if copy.cluster in names or not copy.cluster)
        return FleetStatus(tuple(members), copies, unanswered(access, names))

    def wanted(seen: FleetStatus) -> FleetStatus:
        copies = (copy for copy in seen.workloads if _wanted(options, copy))
        return FleetStatus(tuple(_filtered(options, list(seen.members))), tuple(copies), seen.unanswered)

    def document(seen: FleetStatus) -> dict[str, Any]:
        return {"stack": options.stack, **wanted(seen).to_json(), "summary": seen.summary}

    def paint(console: Console, seen: FleetStatus) -> None:
        paint_status(console, seen, wanted(seen), everything=options.all)

    return show(options, look, document, paint)


def paint_status(
    console: Console, seen: FleetStatus, shown: FleetStatus | None = None, *, everything: bool = False
) -> None:
    """Print the summary of what was seen, then the members and workloads of it that are to be shown: all by default."""
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
        rows = [
            (c.namespace, c.workload, c.cluster, c.progress, _health(c), ", ".join(c.images)) for c in shown.workloads
        ]
        of_copies = ("NAMESPACE", "WORKLOAD", "CLUSTER", "READY", "HEALTH", "IMAGE")
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


# -- clusters -------------------------------------------------------------------------------------


def _clusters(options: argparse.Namespace) -> ExitCode:
    access = open_access(options)

    def look() -> tuple[list[MemberStatus], dict[str, str]]:
        members = chosen(members_of(access.control_plane, labels=options.cluster_labels), options.cluster)
        return members, unanswered(access, [member.name for member in members])

    def document(seen: tuple[list[MemberStatus], dict[str, str]]) -> dict[str, Any]:
        return {"clusters": [asdict(member) for member in _filtered(options, seen[0])], "unanswered": seen[1]}

    def paint(console: Console, seen: tuple[list[MemberStatus], dict[str, str]]) -> None:
        members, silent = seen
        for name, reason in silent.items():
            complain(f"{name} does not answer: {reason}", kind="warning")
        ready = sum(member.ready for member in members)
        style = "bold green" if ready == len(members) else "bold red"
        console.print(Text(f"{ready} of {counted(len(members), 'member')} ready\n", style=style))
        headings = ("CLUSTER", "MODE", "READY", "SINCE", "VERSION", "NODES", "CPU", "MEMORY", "PODS", "WHERE", "LABELS")
        print_table(
            console,
            (*headings, "TAINTS", "MAINTENANCE"),
            [_cluster_row(m) for m in _filtered(options, members)],
            everything=options.all,
        )

    return show(options, look, document, paint)


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


# -- workloads ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Copies:
    """Copies, with what their members say of those that aren't healthy."""

    copies: list[CopyStatus]
    """Those that are to be shown."""
    healthy: int
    total: int
    """Of all that were chosen, shown or not."""
    why: dict[CopyStatus, list[str]] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    def reasons(self, copy: CopyStatus) -> list[str]:
        return [text for text in (copy.reason, *self.why.get(copy, [])) if text]

    def to_json(self) -> dict[str, Any]:
        copies = [{**asdict(copy), "why": self.reasons(copy)} for copy in self.copies]
        return {"workloads": copies, **({"chartNotes": notes_document(self.notes)} if self.notes else {})}


def _workloads(options: argparse.Namespace) -> ExitCode:
    notes = notes_asked(options, frozenset(options.name)) if options.notes else {}
    access = open_access(options)

    def look() -> _Copies:
        seen = fleet_status(access.control_plane)
        members = {m.name for m in _selected(options, access, seen.members)}
        every = [c for c in seen.workloads if c.cluster in members and _named(options, c)]
        copies = [copy for copy in every if _wanted(options, copy)]
        healthy = sum(copy.health == "Healthy" for copy in every)
        return _Copies(copies, healthy, len(every), ask_why(access, copies, seconds=options.timeout), notes)

    return show(options, look, _Copies.to_json, lambda console, seen: _paint_copies(console, seen, options.all))


def _paint_copies(console: Console, seen: _Copies, everything: bool) -> None:
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


# -- filters --------------------------------------------------------------------------------------


def _selected(options: argparse.Namespace, access: FleetAccess, members: Sequence[MemberStatus]) -> list[MemberStatus]:
    """Return the members that --cluster and --cluster-labels mean; the server itself judges labels."""
    found = chosen(members, options.cluster)
    if not options.cluster_labels:
        return found
    labelled = {m.name for m in members_of(access.control_plane, labels=options.cluster_labels)}
    return [member for member in found if member.name in labelled]


def _filtered(options: argparse.Namespace, members: list[MemberStatus]) -> list[MemberStatus]:
    return [m for m in members if options.health is None or m.ready == (options.health == "healthy")]


def _wanted(options: argparse.Namespace, copy: CopyStatus) -> bool:
    return options.health is None or (copy.health == "Healthy") == (options.health == "healthy")


def _named(options: argparse.Namespace, copy: CopyStatus) -> bool:
    name = copy.workload.partition(" ")[2]
    return (not options.name or name in options.name) and options.namespace in ("", copy.namespace)
