"""The verbs `graph` and `report`: the fleet or a plan as a picture; the fleet, a plan or drift as one HTML file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from flotilla.cli.access import access_options, open_access
from flotilla.cli.documents import write_document
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output, plan_failed
from flotilla.cli.policy import verdicts_of
from flotilla.cli.setting import karmada_version, load_fleet, setting_of
from flotilla.cli.stack_options import seconds
from flotilla.cli.verbs import HELP
from flotilla.deploy.engines import open_stack
from flotilla.deploy.in_members import previewed
from flotilla.deploy.simulated import seen_of, simulated
from flotilla.drift.check import check_stack
from flotilla.drift.own_rules import own_rules
from flotilla.errors import ClusterError, FlotillaError
from flotilla.observe.fleet import FleetStatus, fleet_status
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.steps import Result
from flotilla.report.build import drift_report, fleet_report, plan_report
from flotilla.report.graph import Graph, fleet_graph, plan_graph
from flotilla.report.html import html
from flotilla.report.model import Report
from flotilla.report.svg import svg
from flotilla.report.text import dot, mermaid
from flotilla.stack.load import drift_settings

_FORMATS = {"svg": svg, "mermaid": mermaid, "dot": dot}


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    to = argparse.ArgumentParser(add_help=False)
    to.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file, not to standard output")

    graph = verbs.add_parser("graph", parents=[common, *access_options(), to], help=HELP["graph"])
    graph.add_argument(
        "--of",
        choices=("fleet", "plan"),
        default="fleet",
        help="draw the running fleet, or what `up` would make of it (default: fleet)",
    )
    graph.add_argument("--format", choices=sorted(_FORMATS), default="svg", help="the format (default: svg)")
    graph.set_defaults(verb=_graph)

    report = verbs.add_parser("report", parents=[common, *access_options(), to], help=HELP["report"])
    report.add_argument(
        "--of", choices=("fleet", "plan", "drift"), default="fleet", help="the subject (default: fleet)"
    )
    report.add_argument(
        "--timeout",
        type=seconds,
        default=120.0,
        metavar="SECONDS",
        help="with --of drift: seconds to wait for all clusters together (default 120)",
    )
    report.set_defaults(verb=_report)


def _graph(options: argparse.Namespace) -> ExitCode:
    graph = _planned_graph(options) if options.of == "plan" else _fleet_graph(options)
    return _write(options, _FORMATS[options.format](graph), options.format)


def _fleet_graph(options: argparse.Namespace) -> Graph:
    return fleet_graph(_status(options), title=f"Fleet of {_name(options)}")


def _planned_graph(options: argparse.Namespace) -> Graph:
    return plan_graph(_plan(options)[1], title=f"Plan for {options.stack}")


def _report(options: argparse.Namespace) -> ExitCode:
    makers = {"fleet": _fleet_page, "plan": _plan_page, "drift": _drift_page}
    return _write(options, html(makers[options.of](options)), "html")


def _fleet_page(options: argparse.Namespace) -> Report:
    return fleet_report(_status(options), stack=_name(options))


def _plan_page(options: argparse.Namespace) -> Report:
    result, plan, engine = _plan(options)
    verdicts = verdicts_of(options, result, plan)
    seen = seen_of(setting_of(options), options.engine)
    losses = simulated(result, seen, load_fleet(options, files=False).installed, each=True).losses
    return plan_report(plan, result, stack=options.stack, engine=engine, verdicts=verdicts, losses=losses)


def _drift_page(options: argparse.Namespace) -> Report:
    stack = open_stack(options.engine, setting_of(options))
    setting = setting_of(options)
    ignores = drift_settings(setting.stack_file).ignore
    found = check_stack(stack, options.stack, options.timeout, ignores, own_rules(setting.project))
    try:
        status = _status(options)
    except ClusterError:
        status = None  # the findings have this error already
    return drift_report(found, stack=options.stack, status=status)


def _status(options: argparse.Namespace) -> FleetStatus:
    return fleet_status(open_access(options).control_plane)


def _plan(options: argparse.Namespace) -> tuple[Result, FleetPlan, str]:
    """Return the result of a preview, its plan, and the engine's name.

    Raises:
        CommandError: the preview failed.
    """
    load_fleet(options)
    stack = open_stack(options.engine, setting_of(options))
    result = stack.preview()
    plan = previewed(result, setting_of(options), version=karmada_version(options))
    if result.failures:
        document = {"stack": options.stack, "failures": result.failures}
        raise plan_failed(Output(as_json=options.json), result, document)
    return result, plan, str(stack.engine)


def _name(options: argparse.Namespace) -> str:
    return str(options.kubeconfig or options.context or options.stack)


def _write(options: argparse.Namespace, text: str, form: str) -> ExitCode:
    """Write a picture or a page. With --json the document contains it, or the name of its file."""
    if options.output is None and options.json:
        write_document({"of": options.of, "format": form, "text": text})
    elif options.output is None:
        sys.stdout.write(text)
    else:
        try:
            options.output.write_text(text)
        except OSError as error:
            raise FlotillaError(f"{options.output} can't be written: {error.strerror}") from None
        sys.stderr.write(f"wrote {options.output}\n")
        if options.json:
            write_document({"of": options.of, "format": form, "file": str(options.output)})
    return ExitCode.DONE
