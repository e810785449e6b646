"""The verbs that plan and change a stack: preview, up, refresh, destroy."""

from __future__ import annotations

import argparse
import hmac
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flotilla.cli.adopting import refuse_unmatched
from flotilla.cli.ending import CommandError, Kind
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.notes import notes_document, notes_of_changes, paint_notes
from flotilla.cli.output import Output, plan_document, plan_failed
from flotilla.cli.policy import guards_of, refuse_violations, verdicts_of
from flotilla.cli.setting import karmada_version, load_fleet, setting_of
from flotilla.cli.stack_options import (
    confirm,
    engine_options,
    preview_options,
    showing_options,
    stack_options,
    sure_options,
)
from flotilla.cli.status_view import paint_status
from flotilla.cli.verbs import HELP
from flotilla.deploy.access import control_plane_of
from flotilla.deploy.engines import open_stack
from flotilla.deploy.in_members import previewed
from flotilla.deploy.interface import EngineName, Stack
from flotilla.observe.fleet import fleet_status
from flotilla.plan.fleet import FleetPlan, fleet_plan
from flotilla.plan.steps import Result
from flotilla.policy.guards import EMPTIED
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    stack, engine = stack_options(), engine_options()
    engine.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="URN",
        help="plan only this resource; may have *; may be repeated",
    )
    showing = showing_options()
    refreshing = argparse.ArgumentParser(add_help=False)
    refreshing.add_argument("--refresh", action="store_true", help="read the clusters' objects before planning")
    adopting = argparse.ArgumentParser(add_help=False)
    adopting.add_argument(
        "--adopt",
        action="append",
        nargs="*",
        metavar="NAME",
        help="take over existing objects: all of them, or those of a member, a workload, or one object (`Kind/name`)",
    )
    sure, preview_only = sure_options(), preview_options()

    planning = [common, stack, engine, showing, refreshing, adopting]
    preview = verbs.add_parser("preview", parents=planning, help=HELP["preview"])
    preview.add_argument("--expect-no-changes", action="store_true", help="exit with 3 if the plan has changes")
    preview.set_defaults(verb=preview_verb)
    up = verbs.add_parser("up", parents=[*planning, sure], help=HELP["up"])
    up.add_argument(
        "--plan",
        metavar="DIGEST",
        help="apply exactly the plan to which `preview` gave this digest, without a question",
    )
    up.set_defaults(verb=up_verb)
    refresh = verbs.add_parser("refresh", parents=[common, stack, engine, showing, preview_only], help=HELP["refresh"])
    refresh.add_argument("--expect-no-changes", action="store_true", help="exit with 3 if something differs")
    refresh.set_defaults(verb=_refresh)
    destroy = verbs.add_parser(
        "destroy", parents=[common, stack, engine, showing, preview_only, sure], help=HELP["destroy"]
    )
    destroy.add_argument(
        "--plan",
        metavar="DIGEST",
        help="apply exactly the plan to which `--preview-only` gave this digest, without a question",
    )
    destroy.set_defaults(verb=_destroy)


def _open(options: argparse.Namespace, output: Output, manifests: ManifestFiles | None = None) -> tuple[Stack, Fleet]:
    # This reports all problems of the stack file at once, before a cluster is asked or a program runs.
    fleet = load_fleet(options, manifests=manifests)
    return open_stack(options.engine, setting_of(options, output)), fleet


class _Shown:
    """The result of a run as its verb shows it. Its effect on the fleet (`plan`) is computed only once."""

    def __init__(
        self,
        options: argparse.Namespace,
        output: Output,
        stack: Stack,
        result: Result,
        plan: FleetPlan | None = None,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._options, self._output, self._stack, self._result = options, output, stack, result
        self._more = more
        if plan is not None:
            self.plan = plan

    @cached_property
    def plan(self) -> FleetPlan:
        """What the result means for the fleet."""
        return fleet_plan(self._result, version=karmada_version(self._options))

    def document(self) -> dict[str, Any]:
        """Return the result for machines."""
        document = plan_document(
            self.plan,
            self._result,
            stack=self._options.stack,
            engine=self._stack.engine,
            rendered=self._options.rendered,
        )
        return {**document, **self._more}

    def show(self, title: str) -> None:
        """Print the plan, unless --json was given: then `finish` prints one document at the end."""
        if self._options.json:
            return
        self._output.plan(
            self.plan,
            self._result,
            stack=self._options.stack,
            engine=self._stack.engine,
            detail=self._options.detail,
            rendered=self._options.rendered,
            title=title,
            digest=True,
            diff=self._options.diff,
            source=setting_of(self._options).stack_file,
        )

    def finish(self, more: dict[str, Any] | None = None) -> None:
        """Print the run's document if --json was given, or raise the run's failures.

        Args:
            more: additional fields of the document of a run that has succeeded.

        Raises:
            CommandError: something failed.
        """
        if self._result.failures:
            raise plan_failed(self._output, self._result, self.document())
        if self._options.json:
            self._output.json({**self.document(), **(more or {})})


def _refuse(
    options: argparse.Namespace, result: Result, shown: _Shown, *, applying: bool = True, verb: str = "up"
) -> None:
    """Raise an error if the plan can't be carried out, or if policies or guards refuse it.

    Args:
        options: the command's.
        result: the plan.
        shown: the plan as the verb shows it.
        applying: the plan is applied in this run, not only shown.
        verb: the verb that applies the plan.

    Raises:
        CommandError: the plan is refused; the error has all reasons, and nothing was changed.
    """
    document = shown.document()
    refusals = document.get("refusals", [])
    if refusals:
        raise CommandError(
            "the plan may not be carried out as it stands; nothing was changed",
            kind=Kind.REFUSED,
            code=ExitCode.REFUSED,
            hint="; ".join(refusals),
            document=document,
            lines=tuple(f"error: {refusal}; nothing was changed" for refusal in refusals),
        )
    verdicts = verdicts_of(options, result, shown.plan, applying=applying)
    refuse_violations(
        verdicts,
        document,
        how=_with_digest(options, result, *getattr(options, "command", (verb,))),
        confirmed=_confirmed(options, result),
    )


def _with_digest(options: argparse.Namespace, result: Result, *verb: str) -> str:
    """Return the command that applies exactly this plan; `verb` is the verb with its own arguments."""
    refreshing = ["--refresh"] if getattr(options, "refresh", False) else []
    engine = [] if options.engine is EngineName.AUTO else ["--engine", str(options.engine)]
    targets = [part for target in options.target for part in ("--target", target)]
    adopting = [part for names in getattr(options, "adopt", None) or () for part in ("--adopt", *names)]
    back = ["--to", str(setting.back_to)] if (setting := setting_of(options)).back_to else []
    folder = [] if options.project == Path() else ["-C", str(options.project)]
    parts = [*folder, *engine, *back, *refreshing, *targets, *adopting, "--plan", result.digest]
    return shlex.join(["flotilla", *verb, "--stack", options.stack, *parts])


def _confirmed(options: argparse.Namespace, result: Result) -> bool:
    """Return whether the digest given with --plan is the digest of this plan."""
    given = getattr(options, "plan", None)
    return given is not None and hmac.compare_digest(given.strip().lower().encode(), result.digest.encode())


def preview_verb(options: argparse.Namespace) -> ExitCode:
    """Run the verb `preview`: show the plan that the options ask for."""
    output = Output(as_json=options.json, quiet=True)
    stack, _ = _open(options, output)
    result = stack.preview(targets=tuple(options.target), refresh_first=options.refresh)
    refuse_unmatched(result)
    plan = previewed(result, setting_of(options), version=karmada_version(options))
    shown = _Shown(options, output, stack, result, plan)
    shown.show("Plan")
    if not result.failures:
        _refuse(options, result, shown, applying=False)
    shown.finish()
    return ExitCode.DRIFT if options.expect_no_changes and result.changes else ExitCode.DONE


@dataclass(frozen=True)
class Manner:
    """How a verb shows and applies a plan. The defaults are those of `up`."""

    verb: str = "up"
    title: str = "Plan"
    notes: Callable[[FleetPlan], list[str]] = lambda _: []
    """Returns additional messages for a plan."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Additional fields of the document for machines."""
    begin: Callable[[FleetPlan], None] | None = None
    """Is called before the first change. It writes the stack file if the plan was made from a changed copy of it."""
    end: Callable[[], dict[str, Any]] = dict
    """Is called when everything is done, and returns additional fields of the document."""
    preview_only: bool = False
    """Show the plan, and change nothing."""


def up_verb(options: argparse.Namespace) -> ExitCode:
    """Run the verb `up`: show the plan that the options ask for, ask, and apply it."""
    return carry_out(options, Manner())


def carry_out(options: argparse.Namespace, manner: Manner) -> ExitCode:
    """Show the plan that the options ask for, ask, and apply it, in the manner of a verb."""
    output = Output(as_json=options.json)
    files = ManifestFiles(options.project.resolve())
    stack, fleet = _open(options, output, files)
    quiet = open_stack(options.engine, setting_of(options))
    targets = tuple(options.target)
    planned = quiet.preview(targets=targets, refresh_first=options.refresh)
    refuse_unmatched(planned)
    plan = previewed(planned, setting_of(options), version=karmada_version(options))
    planned.messages += manner.notes(plan)
    shown = _Shown(options, output, stack, planned, plan, manner.more)
    document = shown.document()
    shown.show(manner.title)
    if planned.failures:
        raise plan_failed(output, planned, document)
    _refuse(options, planned, shown, applying=not manner.preview_only, verb=manner.verb)
    if manner.preview_only:
        shown.finish()
        return ExitCode.DONE
    if options.plan is not None:
        _compare_digest(options, planned, document)
    elif planned.changes:
        confirm(options, "apply this plan", document)
    if manner.begin is not None:
        manner.begin(plan)
        stack, fleet = _open(options, output, files)
    # The run refuses every step that the shown plan does not have.
    with output.running():
        result = stack.up(targets=targets, refresh_first=options.refresh, plan=planned)
    output.print_summary(result)
    result.digest = planned.digest
    if result.failures:
        sys.stderr.write(f"the state is saved: run `flotilla {manner.verb}` again to go on from here\n")
    done = _Shown(options, output, stack, result, more=manner.more)
    notes = {} if result.failures else notes_of_changes(done.plan, fleet, files)
    end = {} if result.failures else manner.end()
    done.finish({**({"chartNotes": notes_document(notes)} if notes else {}), **end})
    if not options.json:
        paint_notes(output.console, notes)
        output.console.print()
        paint_status(output.console, fleet_status(control_plane_of(setting_of(options), options.engine)))
    return ExitCode.DONE


def _compare_digest(options: argparse.Namespace, planned: Result, document: dict[str, Any]) -> None:
    """Refuse a plan whose digest is not the one given with --plan.

    Raises:
        CommandError: the digests differ; nothing was changed.
    """
    if _confirmed(options, planned):
        return
    raise CommandError(
        f"the plan has the digest {planned.digest}, not {options.plan.strip()[:64]}: a file, the state or a cluster "
        "has changed since that preview; nothing was changed",
        kind=Kind.PLAN_CHANGED,
        code=ExitCode.FAILED,
        hint="compare the steps of `flotilla preview --json` with those of the plan that was reviewed",
        document=document,
    )


def _refresh(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json, quiet=True)
    stack, _ = _open(options, output)
    result = stack.refresh(preview_only=options.preview_only)
    shown = _Shown(options, output, stack, result)
    shown.show("What the clusters have, compared with the state")
    shown.finish()
    return ExitCode.DRIFT if options.expect_no_changes and result.changes else ExitCode.DONE


def _destroy(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    stack = open_stack(options.engine, setting_of(options, output))
    quiet = open_stack(options.engine, setting_of(options))
    targets = tuple(options.target)
    result = quiet.destroy(targets=targets, preview_only=True)
    shown = _Shown(options, output, stack, result)
    if not result.failures:
        shown.show("To be deleted")
    if not result.failures and result.changes:
        how = _with_digest(options, result, "destroy")
        # A destroy always leaves workloads without clusters, so the guard against that does not apply to it.
        verdicts = guards_of(options, result, shown.plan, applying=not options.preview_only)
        guards = [verdict for verdict in verdicts if verdict.rule is not EMPTIED]
        refuse_violations(guards, shown.document(), how=how, confirmed=_confirmed(options, result))
    if not result.failures and not options.preview_only and result.changes:
        if options.plan is not None:
            _compare_digest(options, result, shown.document())
        else:
            confirm(options, "delete all of this", shown.document())
        planned = result
        with output.running():
            result = stack.destroy(targets=targets, plan=planned)
        output.print_summary(result)
        result.digest = planned.digest
        shown = _Shown(options, output, stack, result)
        if result.failures:
            sys.stderr.write("the state is saved: run `flotilla destroy` again to go on from here\n")
    shown.finish()
    return ExitCode.DONE
