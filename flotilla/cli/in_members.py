"""Prints, for people, which objects of a plan the members have already."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.text import Text

from flotilla.counts import counted
from flotilla.karmada.status.judgements import REMEDY
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.in_members import Outcome
from flotilla.untrusted import one_line

NOT_ASKED = "not asked whether it has the new copies already"
_STYLES = {Outcome.STOPS: "yellow", Outcome.IMPOSSIBLE: "red", Outcome.UNCERTAIN: "yellow"}


def print_in_member(console: Console, plan: FleetPlan, workload: str, cluster: str) -> None:
    """Print the new copies of one workload that one cluster has already."""
    for one in plan.there:
        if (one.workload, one.cluster) == (workload, cluster):
            console.print(Text(f"      ! {one_line(one.text)}", style=_STYLES.get(one.outcome, "cyan")))


def print_in_members(console: Console, plan: FleetPlan, unknown: Collection[str] = ()) -> None:
    """Print the workloads that `up` would leave out, the remedy, and the members that were not asked.

    Args:
        console: where to print.
        plan: the plan.
        unknown: clusters that did not answer, which are left out because the plan names them with the reason.
    """
    stopping = sorted({one.workload for one in plan.there if one.outcome is Outcome.STOPS})
    if stopping:
        left_out = f"exist already in members: `up` would leave out {counted(len(stopping), 'workload')}"
        console.print(Text(f"\n{left_out} ({', '.join(stopping)}), and apply the rest", style="yellow"))
        console.print(Text(f"  {REMEDY}", style="yellow"))
    for cluster, reason in sorted(plan.unasked.items()):
        if cluster not in unknown:
            console.print(Text(f"{cluster} was {NOT_ASKED}: {one_line(reason)}", style="yellow"))


def print_maintenance(console: Console, plan: FleetPlan) -> None:
    """Print the members under maintenance, and which workloads that moves."""
    if plan.maintenance:
        console.print("\nmaintenance")
    for one in plan.maintenance:
        console.print(Text(f"  ! {one_line(one.title)}", style="yellow"))
        for line in one.lines:
            console.print(Text(f"    {one_line(line)}", style="yellow"))
