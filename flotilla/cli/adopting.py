"""Prints the objects of a plan that exist already, and the command that adopts them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flotilla.cli.ending import UsageError
from flotilla.counts import counted
from flotilla.plan.steps import Result

_EXAMPLES = 2


def print_there(console: Console, result: Result, stack: str) -> None:
    """Print the objects that a plan would create but that exist already, and the command that takes them over."""
    if not result.there:
        return
    console.print(Text(f"\nexist already: `up` would stop at {counted(len(result.there), 'object')}", style="yellow"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("  CLUSTER", "OBJECT", "OF", "WRITTEN BY"):
        table.add_column(name)
    for one in sorted(result.there, key=lambda one: (one.cluster, one.object)):
        writers = ", ".join(one.managers) or "-"
        table.add_row(*map(Text, (f"  {one.cluster}", one.object, one.part, writers)))
    console.print(table)
    parts = sorted({one.part for one in result.there if one.part})
    some = f", or only some of them: --adopt {' '.join(parts[:_EXAMPLES])}" if len(parts) > 1 else ""
    console.print(Text(f"  to take them over: flotilla up -s {stack} --adopt{some}", style="yellow"))


def refuse_unmatched(result: Result) -> None:
    """Refuse names after --adopt which match nothing in the stack.

    Raises:
        UsageError: there are such names, and the whole stack was planned.
    """
    if result.unmatched and not result.failures:
        names = ", ".join(repr(name) for name in result.unmatched)
        raise UsageError(
            f"--adopt {names}: nothing in the stack has this name, so nothing would be adopted",
            hint="name a member, a workload, a resource or an object (`Deployment/web`), or give no name to adopt all",
        )
