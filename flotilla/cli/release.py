"""The verb `release`: stops managing workloads or members, and leaves everything in the members running."""

from __future__ import annotations

import argparse
from typing import Any

from rich.text import Text

from flotilla.cli.completion import completed, member_names, workload_names
from flotilla.cli.ending import CommandError, Kind
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import confirm, engine_options, preview_options, stack_options, sure_options
from flotilla.cli.tables import print_objects
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.deploy.release import Release, plan_release, release


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    parser = verbs.add_parser(
        "release",
        parents=[common, stack_options(), engine_options(), preview_options(), sure_options()],
        help=HELP["release"],
    )
    names = parser.add_argument("names", nargs="*", metavar="NAME", help="names of workloads and members")
    completed(names, lambda **given: [*workload_names(**given), *member_names(**given)])
    parser.add_argument("--all", action="store_true", help="release every workload and every member")
    parser.set_defaults(verb=_release)


def _release(options: argparse.Namespace) -> ExitCode:
    if bool(options.names) == options.all:
        raise CommandError(
            "release needs names of workloads or members, or --all, and not both",
            kind=Kind.USAGE,
            code=ExitCode.USAGE,
            hint="`flotilla release shop`, `flotilla release --all`",
        )
    output = Output(as_json=options.json)
    setting = setting_of(options, output)
    plan = plan_release(setting, options.engine, options.names, everything=options.all)
    document = {"stack": options.stack, "done": False, **plan.to_json()}
    if not options.json:
        _print(output, plan)
    if options.preview_only:
        if options.json:
            output.json(document)
        return ExitCode.DONE
    names = ", ".join(one.name for one in (*plan.workloads, *plan.members))
    confirm(options, f"release {names}", document)
    said = release(setting, options.engine, plan)
    if options.json:
        output.json({**document, "done": True, "notes": said})
        return ExitCode.DONE
    for line in said:
        output.console.print(Text(line, style="yellow"))
    output.console.print(Text(f"{names}: released; remove {_pronoun(plan)} from the stack file", style="bold"))
    if plan.workloads:
        output.console.print(
            "if the entry stays there, the next `up` sends it again: where copies run, `up` stops "
            "(`conflictResolution: Abort`) or takes them over again (`Overwrite`)"
        )
    return ExitCode.DONE


def _pronoun(plan: Release) -> str:
    return "it" if len(plan.workloads) + len(plan.members) == 1 else "them"


def _print(output: Output, plan: Release) -> None:
    say = output.console.print
    say(Text("to be released", style="bold"))
    for kind, parts in (("workload", plan.workloads), ("member", plan.members)):
        for one in parts:
            say(Text(f"  {kind} {one.name}", style="cyan"))
    for member, refs in plan.staying.items():
        say(f"\nstays on {member}, without Karmada's labels and annotations")
        print_objects(output.console, refs, "= ", "cyan")
    say("\nremoved from the control plane")
    print_objects(output.console, plan.removed, "- ", "red")
    if plan.members:
        say("removed from the members: Karmada's accounts, roles and agents")
    say(f"\nforgotten by the state: {counted(len(plan.urns), 'resource')}")
