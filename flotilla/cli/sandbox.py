"""The verbs for the sandbox: `sandbox up`, `prepare`, `status` and `down`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.stack_options import whole_number
from flotilla.cli.verbs import HELP
from flotilla.deploy.interface import Setting
from flotilla.deploy.state import remove_stack
from flotilla.sandbox.binaries import ensure
from flotilla.sandbox.fleet import STACK, Sandbox

_MOST_MEMBERS = 50


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb `sandbox` with its own verbs to the command's parser."""
    sandbox = verbs.add_parser("sandbox", help=HELP["sandbox"])
    inner = sandbox.add_subparsers(title="verbs", metavar="VERB", required=True)
    up = inner.add_parser("up", parents=[common], help="start the local fleet, or repair it")
    up.add_argument(
        "--members",
        type=whole_number(0, _MOST_MEMBERS),
        default=2,
        help="the number of members (default 2)",
    )
    up.add_argument("--karmada-bin", type=Path, help="the folder of Karmada's programs (default: KARMADA_BIN)")
    up.add_argument(
        "--stand-in", action="store_true", help="run the stand-in for Karmada, even if Karmada's programs are found"
    )
    up.set_defaults(verb=_up)
    prepare = inner.add_parser("prepare", parents=[common], help="download or build the programs, once")
    prepare.set_defaults(verb=_prepare)
    status = inner.add_parser("status", parents=[common], help="list the parts of the local fleet")
    status.set_defaults(verb=_status)
    down = inner.add_parser("down", parents=[common], help="end its processes and remove its files")
    down.set_defaults(verb=_down)


def _up(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    sandbox = Sandbox(options.project.resolve())
    sandbox.up(output.say, members=options.members, karmada_bin=options.karmada_bin, stand_in=options.stand_in)
    return _status(options)


def _prepare(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    binaries = ensure(output.say)
    if options.json:
        output.json({"folder": str(binaries.folder), "origin": binaries.origin})
    else:
        output.console.print(f"the sandbox's programs: {binaries.origin}, in {binaries.folder}")
    return ExitCode.DONE


def _status(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    parts = Sandbox(options.project.resolve()).status()
    if options.json:
        output.json({"parts": [part.__dict__ for part in parts]})
    elif not parts:
        output.console.print("there is no sandbox here; `flotilla sandbox up` starts one")
    for part in parts if not options.json else []:
        ready = "[green]ready[/]" if part.ready else "[red]not ready[/]"
        output.console.print(f"{part.name:20} {ready:10}  {part.detail}")
    return ExitCode.DONE if all(part.ready for part in parts) else ExitCode.FAILED


def _down(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    project = options.project.resolve()
    was_there = Sandbox(project).down(output.say)
    remove_stack(Setting(project, STACK))
    output.say("the sandbox is removed" if was_there else "there was no sandbox here")
    if options.json:
        output.json({"removed": was_there})
    return ExitCode.DONE
