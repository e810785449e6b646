"""What members have already of what a plan sends them, as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from flotilla.counts import counted
from flotilla.karmada.status.judgements import REMEDY
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.in_members import Outcome
from flotilla.untrusted import one_line

_STYLES = {Outcome.STOPS: "yellow", Outcome.IMPOSSIBLE: "red", Outcome.UNCERTAIN: "yellow"}


def print_in_member(console: Console, plan: FleetPlan, workload: str, cluster: str) -> None:
    """Print what one cluster has of one workload's new copies."""
    for one in plan.there:
        if (one.workload, one.cluster) == (workload, cluster):
            console.print(Text(f"      ! {one_line(one.text)}", style=_STYLES.get(one.outcome, "cyan")))


def print_in_members(console: Console, plan: FleetPlan) -> None:
    """Print at which workloads `up` would stop, how it goes on, and which members were not asked."""
    stopping = sorted({one.workload for one in plan.there if one.outcome is Outcome.STOPS})
    if stopping:
        said = f"there already in members: `up` would do nothing of {counted(len(stopping), 'workload')}"
        console.print(Text(f"\n{said} ({', '.join(stopping)}), and do the rest", style="yellow"))
        console.print(Text(f"  {REMEDY}", style="yellow"))
    for cluster, reason in sorted(plan.unasked.items()):
        text = f"{cluster}: not asked whether it has the new copies already: {one_line(reason)}"
        console.print(Text(text, style="yellow"))


def print_maintenance(console: Console, plan: FleetPlan) -> None:
    """Print which members are under maintenance, and what that moves."""
    if plan.maintenance:
        console.print("\nmaintenance")
    for one in plan.maintenance:
        console.print(Text(f"  ! {one_line(one.title)}", style="yellow"))
        for line in one.lines:
            console.print(Text(f"    {one_line(line)}", style="yellow"))
