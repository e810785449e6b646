"""The verbs `rollback` and `history`: list the stack's earlier updates, and go back to one of them."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from flotilla.cli.ending import UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.fleet import Manner, carry_out
from flotilla.cli.output import Output
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import (
    engine_options,
    preview_options,
    showing_options,
    stack_options,
    sure_options,
    whole_number,
)
from flotilla.cli.tables import print_table
from flotilla.cli.verbs import HELP
from flotilla.deploy.embedded import embedded_stack
from flotilla.deploy.going_back import NoWayBack
from flotilla.deploy.interface import Setting
from flotilla.deploy.rollback import Earlier, earlier, history_of
from flotilla.errors import FlotillaError
from flotilla.plan.fleet import FleetPlan, fleet_plan
from flotilla.stack.problems import ConfigError
from flotilla.state.history import Update
from flotilla.untrusted import one_line

_MOST = 1_000_000
_STAYS = "stays"


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    shared = [common, stack_options()]
    rollback = verbs.add_parser(
        "rollback",
        parents=[*shared, engine_options(), showing_options(), preview_options(), sure_options()],
        help=HELP["rollback"],
    )
    rollback.add_argument(
        "--to",
        type=whole_number(1, _MOST),
        metavar="UPDATE",
        help="the update's number in `flotilla history` (default: the newest update before the current one that "
        "succeeded and declared something else)",
    )
    rollback.add_argument("--refresh", action="store_true", help="read the clusters' objects before planning")
    rollback.add_argument(
        "--plan",
        metavar="DIGEST",
        help="apply exactly the plan to which `--preview-only` gave this digest, without a question",
    )
    rollback.set_defaults(verb=_rollback, target=[])
    history = verbs.add_parser("history", parents=shared, help=HELP["history"])
    history.set_defaults(verb=_history)


def _rollback(options: argparse.Namespace) -> ExitCode:
    setting = setting_of(options)
    try:
        with earlier(setting, options.engine, options.to) as found:
            options.back = found.setting
            return _back(options, setting, found)
    except NoWayBack as error:
        raise UsageError(error.message, hint=error.hint) from None


def _back(options: argparse.Namespace, setting: Setting, found: Earlier) -> ExitCode:
    update = found.update
    left: list[str] = []

    def end() -> dict[str, Any]:
        left.append(_still_declared(setting))
        return {"stillDeclared": left[0]} if left[0] else {}

    manner = Manner(
        verb="rollback",
        title=f"Plan to go back to update {update.number} of {update.time}",
        notes=lambda plan: [*_leaving(plan, update), *(f"not rolled back: {note}" for note in found.notes)],
        more={"rollback": {"to": update.number, "time": update.time, "notRolledBack": list(found.notes)}},
        end=end,
        preview_only=options.preview_only,
    )
    try:
        code = carry_out(options, manner)
    except ConfigError as error:
        raise ConfigError(error.problems, origin=f"the declaration of update {update.number}") from None
    if left and left[0] and not options.json:
        sys.stdout.write(f"\n{one_line(left[0])}\n")
    return code


def _leaving(plan: FleetPlan, update: Update) -> list[str]:
    """Return a note of the members that leave, because users don't expect a rollback to remove a member."""
    leaving = ", ".join(cluster.name for cluster in plan.clusters if cluster.verb == "leaves")
    return [f"leaves the fleet, because update {update.number} does not declare it: {leaving}"] if leaving else []


def _still_declared(setting: Setting) -> str:
    """Return a note of what the stack file still declares after a rollback; empty if a plan of it has no changes."""
    change = "change the file, or the next `flotilla up` applies it again"
    try:
        planned = embedded_stack(setting).preview()
    except FlotillaError as error:
        return f"the stack file can't be planned as it is ({error.message}): correct it before the next `flotilla up`"
    if planned.failures:
        return f"the stack file can't be planned as it is ({planned.failures[0]}): correct it before the next `up`"
    if not planned.changes:
        return ""
    plan = fleet_plan(planned)
    listed = {
        "workloads": [one.name for one in plan.workloads if one.verb != _STAYS],
        "members": [one.name for one in plan.clusters if one.verb != _STAYS],
        "objects": [one.name for one in plan.control_plane if one.verb != _STAYS],
    }
    said = "; ".join(f"{section}: {', '.join(names)}" for section, names in listed.items() if names)
    return f"the stack file still declares what was rolled back{f' ({said})' if said else ''}: {change}"


def _history(options: argparse.Namespace) -> ExitCode:
    try:
        history = history_of(setting_of(options))
    except NoWayBack as error:
        raise UsageError(error.message, hint=error.hint) from None
    output = Output(as_json=options.json)
    if options.json:
        output.json({"stack": options.stack, "updates": [_document(update) for update in history]})
        return ExitCode.DONE
    if not history:
        output.console.print(f"stack {options.stack} has no history: no update of it has ended yet")
        return ExitCode.DONE
    headings = ("update", "ended", "what", "result", "changes", "")
    print_table(output.console, headings, map(_row, reversed(history)), everything=True)
    return ExitCode.DONE


def _row(update: Update) -> tuple[str, ...]:
    if update.problem:
        return str(update.number), "", "", "", "", f"can't be read: it {update.problem}"
    changes = ", ".join(f"{count} {op}" for op, count in sorted(update.changes.items()) if op != "same")
    back = f"back to update {update.back_to}" if update.back_to else update.message
    lost = "no way back to it: what it declared is not kept" if update.good and not update.restorable else ""
    said = "; ".join(part for part in (back, lost) if part)
    return str(update.number), update.time, update.kind, update.result, changes, said


def _document(update: Update) -> dict[str, Any]:
    if update.problem:
        return {"number": update.number, "problem": update.problem}
    return {
        "number": update.number,
        "kind": update.kind,
        "time": update.time,
        "result": update.result,
        "changes": dict(sorted(update.changes.items())),
        "backTo": update.back_to or None,
        "message": update.message,
        "canGoBackTo": update.good and update.restorable,
    }
