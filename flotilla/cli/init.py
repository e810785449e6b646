"""The verb `init`: creates a project of the user's own, and upgrades it to a newer Flotilla."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from flotilla import __version__
from flotilla.cli.ending import UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.stack_options import confirm, sure_options
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.untrusted import printable

_SANDBOX = "sandbox"


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    init = verbs.add_parser(
        "init",
        parents=[common, sure_options()],
        help=HELP["init"],
    )
    init.add_argument("folder", type=Path, nargs="?", help="the project's folder, which must be empty or not exist")
    init.add_argument("--name", help="the project's name (default: the folder's)")
    what = init.add_mutually_exclusive_group()
    what.add_argument("--sandbox", action="store_true", help="also start a local fleet, and deploy to it")
    what.add_argument(
        "--upgrade",
        action="store_true",
        help="upgrade a project (default: the current folder); files that you changed stay, and their differences are "
        "shown",
    )
    what.add_argument(
        "--template", action="store_true", help="print the path of the template for `pulumi new`, and exit"
    )
    init.set_defaults(verb=_init)


def _init(options: argparse.Namespace) -> ExitCode:
    if options.template:
        from flotilla.scaffold.template_files import TEMPLATE

        output = Output(as_json=options.json)
        output.json({"template": str(TEMPLATE)}) if options.json else sys.stdout.write(f"{TEMPLATE}\n")
        return ExitCode.DONE
    given = options.folder
    if given is None and not options.upgrade:
        raise UsageError("init needs a folder", hint="flotilla init my-fleet")
    try:
        folder = (options.project / (given or ".")).resolve()
    except (OSError, ValueError, RuntimeError):
        raise UsageError(f"{str(given)[:60]!r} is not a folder's name", hint="flotilla init my-fleet") from None
    return _upgrade(options, folder) if options.upgrade else _write(options, folder)


def _write(options: argparse.Namespace, folder: Path) -> ExitCode:
    from flotilla.scaffold.writing import Refused, write_project

    output = Output(as_json=options.json)
    name = folder.name if options.name is None else options.name
    try:
        files = write_project(folder, name)
    except Refused as error:
        raise UsageError(f"{error.message}; nothing was written", hint=error.hint) from None
    shown = _shown(folder)
    output.say(f"wrote {counted(len(files), 'file')} to {shown}")
    code = _deploy(output, folder) if options.sandbox else ExitCode.DONE
    if options.json:
        output.json({"folder": str(folder), "project": name, "flotilla": __version__, "files": files})
    elif code is ExitCode.DONE:
        output.console.print(_next(shown, deployed=options.sandbox), markup=False, highlight=False, soft_wrap=True)
    return code


def _deploy(output: Output, folder: Path) -> ExitCode:
    """Start a local fleet and deploy its first workload, as `sandbox up` and `up` do."""
    from flotilla.cli.output import plan_failed
    from flotilla.deploy.engines import open_stack
    from flotilla.deploy.interface import EngineName, Setting
    from flotilla.sandbox.fleet import Sandbox

    Sandbox(folder).up(output.say, members=2)
    # The embedded engine runs in this process; Pulumi's CLI would need a Python environment of the project.
    stack = open_stack(EngineName.EMBEDDED, Setting(folder, _SANDBOX, output.on_step, output.say))
    result = stack.up()
    if result.failures:
        raise plan_failed(output, result, {"stack": _SANDBOX})
    return ExitCode.DONE


def _next(folder: str, *, deployed: bool) -> str:
    if deployed:
        lines = (
            ("flotilla status", "the fleet, and nginx on both clusters"),
            ("flotilla preview", "what a change of stacks/Pulumi.sandbox.yaml would do; then: flotilla up"),
            ("flotilla destroy && flotilla sandbox down", "remove everything"),
        )
    else:
        lines = (
            ("flotilla sandbox up", "a local fleet: Karmada and two clusters, no Docker"),
            ("flotilla preview", "what would change; nothing is changed yet"),
            ("flotilla up", "apply it"),
        )
    width = max(len(command) for command, _ in lines)
    return "\n".join(["", f"cd {folder}", *(f"{command:{width}}  # {text}" for command, text in lines)])


def _upgrade(options: argparse.Namespace, folder: Path) -> ExitCode:
    from flotilla.scaffold.upgrading import Fate, carry_out, plan_upgrade

    if options.name is not None:
        raise UsageError("--name and --upgrade exclude each other", hint="a project keeps its name")
    output = Output(as_json=options.json)
    upgrade = plan_upgrade(folder)
    document = {
        "folder": str(folder),
        "from": upgrade.record.version,
        "flotilla": __version__,
        "files": [{"path": one.path, "fate": str(one.fate), "diff": one.diff()} for one in upgrade.changes],
    }
    if not options.json:
        for change in upgrade.changes:
            sys.stdout.write(printable(change.diff()))
        for change in upgrade.changes:
            sys.stdout.write(f"{change.fate:8} {change.path}{_REMARKS[change.fate]}\n")
        sys.stdout.flush()
    if upgrade.done_already:
        output.say(f"{_shown(folder)} is up to date: Flotilla {__version__}")
    else:
        writing = sum(change.written for change in upgrade.changes)
        confirm(options, f"write {counted(writing, 'file')} and note Flotilla {__version__}", document)
        carry_out(upgrade)
        yours = sum(change.fate is Fate.YOURS for change in upgrade.changes)
        stay = f"; you have changed {counted(yours, 'file')}: copy what you want from the differences above"
        output.say(f"upgraded {_shown(folder)} from {upgrade.record.version} to {__version__}{stay if yours else ''}")
    if options.json:
        output.json(document)
    return ExitCode.DONE


_REMARKS = {
    "added": "",
    "updated": "",
    "yours": ": changed by you and by Flotilla; it stays as it is",
    "kept": ": changed or removed by you; it stays as it is",
}


def _shown(folder: Path) -> str:
    """Return a folder's path as a user would type it in the current folder."""
    here = Path.cwd()
    if folder == here:
        return "."
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
