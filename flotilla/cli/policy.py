"""The verb `policy`, and the policy checks of `preview` and `up`."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.documents import complain
from flotilla.cli.ending import CommandError, Kind
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output, plan_failed
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import engine_options, stack_options
from flotilla.cli.verbs import HELP
from flotilla.deploy.engines import open_stack
from flotilla.deploy.policies import guards_on, judge
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.steps import Result
from flotilla.policy.evaluate import Status, Verdict
from flotilla.untrusted import one_line

_STYLES = {Status.FAIL: "red", Status.EXEMPT: "yellow", Status.UNDECIDED: "yellow", Status.PASS: "green"}


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    policy = verbs.add_parser("policy", parents=[common, stack_options(), engine_options()], help=HELP["policy"])
    policy.add_argument("--all", action="store_true", help="also show the policies that pass")
    policy.set_defaults(verb=_policy)


def _policy(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json, quiet=True)
    stack = open_stack(options.engine, setting_of(options))
    result = stack.preview()
    if result.failures:
        raise plan_failed(output, result, {"stack": options.stack, "failures": result.failures})
    verdicts = verdicts_of(options, result)
    if options.json:
        output.json({"stack": options.stack, "verdicts": [verdict.to_json() for verdict in verdicts]})
    else:
        _print(output.console, verdicts, everything=options.all)
    return ExitCode.REFUSED if any(verdict.refuses for verdict in verdicts) else ExitCode.DONE


def verdicts_of(
    options: argparse.Namespace, result: Result, plan: FleetPlan | None = None, *, applying: bool = False
) -> list[Verdict]:
    """Return the verdicts of the project's policy pack and of the guards on a plan; the arguments are `judge`'s."""
    setting = setting_of(options)
    return judge(result, setting.project, setting.stack_file, plan, applying=applying)


def guards_of(
    options: argparse.Namespace, result: Result, plan: FleetPlan | None = None, *, applying: bool
) -> list[Verdict]:
    """Return the verdicts of the guards on a plan; none if the stack file no longer exists."""
    setting = setting_of(options)
    if not setting.stack_file.exists():
        return []
    return guards_on(result, setting.project, setting.stack_file, plan, applying=applying)


def refuse_violations(
    verdicts: list[Verdict], document: dict[str, Any], *, how: str = "", confirmed: bool = False
) -> None:
    """Write each advice to standard error, and raise an error if a mandatory policy is violated.

    Args:
        verdicts: the verdicts on the plan.
        document: the plan's document for --json.
        how: the command that applies the plan although a guard refuses it; empty if there is none.
        confirmed: the user has given the plan's digest, so guards only advise.

    Raises:
        CommandError: the plan may not be applied.
    """
    for verdict in verdicts:
        if verdict.status is Status.FAIL and not verdict.stops(confirmed=confirmed):
            complain(f"policy {verdict.sentence}", kind="advice")
    refused = [verdict for verdict in verdicts if verdict.stops(confirmed=confirmed)]
    refusing = [verdict.sentence for verdict in refused]
    if refusing:
        confirmable = bool(how) and all(verdict.confirmable for verdict in refused)
        confirm = (f"to confirm this plan: {how}",) if confirmable else ()
        raise CommandError(
            "refused by policy; nothing was changed",
            kind=Kind.REFUSED,
            code=ExitCode.REFUSED,
            hint="; ".join([*refusing, *confirm]),
            document={**document, "verdicts": [v.to_json() for v in verdicts if v.status is not Status.PASS]},
            lines=(
                *(f"error: policy {text}" for text in refusing),
                "error: refused by policy; nothing was changed",
                *(f"  {text}" for text in confirm),
            ),
        )


def _print(console: Console, verdicts: list[Verdict], *, everything: bool) -> None:
    for verdict in verdicts:
        if verdict.status is Status.PASS and not everything:
            continue
        word = "refused" if verdict.refuses else "advice" if verdict.status is Status.FAIL else str(verdict.status)
        what = f": {one_line(verdict.message)}" if verdict.message else ""
        line = f"{word:9} {verdict.rule.name:26} {verdict.resource}{what}"
        console.print(Text(line, style=_STYLES[verdict.status]))
        if verdict.status is Status.FAIL:
            console.print(f"{'':36} {verdict.rule.remedy}")
    counts = {status: sum(v.status is status for v in verdicts) for status in Status}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no policy applies"
    console.print(Text(f"{summary}; {sum(v.refuses for v in verdicts)} refuse the plan", style="bold"))
