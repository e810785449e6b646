"""The notes of charts (NOTES.txt), as verbs show them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.ending import UsageError
from flotilla.cli.setting import load_fleet

if TYPE_CHECKING:
    from flotilla.plan.fleet import FleetPlan
    from flotilla.stack.files import ManifestFiles
    from flotilla.stack.fleet import Fleet
    from flotilla.stack.workloads import Workload

Notes = Mapping[str, str]
"""By workload."""
_UNTOUCHED = ("stays", "gone")


def notes_of_changes(plan: FleetPlan, fleet: Fleet, files: ManifestFiles) -> Notes:
    """Return the notes of the charts whose workloads are new or have changed.

    Args:
        plan: what was done.
        fleet: the stack's.
        files: where its charts are rendered.
    """
    from flotilla.workloads.notices import chart_notes

    changed = {workload.name for workload in plan.workloads if workload.verb not in _UNTOUCHED}
    return chart_notes([workload for workload in fleet.workloads if workload.name in changed], files)


def notes_asked(options: argparse.Namespace, names: frozenset[str]) -> Notes:
    """Return the notes of a stack's charts.

    Args:
        options: those of the verb.
        names: of workloads, or of objects; empty for all.

    Raises:
        UsageError: the fleet is that of a kubeconfig, which has no charts.
        FlotillaError: the stack file isn't valid.
    """
    if options.kubeconfig or options.context:
        raise UsageError("--notes is about the stack's charts, and --kubeconfig and --context name no stack")
    from flotilla.stack.files import ManifestFiles
    from flotilla.workloads.notices import chart_notes

    files = ManifestFiles(options.project.resolve())
    fleet = load_fleet(options, manifests=files)
    return chart_notes([one for one in fleet.workloads if not names or names & _names(one, files)], files)


def _names(workload: Workload, files: ManifestFiles) -> set[str]:
    from flotilla.workloads.objects import manifests_of

    return {workload.name, *(obj["metadata"]["name"] for obj in manifests_of(workload, files))}


def notes_document(notes: Notes) -> list[dict[str, Any]]:
    """Return notes for machines."""
    return [{"workload": workload, "text": text} for workload, text in notes.items()]


def paint_notes(console: Console, notes: Notes) -> None:
    """Print notes for people."""
    for workload, text in notes.items():
        console.print(Text(f"\nnotes of {workload}'s chart", style="bold"))
        console.print(Text("\n".join(f"  {line}".rstrip() for line in text.splitlines())))
