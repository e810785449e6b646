"""The verbs for a stack's state: `state show`, `state restore`, `state unlock`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.consoles import printer
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.stack_options import confirm, stack_options, sure_options
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.deploy.interface import Setting
from flotilla.deploy.state import Copy, Restoration, facts, locks_of, refuse_live, restoration, restore
from flotilla.state.backups import time_of
from flotilla.state.locks import Lock
from flotilla.state.urns import name_of, own_type

_LISTED = 20


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    state = verbs.add_parser("state", help=HELP["state"])
    kinds = state.add_subparsers(title="verbs", metavar="VERB", required=True)
    sure = sure_options()

    show = kinds.add_parser(
        "show", parents=[common, stack_options()], help="show where the state, its backups and its locks are"
    )
    show.set_defaults(verb=_show)
    restoring = kinds.add_parser(
        "restore", parents=[common, stack_options(), sure], help="replace the state by a backup"
    )
    restoring.add_argument(
        "--backup", type=Path, metavar="FILE", help="the backup (default: the newest one that can be read)"
    )
    restoring.set_defaults(verb=_restore)
    unlock = kinds.add_parser("unlock", parents=[common, stack_options(), sure], help="remove a stack's lock")
    unlock.add_argument(
        "--force", action="store_true", help="also remove the lock of a process that still runs on this host"
    )
    unlock.set_defaults(verb=_unlock)


def _setting(options: argparse.Namespace) -> Setting:
    output = Output(as_json=options.json)
    return Setting(options.project.resolve(), options.stack, report=output.say)


def _show(options: argparse.Namespace) -> ExitCode:
    found = facts(_setting(options))
    if options.json:
        Output(as_json=True).json({"stack": options.stack, **found.to_json()})
    else:
        console = printer()
        console.print(Text(f"state of stack {options.stack}", style="bold"))
        _print_copy(console, found.state)
        console.print("\nbackups, newest first" if found.copies else "\nno backups")
        for copy in found.copies:
            _print_copy(console, copy)
        console.print("\nlocks" if found.locks else "\nnot locked")
        _print_locks(console, list(found.locks))
    return ExitCode.FAILED if found.state.problem else ExitCode.DONE


def _restore(options: argparse.Namespace) -> ExitCode:
    setting = _setting(options)
    plan = restoration(setting, options.backup)
    if not options.json:
        _print_plan(printer(), plan)
    wanted = not plan.same
    document = {"stack": options.stack, **plan.to_json(), "restored": False, "kept": None}
    if wanted:
        confirm(options, "replace the state by this backup", document)
    kept = restore(setting, plan) if wanted else None
    if options.json:
        Output(as_json=True).json({**document, "restored": wanted, "kept": str(kept) if kept else None})
    elif wanted:
        console = printer()
        if kept:
            console.print(Text(f"the replaced file is kept: {kept}"))
        console.print(
            f"restored; `flotilla refresh -s {options.stack} --preview-only` shows where the clusters differ from it"
        )
    return ExitCode.DONE


def _unlock(options: argparse.Namespace) -> ExitCode:
    setting = _setting(options)
    locks = locks_of(setting)
    console = printer()
    if not options.json:
        console.print(f"stack {options.stack} is {'locked by' if locks else 'not locked'}")
        _print_locks(console, locks)
    if not options.force:
        refuse_live(setting, locks)
    wanted = bool(locks)
    document = {"stack": options.stack, "locks": [lock.to_json() for lock in locks], "unlocked": False}
    if wanted:
        confirm(options, "break the stack's lock", document)
        for lock in locks:
            lock.remove()
    if options.json:
        Output(as_json=True).json({**document, "unlocked": wanted})
    elif wanted:
        console.print(
            f"unlocked; the next run of stack {options.stack} checks the operations that the last run did not finish"
        )
    return ExitCode.DONE


def _print_copy(console: Console, copy: Copy) -> None:
    if not copy.exists:
        console.print(Text(f"  {copy.file}: {copy.problem or 'there is none'}", style="yellow"))
    elif copy.problem:
        console.print(Text(f"  {copy.file} ({time_of(copy.file)}): not usable, it {copy.problem}", style="red"))
    else:
        pending = f", {counted(copy.pending, 'operation')} not finished" if copy.pending else ""
        console.print(Text(f"  {copy.file} ({time_of(copy.file)}): {counted(copy.resources, 'resource')}{pending}"))


def _print_locks(console: Console, locks: list[Lock]) -> None:
    for lock in locks:
        holder = "" if lock.problem else f": {_HOLDERS[lock.holder]}"
        console.print(Text(f"  {lock.text}{holder}"))


_HOLDERS = {
    "live": "the process runs on this host",
    "gone": "the process has ended; the next run takes over the lock by itself",
    "unknown": "this host can't see whether the process still runs",
}


def _print_plan(console: Console, plan: Restoration) -> None:
    _print_copy(console, plan.state)
    console.print(Text(f"would be replaced by the backup {plan.backup.text}"))
    if plan.same:
        console.print("the backup and the state have the same content; there is nothing to restore")
        return
    for symbol, style, urns in (("+", "green", plan.added), ("-", "red", plan.removed)):
        for urn in urns[:_LISTED]:
            console.print(Text(f"  {symbol} {own_type(urn)}  {name_of(urn)}", style=style))
        if len(urns) > _LISTED:
            console.print(Text(f"  {symbol} and {len(urns) - _LISTED} more", style=style))
    for urn, paths in plan.changed[:_LISTED]:
        listed = f": {', '.join(paths[:_LISTED])}" if paths else ""
        console.print(Text(f"  ~ {own_type(urn)}  {name_of(urn)}{listed}", style="yellow"))
    if len(plan.changed) > _LISTED:
        console.print(Text(f"  ~ and {len(plan.changed) - _LISTED} more", style="yellow"))
    console.print(
        f"in the state: {len(plan.added)} to add, {len(plan.removed)} to remove, {len(plan.changed)} to change; "
        "no cluster is changed"
    )
