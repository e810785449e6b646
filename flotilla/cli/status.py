"""The verbs `status`, `clusters` and `workloads`: an overview of the fleet, its members, and its workloads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flotilla.cli.access import access_options, cluster_options, open_access
from flotilla.cli.completion import completed, workload_names
from flotilla.cli.documents import complain
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.stack_options import seconds
from flotilla.cli.verbs import HELP
from flotilla.cli.views import show, view_options
from flotilla.observe.access import FleetAccess
from flotilla.observe.across import chosen
from flotilla.observe.answering import unanswered
from flotilla.observe.members import MemberStatus, members_of

if TYPE_CHECKING:
    from rich.console import Console

    from flotilla.cli.notes import Notes
    from flotilla.observe.fleet import FleetStatus
    from flotilla.observe.workloads import CopyStatus

_HEALTH = ("healthy", "unhealthy")


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    parents = [common, *access_options(), cluster_options(), view_options()]
    health = argparse.ArgumentParser(add_help=False)
    health.add_argument("--health", choices=_HEALTH, help="list only healthy rows, or only unhealthy ones")

    status = verbs.add_parser("status", parents=[*parents, health], help=HELP["status"])
    status.set_defaults(verb=_status)
    clusters = verbs.add_parser("clusters", parents=[*parents, health], help=HELP["clusters"])
    clusters.set_defaults(verb=_clusters)
    workloads = verbs.add_parser("workloads", parents=[*parents, health], help=HELP["workloads"])
    completed(workloads.add_argument("name", nargs="*", help="list only these workloads"), workload_names)
    workloads.add_argument("-n", "--namespace", default="", help="list only this namespace")
    workloads.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="seconds to wait for the members' reasons (default 10)",
    )
    workloads.add_argument("--notes", action="store_true", help="also print the notes of charts (NOTES.txt)")
    workloads.set_defaults(verb=_workloads)


# -- status ---------------------------------------------------------------------------------------


def _status(options: argparse.Namespace) -> ExitCode:
    from flotilla.observe.fleet import FleetStatus, fleet_status  # it loads models that `clusters` does not need

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
        from flotilla.cli.status_view import paint_status

        paint_status(console, seen, wanted(seen), everything=options.all)

    return show(options, look, document, paint)


# -- clusters -------------------------------------------------------------------------------------


def _clusters(options: argparse.Namespace) -> ExitCode:
    access = open_access(options)

    def look() -> tuple[list[MemberStatus], dict[str, str]]:
        members = chosen(members_of(access.control_plane, labels=options.cluster_labels), options.cluster)
        return members, unanswered(access, [member.name for member in members])

    def document(seen: tuple[list[MemberStatus], dict[str, str]]) -> dict[str, Any]:
        return {"clusters": [asdict(member) for member in _filtered(options, seen[0])], "unanswered": seen[1]}

    def paint(console: Console, seen: tuple[list[MemberStatus], dict[str, str]]) -> None:
        from flotilla.cli.status_view import paint_clusters

        for name, reason in seen[1].items():
            complain(f"{name} does not answer: {reason}", kind="warning")
        paint_clusters(console, seen[0], _filtered(options, seen[0]), everything=options.all)

    return show(options, look, document, paint)


# -- workloads ------------------------------------------------------------------------------------


def _workloads(options: argparse.Namespace) -> ExitCode:
    from flotilla.cli.status_view import Copies, paint_copies
    from flotilla.observe.fleet import fleet_status
    from flotilla.observe.why import ask_why

    notes: Notes = {}
    if options.notes:
        from flotilla.cli.notes import notes_asked

        notes = notes_asked(options, frozenset(options.name))
    access = open_access(options)

    def look() -> Copies:
        seen = fleet_status(access.control_plane)
        members = {m.name for m in _selected(options, access, seen.members)}
        every = [c for c in seen.workloads if c.cluster in members and _named(options, c)]
        copies = [copy for copy in every if _wanted(options, copy)]
        healthy = sum(copy.health == "Healthy" for copy in every)
        return Copies(copies, healthy, len(every), ask_why(access, copies, seconds=options.timeout), notes)

    return show(options, look, Copies.to_json, lambda console, seen: paint_copies(console, seen, options.all))


# -- filters --------------------------------------------------------------------------------------


def _selected(options: argparse.Namespace, access: FleetAccess, members: Sequence[MemberStatus]) -> list[MemberStatus]:
    """Return the members that --cluster and --cluster-labels select; the API server matches the labels."""
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
