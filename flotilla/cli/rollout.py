"""The verbs for changes in waves: `rollout status`, `pause`, `resume`, `abort` and `approve`."""

from __future__ import annotations

import argparse
import datetime as dt
import socket
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.access import access_options, open_access
from flotilla.cli.completion import completed, workload_names
from flotilla.cli.documents import write_document
from flotilla.cli.ending import UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import whole_number
from flotilla.cli.tables import age, print_table
from flotilla.cli.verbs import HELP
from flotilla.cli.views import show, view_options
from flotilla.counts import counted
from flotilla.deploy.rollouts import rollouts_of, who_acts
from flotilla.deploy.stack_file import fleet_of
from flotilla.errors import FlotillaError
from flotilla.karmada.waves import controls
from flotilla.karmada.waves.record import Phase, Record
from flotilla.kube.connection import Connection
from flotilla.observe.rollouts import RolloutStatus, rollouts_in
from flotilla.state.locks import user_name

_STYLES = {Phase.FAILED: "red", Phase.REVERTED: "red", Phase.APPROVAL: "yellow", Phase.PAUSED: "yellow"}
_MOST_WAVES = 1000
_NONE = "no change in waves is under way"


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    parser = verbs.add_parser("rollout", help=HELP["rollout"])
    kinds = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    parents = [common, *access_options()]

    status = kinds.add_parser(
        "status",
        parents=[*parents, view_options()],
        help="list the changes that are under way, and what each waits for",
    )
    completed(status.add_argument("workload", nargs="?", default="", help="show only this workload"), workload_names)
    status.set_defaults(verb=_status)
    for name, act, text in (
        ("pause", _pause, "start no further wave of a change"),
        ("resume", _resume, "end a pause"),
        ("abort", _abort, "stop a change, and take it back in the clusters that have it"),
        ("approve", _approve, "approve the wave that waits for a person"),
    ):
        one = kinds.add_parser(name, parents=parents, help=text)
        completed(one.add_argument("workload", help="the workload's name"), workload_names)
        one.set_defaults(verb=act)
        if name == "approve":
            wave = whole_number(1, _MOST_WAVES)
            one.add_argument("--wave", type=wave, metavar="N", help="approve only this wave")
            one.add_argument(
                "--change", default="", metavar="ID", help="approve only this change; `rollout status` shows its ID"
            )


# -- status ---------------------------------------------------------------------------------------


def _status(options: argparse.Namespace) -> ExitCode:
    connection = open_access(options).control_plane

    def look() -> tuple[list[RolloutStatus], int]:
        found, others = _of(options, connection)
        return [one for one in found if options.workload in ("", one.record.workload)], others

    def document(seen: tuple[list[RolloutStatus], int]) -> dict[str, Any]:
        return {"stack": options.stack, "rollouts": [one.to_json() for one in seen[0]], "others": seen[1]}

    def paint(console: Console, seen: tuple[list[RolloutStatus], int]) -> None:
        _paint(console, *seen, everything=options.all)

    return show(options, look, document, paint)


def _paint(console: Console, found: list[RolloutStatus], others: int, *, everything: bool) -> None:
    if found:
        headings = ("NAMESPACE", "WORKLOAD", "CHANGE", "SINCE", "REACHED", "HELD BACK", "STATE")
        print_table(console, headings, map(_row, found), everything=everything)
    else:
        console.print(_NONE)
    for one in found:
        if one.waits_for:
            command = f"flotilla rollout approve {one.record.workload}"
            console.print(Text(f"{one.record.workload} waits for a person: `{command}`", style="yellow"))
    if others:
        console.print(Text(f"{counted(others, 'change')} more of workloads that are not in this stack", style="dim"))


def _row(one: RolloutStatus) -> tuple[str | Text, ...]:
    record = one.record
    return (
        one.namespace,
        record.workload,
        one.change,
        age(record.since),
        ", ".join(sorted(record.reached)),
        ", ".join(record.held_back),
        Text(one.text, style=_STYLES.get(record.phase, "")),
    )


# -- pause, resume, abort, approve ----------------------------------------------------------------


def _pause(options: argparse.Namespace) -> ExitCode:
    def ask(connection: Connection, one: RolloutStatus) -> tuple[Record, str]:
        found = controls.pause(connection, one.where, one.record, _who())
        return found, f"no further wave starts ({found.paused})"

    return _asked(options, "pause", ask)


def _resume(options: argparse.Namespace) -> ExitCode:
    def ask(connection: Connection, one: RolloutStatus) -> tuple[Record, str]:
        paused = bool(one.record.paused)
        return controls.resume(connection, one.where, one.record), "goes on" if paused else "was not paused"

    return _asked(options, "resume", ask)


def _abort(options: argparse.Namespace) -> ExitCode:
    def ask(connection: Connection, one: RolloutStatus) -> tuple[Record, str]:
        found = controls.abort(connection, one.where, one.record, _who())
        reached = f"is taken back in {', '.join(sorted(found.reached))}, and " if found.reached else ""
        return found, f"{reached}starts no further wave ({found.aborted})"

    return _asked(options, "abort", ask)


def _approve(options: argparse.Namespace) -> ExitCode:
    def ask(connection: Connection, one: RolloutStatus) -> tuple[Record, str]:
        if options.change and not one.record.declaration.startswith(options.change):
            raise FlotillaError(
                f"workload {options.workload}: the change that is under way is {one.change}, not "
                f"{options.change[:60]!r}; nothing was approved",
                hint="look at `flotilla rollout status` again",
            )
        try:
            found, given = controls.approve(connection, one.where, one.record, options.wave)
        except controls.NoSuchWave as error:
            raise UsageError(error.message, hint="`flotilla rollout status --json` lists the waves") from None
        when, _, wave = given.partition("-")
        return found, f"wave {wave} is approved ({'to start' if when == 'before' else 'as done'})"

    return _asked(options, "approve", ask)


def _asked(
    options: argparse.Namespace, what: str, ask: Callable[[Connection, RolloutStatus], tuple[Record, str]]
) -> ExitCode:
    """Record a person's request in the rollout; print its effect and which run carries it out."""
    connection = open_access(options).control_plane
    one = _the_one(options, connection)
    record, outcome = ask(connection, one)
    acts = who_acts(None if options.kubeconfig or options.context else setting_of(options))
    if options.json:
        rollout = RolloutStatus(one.where, record).to_json()
        write_document({"stack": options.stack, "asked": what, "outcome": outcome, "who": acts, "rollout": rollout})
    else:
        Output(as_json=False).console.print(Text(f"{options.workload}: {outcome}; {acts}"))
    return ExitCode.DONE


def _of(options: argparse.Namespace, connection: Connection) -> tuple[list[RolloutStatus], int]:
    """Return the changes of the stack's workloads, and the number of other changes.

    With a kubeconfig there is no stack: then all changes are returned.

    Raises:
        UsageError: the stack has no workload of the given name.
    """
    if options.kubeconfig or options.context:
        return rollouts_in(connection), 0
    found, others = rollouts_of(setting_of(options), connection)
    if options.workload and not any(one.record.workload == options.workload for one in found):
        names = sorted(workload.name for workload in fleet_of(setting_of(options), files=False).workloads)
        if options.workload not in names:
            raise UsageError(
                f"stack {options.stack} has no workload {options.workload[:60]!r}",
                hint=f"it has {', '.join(names[:20]) or 'none'}",
            )
    return found, others


def _the_one(options: argparse.Namespace, connection: Connection) -> RolloutStatus:
    """Return the change of the workload that the options name.

    Raises:
        FlotillaError: no change of it is under way.
        UsageError: the stack has no such workload, or several workloads have that name.
    """
    found = [one for one in _of(options, connection)[0] if one.record.workload == options.workload]
    if not found:
        raise FlotillaError(
            f"workload {options.workload[:60]}: {_NONE}; nothing was changed",
            hint="`flotilla rollout status` lists those that are",
        )
    if len(found) > 1:
        places = ", ".join(one.namespace for one in found)
        raise UsageError(
            f"several workloads are called {options.workload}, in the namespaces {places}; nothing was changed",
            hint="name the stack (-s) instead of the kubeconfig",
        )
    return found[0]


def _who() -> str:
    """Return the user, the host and the time of a request, in the form that locks have."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{user_name()}@{socket.gethostname()} at {now}"
