"""What the command prints: tables and plans for people, JSON for machines, and the progress of a run."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml
from rich.text import Text

from flotilla.cli.adopting import print_there
from flotilla.cli.consoles import linked, printer, progress_printer
from flotilla.cli.differences import head, print_changes, print_objects
from flotilla.cli.documents import write_document
from flotilla.cli.ending import CommandError, Kind
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.in_members import NOT_ASKED, print_in_member, print_in_members, print_maintenance
from flotilla.cli.progress import Progress, place_of
from flotilla.cli.terminal import moves
from flotilla.counts import counted
from flotilla.deploy.interface import EngineName
from flotilla.plan.adoptions import changes_no_cluster
from flotilla.plan.changes import change_text
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.followers import Follower
from flotilla.plan.notices import notice_text
from flotilla.plan.policies import policies_text
from flotilla.plan.steps import CHANGING, Op, Phase, Result, Step, StepEvent
from flotilla.plan.workloads import WorkloadPlan
from flotilla.state.values import mask
from flotilla.untrusted import one_line

_SYMBOLS = {
    "joins": ("+", "green"),
    "new": ("+", "green"),
    "adopted": ("=", "cyan"),
    "leaves": ("-", "red"),
    "gone": ("-", "red"),
    "changes": ("~", "yellow"),
    "stays": (" ", "dim"),
}
_KEPT = ("=", "cyan")
"""A copy that is no longer part of the workload but stays in its cluster."""
_OPERATIONS = {
    Op.CREATE: ("+", "green"),
    Op.CREATE_REPLACEMENT: ("++", "green"),
    Op.UPDATE: ("~", "yellow"),
    Op.REPLACE: ("+-", "magenta"),
    Op.DELETE: ("-", "red"),
    Op.DELETE_REPLACED: ("--", "red"),
    Op.IMPORT: ("=", "cyan"),
    Op.ADOPT: ("=", "cyan"),
}
_SLOW_SECONDS = 1.0
"""The line of a step has its duration if the step took longer than this."""
_HINT = "\n  hint: "
"""Stands between the message and the hint in the text of a `FlotillaError`."""


class Output:
    """Writes results to standard output and progress to standard error, so that a pipe gets only the results."""

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        """Choose the form.

        Args:
            as_json: print one JSON document, no text for people.
            quiet: print no progress.
        """
        self.as_json = as_json
        self.console = printer()
        self.progress_console = progress_printer()
        self._quiet = quiet
        self._progress = Progress(self.progress_console, live=not (quiet or as_json) and moves(sys.stderr))
        self._printed: set[str] = set()
        """The failures that `on_step` has printed."""
        self._failed: Counter[str] = Counter()

    def json(self, document: dict[str, Any]) -> None:
        """Print one document for machines."""
        write_document(document)

    def say(self, line: str) -> None:
        """Print a line of progress."""
        if not self._quiet:
            self.progress_console.print(line, style="dim", markup=False)

    def on_step(self, event: StepEvent) -> None:
        """Print the end of a step: its change, its duration, or why it failed; and what a step waits for."""
        step = event.step
        self._progress.record(event)
        if event.phase is Phase.FAILED:
            reason = f": {one_line(event.error.replace(_HINT, '; hint: '))}" if event.error else ""
            self.progress_console.print(Text(f"  failed {step.op} {step.name}{reason}", style="red"))
            if event.error:
                self._printed.add(f"{step.op} {step.type} {step.name}: {event.error}")
            self._failed[place_of(step) or "the stack itself"] += 1
        elif event.phase is Phase.WAITING and not (self._quiet or self.as_json or self._progress.live):
            self.progress_console.print(Text(f"  … {one_line(event.said)}", style="dim"))
        elif event.phase is Phase.DONE and step.op in CHANGING and not self._quiet:
            symbol, style = _OPERATIONS.get(step.op, ("·", ""))
            took = f"  {event.seconds:.1f} s" if event.seconds > _SLOW_SECONDS else ""
            self.progress_console.print(Text(f"  {symbol} {step.name}{took}", style=style))

    def running(self) -> AbstractContextManager[None]:
        """Show the steps under way until the context ends."""
        return self._progress.shown()

    def print_summary(self, result: Result) -> None:
        """Print what a run has done, and how long it took; nothing if quiet or with --json."""
        if not (self._quiet or self.as_json):
            first, *more = self._progress.summary(result)
            self.progress_console.print(Text(first, style="bold"))
            for line in more:
                self.progress_console.print(Text(one_line(line), style="dim"))

    def failure_lines(self, result: Result) -> tuple[str, ...]:
        """Return the last lines of a run with failures: those that are not printed yet, then a count by cluster.

        `on_step` prints the failure of a step at once.
        """
        lines = [
            f"error: {self._without_known_reason(failure, result)}"
            for failure in result.failures
            if failure not in self._printed
        ]
        if self._failed:
            counts = ", ".join(f"{name} {count}" for name, count in sorted(self._failed.items()))
            lines.append(f"error: {sum(self._failed.values())} failed ({counts}); the reasons are above")
        return tuple(lines)

    def _without_known_reason(self, failure: str, result: Result) -> str:
        """Return the failure of a cluster that does not answer, without its reason if a failed step has shown that."""
        for cluster, reason in result.unknown.items():
            if failure.startswith(reason) and any(reason in printed for printed in self._printed):
                return f"{cluster} did not answer{failure.removeprefix(reason)}"
        return failure

    # -- plans ------------------------------------------------------------------------------------

    def plan(
        self,
        plan: FleetPlan,
        result: Result,
        *,
        stack: str,
        engine: EngineName,
        detail: bool,
        rendered: bool,
        title: str,
        digest: bool = False,
        diff: bool = False,
        source: Path | None = None,
    ) -> None:
        """Print a plan for people.

        Args:
            plan: what the plan means for the fleet.
            result: the plan's steps.
            stack: the stack's name.
            engine: the engine that made the plan.
            detail: print every resource and property.
            rendered: print the objects that each cluster gets.
            title: the first words of the output.
            digest: print the plan's digest as the last line.
            diff: print whole objects, before and after the change.
            source: the stack file; in terminals that show links, the title is a link to it.
        """
        self.console.print(linked(Text(f"{title} for stack {stack} ({engine} engine)", style="bold"), source))
        if plan.blast_radius.text:
            self.console.print(Text(plan.blast_radius.text))
        self._clusters(plan)
        print_maintenance(self.console, plan)
        self._workloads(plan)
        self._control_plane(plan)
        self._objects(plan)
        if detail:
            self._detail(result)
        if diff:
            print_objects(self.console, result.changes)
        if rendered:
            self._rendered(plan)
        print_there(self.console, result, stack)
        print_in_members(self.console, plan, result.unknown)
        for cluster, reason in sorted(result.unknown.items()):
            copies = f"; {NOT_ASKED}" if cluster in plan.unasked else ""
            self.console.print(Text(f"{cluster}: unknown: {reason}{copies}", style="yellow"))
        for message in result.messages:
            self.console.print(Text(message, style="yellow"))
        self.console.print(Text(summary(result), style="bold"))
        if digest and result.digest:
            self.console.print(f"plan digest {result.digest}")

    def _clusters(self, plan: FleetPlan) -> None:
        if plan.clusters:
            self.console.print("\nclusters")
        for cluster in plan.clusters:
            symbol, style = _SYMBOLS[cluster.verb]
            details = one_line("; ".join(cluster.details))
            self.console.print(
                Text(f"  {symbol} {cluster.name} {cluster.verb}{': ' + details if details else ''}", style=style)
            )

    def _workloads(self, plan: FleetPlan) -> None:
        if plan.workloads:
            self.console.print("\nworkloads")
        for workload in plan.workloads:
            symbol, style = _SYMBOLS[workload.verb]
            said = "; ".join(part for part in (workload.origin, _order(workload.after), _kept(workload.kept)) if part)
            self.console.print(Text(f"  {symbol} {workload.name}{': ' + said if said else ''}", style=style))
            if workload.policies:
                self.console.print(Text(f"      policies: {policies_text(workload.policies)}"))
            for line in workload.rollout.lines if workload.rollout else ():
                self.console.print(Text(f"      {one_line(line)}"))
            if workload.question:
                self.console.print(Text(f"      {workload.question}", style="yellow"))
            if workload.problem:
                self.console.print(Text(f"      {one_line(workload.problem)}", style="red"))
            for copy in workload.copies:
                symbol, style = _KEPT if copy.kept else _SYMBOLS[copy.verb]
                details = one_line("; ".join(map(head, copy.details))) or "no change"
                self.console.print(Text(f"    {symbol} on {copy.cluster}: {details}", style=style))
                print_changes(self.console, copy.details, " " * 8)
                print_in_member(self.console, plan, workload.name, copy.cluster)
            self._followers(workload.follows)
            self._remarks(workload)

    def _remarks(self, workload: WorkloadPlan) -> None:
        for cluster in workload.unscheduled:
            text = f"    ! won't be scheduled on {cluster.cluster}: {cluster}"
            self.console.print(Text(text, style="yellow"))
        for notice in workload.notices:
            self.console.print(Text(f"    ! {one_line(notice_text(notice))}", style="yellow"))
        for said in (*map(str, workload.undecided), *workload.unplaced):
            self.console.print(Text(f"    ! {one_line(said)}", style="yellow"))

    def _followers(self, followers: Iterable[Follower]) -> None:
        for follower in followers:
            for cluster, verb in sorted(follower.clusters.items()):
                symbol, style = _SYMBOLS.get(verb, ("!", "yellow"))
                self.console.print(Text(f"    {symbol} on {cluster}: {one_line(follower.text(cluster))}", style=style))

    def _control_plane(self, plan: FleetPlan) -> None:
        if plan.control_plane:
            self.console.print("\ncontrol plane")
        for one in plan.control_plane:
            symbol, style = _SYMBOLS[one.verb]
            details = one_line("; ".join(map(head, one.details)))
            self.console.print(Text(f"  {symbol} {one.name}{': ' + details if details else ''}", style=style))
            print_changes(self.console, one.details, " " * 6)

    def _objects(self, plan: FleetPlan) -> None:
        if plan.objects:
            self.console.print("\nobjects")
        for cluster, counter in sorted(plan.objects.items()):
            counts = ", ".join(f"{number} to {op.replace('-', ' ')}" for op, number in sorted(counter.items()))
            self.console.print(f"    {cluster}: {counts}")
            for line in plan.changed.get(cluster, []):
                self.console.print(Text(f"      ~ {one_line(head(line))}", style="yellow"))
                print_changes(self.console, (line,), " " * 10)

    def _detail(self, result: Result) -> None:
        self.console.print("\nresources")
        for step in result.steps:
            symbol, style = _OPERATIONS.get(step.op, (" ", "dim"))
            self.console.print(Text(f"  {symbol:2} {step.op:7} {step.type}  {step.name}", style=style))
            for change in step.changes:
                forces = " (forces replacement)" if change.replaces else ""
                self.console.print(Text(f"       {change.text}: {one_line(_pair(step, change))}{forces}", style=style))

    def _rendered(self, plan: FleetPlan) -> None:
        for cluster, objects in sorted(plan.rendered.items()):
            self.console.print(Text(f"\n# {cluster} gets", style="bold"))
            text = yaml.safe_dump_all([_as_written(o) for o in objects], sort_keys=False, allow_unicode=True)
            self.console.print(text, markup=False, end="")


def _order(after: tuple[str, ...]) -> str:
    return f"after: {', '.join(after)}" if after else ""


def _kept(clusters: tuple[str, ...]) -> str:
    """Return the text that names the clusters where copies stay: `stays on member1 and member2`."""
    *most, last = clusters or ("",)
    return f"stays on {', '.join(most)} and {last}" if most else f"stays on {last}" if last else ""


def _as_written(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its keys in the usual order of manifests."""
    first = [key for key in ("apiVersion", "kind", "metadata") if key in obj]
    return {key: obj[key] for key in [*first, *(key for key in obj if key not in first)]}


def plan_document(
    plan: FleetPlan, result: Result, *, stack: str, engine: EngineName, rendered: bool = False
) -> dict[str, Any]:
    """Return a plan for machines, with its steps sorted by URN.

    Except for `engine`, both engines give the same document for the same plan.
    """
    steps = sorted(result.steps, key=lambda step: (step.urn, step.op))
    document = {
        "stack": stack,
        "engine": str(engine),
        "digest": result.digest,
        "summary": dict(sorted(result.counts().items())),
        **plan.to_json(),
        "steps": [step.to_json() for step in steps],
        "failures": result.failures,
        **({"there": [one.to_json() for one in result.there]} if result.there else {}),
        "unknown": [{"cluster": cluster, "reason": reason} for cluster, reason in sorted(result.unknown.items())],
    }
    if rendered:
        document["rendered"] = plan.rendered
    return document


def plan_failed(output: Output, result: Result, document: dict[str, Any]) -> CommandError:
    """Return the error that ends a run or a preview with failures."""
    count = len(result.failures)
    return CommandError(
        f"{counted(count, 'thing')} failed: {result.failures[0]}",
        kind=Kind.FAILED,
        code=ExitCode.FAILED,
        document=document,
        lines=output.failure_lines(result),
    )


def summary(result: Result) -> str:
    """Return how much a plan changes, in one line."""
    counted = Counter(step.op for step in result.steps)
    parts = [
        f"{counted[op]} to {op.replace('-', ' ')}"
        for op in (Op.ADOPT, Op.CREATE, Op.UPDATE, Op.REPLACE, Op.DELETE, Op.IMPORT)
        if counted[op]
    ]
    nothing = "\nnothing changes in any cluster" if changes_no_cluster(result) else ""
    return ("\n" + ", ".join(parts) + f", {counted[Op.SAME]} unchanged{nothing}") if parts else "\nno changes"


def _pair(step: Step, change: Any) -> str:
    if step.op is Op.CREATE:
        return str(mask(change.new))
    return (
        change_text(change).removeprefix(change.text).strip()
        if change.old is None
        else f"{mask(change.old)} → {mask(change.new)}"
    )
