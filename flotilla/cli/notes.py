"""Reads and prints the notes of charts (NOTES.txt)."""

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
"""The notes of charts by workload."""
_UNCHANGED = ("stays", "gone")


def notes_of_changes(plan: FleetPlan, fleet: Fleet, files: ManifestFiles) -> Notes:
    """Return the notes of the charts whose workloads are new or have changed.

    Args:
        plan: the plan of the run.
        fleet: the stack's fleet.
        files: reads and renders the charts.
    """
    from flotilla.workloads.notices import chart_notes

    changed = {workload.name for workload in plan.workloads if workload.verb not in _UNCHANGED}
    return chart_notes([workload for workload in fleet.workloads if workload.name in changed], files)


def notes_asked(options: argparse.Namespace, names: frozenset[str]) -> Notes:
    """Return the notes of a stack's charts.

    Args:
        options: the verb's options.
        names: names of workloads or objects; empty for all.

    Raises:
        UsageError: the options name a kubeconfig instead of a stack, so there are no charts.
        FlotillaError: the stack file is not valid.
    """
    if options.kubeconfig or options.context:
        raise UsageError(
            "--notes shows the notes of a stack's charts, but --kubeconfig and --context name no stack",
            hint="leave out --kubeconfig and --context, or --notes",
        )
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
