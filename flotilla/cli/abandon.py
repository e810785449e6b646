"""The verb `abandon`: removes a member that no longer exists from the control plane and the state."""

from __future__ import annotations

import argparse
from typing import Any

from rich.text import Text

from flotilla.cli.completion import completed, member_names
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import confirm, engine_options, preview_options, stack_options, sure_options
from flotilla.cli.tables import print_objects
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.deploy.abandon import Abandonment, abandon, plan_abandonment


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    parser = verbs.add_parser(
        "abandon",
        parents=[common, stack_options(), engine_options(), preview_options(), sure_options()],
        help=HELP["abandon"],
    )
    completed(parser.add_argument("member", help="the member's name"), member_names)
    parser.set_defaults(verb=_abandon)


def _abandon(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    setting = setting_of(options, output)
    plan = plan_abandonment(setting, options.engine, options.member)
    if not options.json:
        _print(output, plan)
    if options.preview_only:
        if options.json:
            output.json({"stack": options.stack, "done": False, **plan.to_json()})
        return ExitCode.DONE
    confirm(options, f"abandon {plan.member}", {"stack": options.stack, "done": False, **plan.to_json()})
    abandon(setting, options.engine, plan)
    if options.json:
        output.json({"stack": options.stack, "done": True, **plan.to_json()})
    else:
        output.console.print(Text(f"{plan.member} is abandoned; remove it from the stack file", style="bold"))
    return ExitCode.DONE


def _print(output: Output, plan: Abandonment) -> None:
    say = output.console.print
    say(Text(f"{plan.member} can be abandoned: {plan.why}", style="bold"))
    say("\nremoved from the control plane, without asking the member")
    for ref in plan.objects:
        say(Text(f"  - {ref}", style="red"))
    if plan.works:
        works = f"{counted(len(plan.works), 'Work')}, finalizers included where Karmada doesn't remove them"
        say(Text(f"  - {works}", style="red"))
    say(f"\nforgotten by the state: {counted(len(plan.urns), 'resource')}")
    say("\nmay still exist in the lost cluster, and are no longer managed")
    print_objects(output.console, plan.running, "", "yellow")
    say("If the cluster comes back, first delete these objects in it: Karmada's account still has all rights there.")
