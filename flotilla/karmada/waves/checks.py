"""The checks of a gate: commands, queries of Prometheus, and conditions that the clusters report.

Each is asked once. Whoever waits for a gate asks again until all of them pass or the time is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flotilla.karmada.objects import AggregatedStatusItem
from flotilla.karmada.status.ready import Goal, Selector
from flotilla.karmada.waves.prometheus import judge_query
from flotilla.kube import children
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.secrecy import redacted_line
from flotilla.waiting import asked_to_end

_SECONDS = 60.0
_LARGEST_OUTPUT = 2**20
_LONGEST = 300
"""Characters of a reason."""
_LONGEST_NAME = 80
_NO_FOLDER = Path()

Statuses = Mapping[ObjectRef, Mapping[str, AggregatedStatusItem]]
"""What the clusters report of each template, by the name of the cluster."""


@dataclass(frozen=True)
class CheckContext:
    """What a wave's checks are about."""

    workload: str
    wave: int
    """Its number, counted from 1."""
    clusters: tuple[str, ...]
    """The wave's clusters, whose reports count for conditions."""
    statuses: Statuses = field(default_factory=dict)
    base: Path = _NO_FOLDER
    """The folder in which commands run."""


def run_checks(checks: Sequence[Mapping[str, Any]], context: CheckContext) -> str:
    """Ask each check, in the order of the stack file, up to the first that doesn't pass.

    Args:
        checks: in their plain form (`flotilla.karmada.waves.strategy`).
        context: what they are about.

    Returns:
        Empty where all of them pass; else which check doesn't, and what it found: one line of bounded length, without
        secrets that this process knows.
    """
    for check in checks:
        name, reason = _ask(check, context)
        if reason:
            return f"{redacted_line(name, _LONGEST_NAME)}: {redacted_line(reason, _LONGEST)}"
    return ""


def _ask(check: Mapping[str, Any], context: CheckContext) -> tuple[str, str]:
    """Ask one check; return its name, and why it doesn't pass: empty where it does."""
    seconds = float(check.get("timeoutSeconds") or _SECONDS)
    if check.get("command"):
        words = [str(word) for word in check["command"]]
        return f"command {words[0]}", _command(words, context, seconds)
    if check.get("prometheus"):
        address = str(check["prometheus"])
        return f"prometheus {address}", judge_query(address, str(check["query"]), seconds=seconds)
    goal, of = Goal.of(check), str(check["of"])
    return f"condition {goal.condition} of {of}", _condition(goal, of, context)


# -- commands ---------------------------------------------------------------------------------------


def _command(words: list[str], context: CheckContext, seconds: float) -> str:
    variables = children.environment(
        FLOTILLA_WORKLOAD=context.workload,
        FLOTILLA_WAVE=str(context.wave),
        FLOTILLA_CLUSTERS=",".join(context.clusters),
    )
    folder = context.base.absolute()
    try:
        ended = children.bounded(
            words,
            variables,
            seconds=seconds,
            largest=_LARGEST_OUTPUT,
            folder=folder,
            interruptible=True,
            together=True,
        )
    except OSError as error:
        return f"can't be started in {folder}: {error.strerror or type(error).__name__}"
    except ValueError:
        return "can't be started: one of its words has a NUL character"
    if ended.late:
        return "was ended, since the run ends" if asked_to_end() else f"did not end within {seconds:g} s"
    if len(ended.output) > _LARGEST_OUTPUT:
        return f"printed more than {_LARGEST_OUTPUT >> 20} MiB, the most that is read"
    if not ended.code:
        return ""
    how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    said = _last_line(ended.output)
    return f"{how}: {said}" if said else f"{how}, and it printed nothing"


def _last_line(output: bytes) -> str:
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


# -- conditions -------------------------------------------------------------------------------------


def _condition(goal: Goal, of: str, context: CheckContext) -> str:
    selector = Selector.parse(of)
    meant = [ref for ref in context.statuses if selector.matches(_object(ref))]
    if not meant:
        return "the workload has no such object"
    for ref in meant:
        reports = context.statuses[ref]
        for cluster in context.clusters:
            report = reports.get(cluster)
            late = goal.missing(report.status or {}) if report else "no report of the cluster yet"
            if late:
                return f"{ref} in {cluster}: {late}"
    return ""


def _object(ref: ObjectRef) -> Object:
    metadata = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata}
