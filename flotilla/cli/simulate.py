"""The verb `simulate`: predicts what happens to workloads if the fleet changes. It changes nothing."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.ending import CommandError, Kind, UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output, plan_failed
from flotilla.cli.setting import load_fleet, setting_of
from flotilla.cli.stack_options import engine_options, stack_options
from flotilla.cli.tables import print_table
from flotilla.cli.verbs import HELP
from flotilla.deploy.engines import open_stack
from flotilla.deploy.simulated import Simulated, seen_of, simulated
from flotilla.errors import FlotillaError
from flotilla.karmada.simulation.asking import Assumptions, BadAssumption
from flotilla.karmada.simulation.losses import Loss
from flotilla.karmada.simulation.outcome import Outcome, Verdict
from flotilla.karmada.simulation.texts import (
    assumed_text,
    changed_decision_text,
    details,
    ends_text,
    loss_text,
    moves_text,
)
from flotilla.karmada.simulation.upgrades import ChangedDecision
from flotilla.kube import yaml
from flotilla.kube.objects import Object
from flotilla.kube.reading import located, read_text
from flotilla.untrusted import one_line

_STYLES = {
    Verdict.SAME: "dim",
    Verdict.CHANGES: "",
    Verdict.FEWER: "yellow",
    Verdict.LOST: "red",
    Verdict.DEPENDS: "yellow",
}


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    simulate = verbs.add_parser("simulate", parents=[common, stack_options(), engine_options()], help=HELP["simulate"])

    def several(name: str, metavar: str, text: str) -> None:
        simulate.add_argument(name, action="append", default=[], metavar=metavar, help=f"{text}; may be repeated")

    several("--without", "MEMBER", "assume the loss of this cluster, or of all clusters in region=NAME or zone=NAME")
    several("--cordon", "MEMBER", "assume that this cluster is cordoned")
    several("--taint", "MEMBER=KEY=VALUE:EFFECT", "assume that a cluster has this taint")
    several("--replicas", "NAME=COUNT", "assume another number of replicas for a workload")
    several(
        "--member", "FILE", "assume that a cluster joins: a file with a Cluster, or with a member as in a stack file"
    )
    simulate.add_argument("--karmada", default="", metavar="VERSION", help="assume another version of Karmada")
    simulate.add_argument(
        "--each", action="store_true", help="assume the loss of each cluster, region and zone in turn"
    )
    simulate.add_argument(
        "--failover",
        choices=("on", "off"),
        help="whether Karmada moves workloads away from failed clusters (default: as in the stack)",
    )
    simulate.add_argument(
        "--require-survival", action="store_true", help="exit with 1 if a workload is lost, or may be lost"
    )
    simulate.add_argument("--all", action="store_true", help="also show the workloads that stay the same")
    simulate.set_defaults(verb=_simulate)


def _simulate(options: argparse.Namespace) -> ExitCode:
    asked = _asked(options)
    if asked == Assumptions() and not options.each:
        raise UsageError(
            "nothing is assumed: give --without, --cordon, --taint, --replicas, --member, --karmada or --each",
            hint="flotilla simulate --help",
        )
    output = Output(as_json=options.json, quiet=True)
    found = _found(options, asked, output)
    document = {"stack": options.stack, **found.to_json()}
    if not options.json:
        _print(output.console, found, everything=options.all)
    if options.require_survival and found.ending:
        raise CommandError(
            "not everything survives: " + "; ".join(found.ending),
            kind=Kind.FAILED,
            code=ExitCode.FAILED,
            hint="place what is lost on more clusters, or turn failover on",
            document=document,
        )
    if options.json:
        output.json(document)
    return ExitCode.DONE


def _asked(options: argparse.Namespace) -> Assumptions:
    return Assumptions(
        tuple(options.without),
        tuple(options.cordon),
        tuple(options.taint),
        tuple(options.replicas),
        tuple(one for file in options.member for one in _members(file)),
        options.karmada,
    )


def _members(file: str) -> list[Object]:
    """Return the clusters in a file.

    Raises:
        UsageError: the file can't be read, or has no cluster.
    """
    try:
        found = [one for one in yaml.load_all(read_text(located(file, Path.cwd()))) if one is not None]
    except (FlotillaError, ValueError) as error:
        raise UsageError(f"--member {file}: {getattr(error, 'message', error)}") from None
    # `kubectl get clusters -o yaml` prints a List object.
    found = [one for listed in found for one in _items(listed)]
    if not found:
        raise UsageError(f"--member {file}: the file is empty, so no member joins", hint="write a Cluster into it")
    return found


def _items(document: Any) -> list[Any]:
    """Return the items of a Kubernetes List; a list with the document itself if it is not a List."""
    items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else None
    return items if isinstance(items, list) else [document]


def _found(options: argparse.Namespace, asked: Assumptions, output: Output) -> Simulated:
    fleet = load_fleet(options)
    result = open_stack(options.engine, setting_of(options)).preview()
    if result.failures:
        raise plan_failed(output, result, {"stack": options.stack, "failures": result.failures})
    seen = seen_of(setting_of(options), options.engine)
    given = None if options.failover is None else options.failover == "on"
    try:
        return simulated(result, seen, fleet.installed, asked, each=options.each, failover=given)
    except BadAssumption as error:
        raise UsageError(error.message, hint=error.hint) from None


# -- for people -----------------------------------------------------------------------------------


def _print(console: Console, found: Simulated, *, everything: bool) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(Text(one_line(text), style=style))

    say(f"{found.known.text[0].upper()}{found.known.text[1:]}.", "dim")
    for note in found.notes:
        say(note, "yellow")
    if not found.assumed.nothing:
        say(f"{assumed_text(found.assumed)}:", "bold")
        _print_outcomes(say, found.outcomes, everything=everything)
    if found.assumed.scheduler:
        _print_otherwise(say, found.otherwise)
    if found.each:
        _print_losses(console, say, found.losses)


def _print_outcomes(say: Callable[..., None], listed: tuple[Outcome, ...], *, everything: bool) -> None:
    for one in listed:
        if one.verdict is Verdict.SAME and not everything and not one.evicted and not one.problem:
            continue
        loose = "" if one.certain else " (not certain)"
        say(f"  {one.verdict:8} {one.workload}: {one.template}: {moves_text(one)}{loose}", _STYLES[one.verdict])
        for text in details(one):
            say(f"           {text}")
    counts = Counter(one.verdict for one in listed)
    say("  " + (", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]) or "no workloads"))


def _print_otherwise(say: Callable[..., None], listed: tuple[ChangedDecision, ...]) -> None:
    say("The upgrade itself moves nothing. When Karmada schedules next:", "bold")
    for one in listed:
        say(f"  {one.workload}: {one.template}: {changed_decision_text(one)}", "yellow")
    if not listed:
        say("  every decision stays the same, as far as today's version is known")


def _print_losses(console: Console, say: Callable[..., None], listed: tuple[Loss, ...]) -> None:
    rows = []
    for loss in listed:
        fewer = sum(one.verdict is Verdict.FEWER for one in loss.outcomes)
        out = sum(one.interrupted for one in loss.outcomes)
        lost = Text(ends_text(loss.ends), style="red")
        rows.append((loss_text(loss), lost, ends_text(loss.may_end), str(fewer or ""), str(out or "")))
    print_table(console, ("LOSS OF", "LOST", "MAY BE LOST", "FEWER", "INTERRUPTED"), rows, everything=True)
    points = [loss_text(loss) for loss in listed if loss.single_point]
    if points:
        say(f"single points of failure: {', '.join(points)}", "red")
    else:
        say("no cluster, region or zone is a single point of failure", "green")
