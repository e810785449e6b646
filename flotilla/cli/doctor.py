"""The verb `doctor`: prints one line for each thing that a stack needs, with the remedy if it is missing."""

from __future__ import annotations

import argparse
from typing import Any

from rich.text import Text

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import load_fleet
from flotilla.cli.stack_options import seconds, stack_options
from flotilla.cli.verbs import HELP
from flotilla.deploy.doctor import Finding, Health, examine

_MARKS = {
    Health.FINE: ("✓", "green"),
    Health.NOTE: ("·", "yellow"),
    Health.WRONG: ("✗", "red"),
}


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    doctor = verbs.add_parser(
        "doctor",
        parents=[common, stack_options()],
        help=HELP["doctor"],
    )
    doctor.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="seconds to wait for each cluster and registry (default 5)",
    )
    doctor.set_defaults(verb=_doctor)


def _doctor(options: argparse.Namespace) -> ExitCode:
    output = Output(as_json=options.json)
    findings = examine(load_fleet(options), options.project.resolve(), seconds=options.timeout)
    wrong = sum(finding.health is Health.WRONG for finding in findings)
    if options.json:
        output.json({"stack": options.stack, "findings": [finding.to_json() for finding in findings], "wrong": wrong})
    else:
        for finding in findings:
            output.console.print(_line(finding))
        output.console.print(Text(f"{wrong} of {len(findings)} wrong" if wrong else "all is well", style="bold"))
    return ExitCode.FAILED if wrong else ExitCode.DONE


def _line(finding: Finding) -> Text:
    mark, style = _MARKS[finding.health]
    remedy = f"; {finding.remedy}" if finding.remedy else ""
    return Text(f"{mark} {finding.what}: {finding.seen}{remedy}", style=style if finding.remedy else "")
