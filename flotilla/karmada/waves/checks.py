"""The checks of a gate: commands, queries of Prometheus, and conditions that the clusters report.

Each check runs once per call. The wait for a gate repeats them until all of them pass or the time is over.
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
"""The maximum number of characters of a reason."""
_LONGEST_NAME = 80
_NO_FOLDER = Path()

Statuses = Mapping[ObjectRef, Mapping[str, AggregatedStatusItem]]
"""The status of each template that the clusters report, by the name of the cluster."""


@dataclass(frozen=True)
class CheckContext:
    """The subject of a wave's checks."""

    workload: str
    wave: int
    """Its number, counted from 1."""
    clusters: tuple[str, ...]
    """The wave's clusters; conditions use their reports."""
    statuses: Statuses = field(default_factory=dict)
    base: Path = _NO_FOLDER
    """The folder in which commands run."""


def run_checks(checks: Sequence[Mapping[str, Any]], context: CheckContext) -> str:
    """Run the checks in the order of the stack file, up to the first that doesn't pass.

    Args:
        checks: the checks in their plain form (`flotilla.karmada.waves.strategy`).
        context: their subject.

    Returns:
        Empty where all checks pass; otherwise the check that doesn't, and its reason: one line of bounded length,
        without secrets that this process knows.
    """
    for check in checks:
        name, reason = _run(check, context)
        if reason:
            return f"{redacted_line(name, _LONGEST_NAME)}: {redacted_line(reason, _LONGEST)}"
    return ""


def _run(check: Mapping[str, Any], context: CheckContext) -> tuple[str, str]:
    """Run one check; return its name, and why it doesn't pass, or '' where it passes."""
    seconds = float(check.get("timeoutSeconds") or _SECONDS)
    if check.get("command"):
        argv = [str(word) for word in check["command"]]
        return f"command {argv[0]}", _command(argv, context, seconds)
    if check.get("prometheus"):
        address = str(check["prometheus"])
        return f"prometheus {address}", judge_query(address, str(check["query"]), seconds=seconds)
    goal, of = Goal.of(check), str(check["of"])
    return f"condition {goal.condition} of {of}", _condition(goal, of, context)


# -- commands ---------------------------------------------------------------------------------------


def _command(argv: list[str], context: CheckContext, seconds: float) -> str:
    variables = children.environment(
        FLOTILLA_WORKLOAD=context.workload,
        FLOTILLA_WAVE=str(context.wave),
        FLOTILLA_CLUSTERS=",".join(context.clusters),
    )
    folder = context.base.absolute()
    try:
        ended = children.bounded(
            argv,
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
        return "can't be started: one of its arguments has a NUL character"
    if ended.late:
        return "was stopped, because the run ends" if asked_to_end() else f"did not end within {seconds:g} s"
    if len(ended.output) > _LARGEST_OUTPUT:
        return f"printed more than {_LARGEST_OUTPUT >> 20} MiB, the most that is read"
    if not ended.code:
        return ""
    how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
    last = _last_line(ended.output)
    return f"{how}: {last}" if last else f"{how}, and it printed nothing"


def _last_line(output: bytes) -> str:
    lines = [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


# -- conditions -------------------------------------------------------------------------------------


def _condition(goal: Goal, of: str, context: CheckContext) -> str:
    selector = Selector.parse(of)
    selected = [ref for ref in context.statuses if selector.matches(_object(ref))]
    if not selected:
        return "the workload has no such object"
    for ref in selected:
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
