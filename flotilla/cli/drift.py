"""The verb `drift`: finds drift and prints it, and with --fix corrects it."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flotilla.cli.ending import CommandError, Kind, UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output, plan_failed
from flotilla.cli.policy import guards_of, refuse_violations
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import confirm, engine_options, seconds, stack_options
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import Stack
from flotilla.drift.check import check_stack
from flotilla.drift.findings import DriftReport, Finding, Remedy
from flotilla.drift.formats import FORMATS, count_text, ignored_sentence, shortened
from flotilla.drift.own_rules import own_rules
from flotilla.stack.load import drift_settings
from flotilla.untrusted import one_line

_HOW = "`flotilla preview --refresh` shows it, and `flotilla up --refresh --plan DIGEST` applies it"


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    drift = verbs.add_parser(
        "drift",
        parents=[common, stack_options(), engine_options()],
        help=HELP["drift"],
    )
    drift.add_argument("--format", choices=sorted(FORMATS), help="print in a format for CI systems")
    drift.add_argument(
        "--timeout",
        type=seconds,
        default=120.0,
        metavar="SECONDS",
        help="seconds to wait for all clusters together (default 120)",
    )
    drift.add_argument("--watch", type=seconds, metavar="SECONDS", help="repeat until Ctrl-C, after this time")
    drift.add_argument("--fix", action="store_true", help="run `up --refresh` if it can fix something")
    drift.add_argument("-y", "--yes", action="store_true", help="with --fix: apply without a question")
    drift.set_defaults(verb=_drift)


def _drift(options: argparse.Namespace) -> ExitCode:
    if options.format and options.json:
        raise UsageError("--format and --json exclude each other", hint="use one of them")
    while True:
        stack = open_stack(options.engine, setting_of(options))
        report = _check(options, stack)
        fixing = options.fix and any(finding.remedy is Remedy.UP for finding in report.findings)
        if not (fixing and options.json):  # --json prints one document: the drift that remains after the fix
            _print(options, report)
        if fixing:
            report = _fix_or_report(options, stack, report)
        if options.watch is None:
            return exit_code(report)
        sys.stdout.flush()
        time.sleep(options.watch)


def _check(options: argparse.Namespace, stack: Stack) -> DriftReport:
    """Return the drift of the stack; `drift.ignore` is read from the stack file each time."""
    setting = setting_of(options)
    ignores = drift_settings(setting.stack_file).ignore
    return check_stack(stack, options.stack, options.timeout, ignores, own_rules(setting.project))


def exit_code(report: DriftReport) -> ExitCode:
    """Return 3 if there is drift, 1 if none was found but a cluster did not answer, 0 if the fleet has none."""
    if report.findings:
        return ExitCode.DRIFT
    return ExitCode.FAILED if report.unknown else ExitCode.DONE


def _fix_or_report(options: argparse.Namespace, stack: Stack, report: DriftReport) -> DriftReport:
    """Fix the drift. With --watch an error is only printed, because the next check tries again."""
    try:
        return _fix(options, stack, report)
    except CommandError as error:
        if options.watch is None:
            raise
        sys.stderr.write(f"error: {error}\n")
        if options.json:
            _print(options, report)
        return report


def _fix(options: argparse.Namespace, stack: Stack, report: DriftReport) -> DriftReport:
    """Run `up --refresh`, check again, and return the drift that remains.

    Raises:
        CommandError: a cluster did not answer, the user said no, a guard refuses the plan, or the run failed.
    """
    document = {"stack": options.stack, **report.to_json()}
    if report.unknown:
        names = ", ".join(one.cluster for one in report.unknown)
        raise CommandError(
            f"--fix needs every cluster to answer, and {names} did not; nothing was changed",
            kind=Kind.FAILED,
            code=exit_code(report),
            document=document,
        )
    confirm(options, "fix this with `up --refresh`", document)
    # The run applies the whole stack file, not only corrections of the findings, so the guards check its plan.
    planned = stack.preview(refresh_first=True)
    if planned.failures:
        raise plan_failed(Output(as_json=options.json), planned, document)
    refuse_violations(guards_of(options, planned, applying=True), document, how=_HOW)
    # The run refuses every step that the checked plan does not have.
    result = stack.up(refresh_first=True, plan=planned)
    after = _check(options, stack)
    if result.failures:
        raise plan_failed(Output(as_json=options.json), result, {"stack": options.stack, **after.to_json()})
    _print(options, after)
    return after


def _print(options: argparse.Namespace, report: DriftReport) -> None:
    if options.format:
        sys.stdout.write(FORMATS[options.format](report, options.stack) + "\n")
        return
    output = Output(as_json=options.json)
    if options.json:
        output.json({"stack": options.stack, **report.to_json()})
    else:
        _table(output.console, report, options.stack)


def _table(console: Console, report: DriftReport, stack: str) -> None:
    looked = (
        f"{counted(report.objects, 'object')} in {counted(len(report.clusters), 'cluster')}, {report.seconds:.1f} s"
    )
    for one in report.ignored:
        console.print(Text(f"ignored: {one.finding.cluster}: {one_line(ignored_sentence(one))}", style="dim"))
    for change in report.held_back:
        console.print(Text(one_line(change.text), style="cyan"))
    for text in report.notices:
        console.print(Text(f"notice: {one_line(text)}", style="yellow"))
    ignored = f"; {counted(len(report.ignored), 'finding')} ignored" if report.ignored else ""
    if report.clean:
        console.print(Text(f"stack {stack}: no drift{ignored} ({looked})", style="green"))
        return
    if report.findings:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("CLUSTER", "OBJECT", "WHAT", "WANTED", "FOUND", "LAST WRITTEN BY", "FIXED BY"):
            table.add_column(heading, overflow="fold")
        for finding in report.findings:
            table.add_row(*(Text(one_line(cell)) for cell in _cells(finding)))
        console.print(table)
    for away in report.unknown:
        console.print(Text(f"{away.cluster}: unknown, {one_line(away.reason)}", style="yellow"))
    fixable = sum(finding.remedy is Remedy.UP for finding in report.findings)
    headline = f"{count_text(len(report.findings))}, {fixable} fixed by `flotilla up --refresh`"
    unknown = f"; {counted(len(report.unknown), 'cluster')} unknown" if report.unknown else ""
    console.print(Text(f"stack {stack}: {headline}{unknown}{ignored} ({looked})", style="bold"))


def _cells(f: Finding) -> tuple[str, ...]:
    values = tuple("nothing" if one is None else shortened(one) for one in (f.wanted, f.found))
    what = (f.path if f.has_values else f.message) + (f": {f.note}" if f.note else "")
    return (
        f.cluster,
        f.object,
        what,
        *(values if f.has_values else ("", "")),
        f"{f.manager} {f.time}".strip(),
        str(f.remedy),
    )
