"""Checks `ready` against the objects that workloads declare, and against the status that Karmada collects of them."""

from __future__ import annotations

from flotilla.karmada.kinds import goes_by_itself, kind_of
from flotilla.karmada.status.ready import Selector, Until, collected
from flotilla.kube.jsonpath import JsonPath
from flotilla.kube.objects import Object
from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import Problem
from flotilla.stack.readiness import Readiness
from flotilla.stack.rollout_checks import StrategyUse, strategies
from flotilla.stack.rollout_strategy import RolloutStrategy
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import readable_objects


def check_ready(
    workloads: list[tuple[int, Workload]], files: ManifestFiles, rollout: RolloutStrategy | None = None
) -> list[Problem]:
    """Check that every rule of `ready` and every condition of a gate matches an object whose status Karmada collects.

    Workloads with files that can't be read are left out: they are reported elsewhere.

    Args:
        workloads: by position in the file.
        files: the reader of manifests.
        rollout: the stack's own rollout strategy, which applies to workloads without this key.
    """
    problems: list[Problem] = []
    for index, workload in workloads:
        if not workload.ready:
            continue
        if not (objects := readable_objects(workload, files)):
            continue
        for text, readiness in workload.ready.items():
            path = f"workloads[{index}].ready.{text}"
            meant = [one for one in objects if Selector.parse(text).matches(one)]
            problems += [_nothing(path, objects)] if not meant else _not_collected(path, readiness, meant)
    return problems + [problem for use in strategies(workloads, rollout) for problem in _gate(use, files)]


def _gate(use: StrategyUse, files: ManifestFiles) -> list[Problem]:
    """Check the conditions of a gate: each of its workloads must have an object for every condition."""
    checks = [(number, check.of) for number, check in enumerate(use.strategy.gate.checks) if check.condition]
    problems: list[Problem] = []
    for index, workload in use.workloads if checks else ():
        objects = readable_objects(workload, files)
        for number, of in checks if objects else ():
            path = f"{use.path}.gate.checks[{number}].of"
            meant = [one for one in objects if Selector.parse(of or "").matches(one)]
            problems += _not_reported(path, meant) if meant else [_lacking(path, index, workload, use, objects)]
    return problems


def _lacking(path: str, index: int, workload: Workload, use: StrategyUse, objects: list[Object]) -> Problem:
    if not use.of_the_stack and not workload.given:
        return _nothing(path, objects)
    return Problem(
        path,
        f"matches no object of the workload {workload.name!r}",
        "none of its waves would ever pass",
        f"name a kind that each workload has, or give workloads[{index}] another `rollout`, or `rollout: false`",
    )


def _not_reported(path: str, meant: list[Object]) -> list[Problem]:
    for one in meant:
        if goes_by_itself(one) or "conditions" not in (collected(kind_of(one)) or {"conditions"}):
            return [
                Problem(
                    path,
                    f"asks for a condition of {one['kind']} {one['metadata']['name']}, of which Karmada doesn't "
                    "collect conditions from members",
                    "no wave would ever pass",
                    "remove it: a wave waits for the health of every object; a `command` can read the members directly",
                )
            ]
    return []


def _nothing(path: str, objects: list[Object]) -> Problem:
    listed = sorted({f"{one['kind']}/{one['metadata']['name']}" for one in objects})
    shown = ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")  # noqa: PLR2004 - enough to recognise them
    return Problem(
        path, "matches no object of the workload", "it would have no effect", f"remove it, or name one of {shown}"
    )


def _not_collected(path: str, readiness: Readiness, meant: list[Object]) -> list[Problem]:
    """Return a problem if a rule uses a part of the status that Karmada certainly doesn't collect."""
    if readiness.until is Until.APPLIED:
        return []
    for one in meant:
        if goes_by_itself(one):
            return [
                Problem(
                    path,
                    "asks for more than `applied` of a Namespace, but Karmada reports no status of Namespaces",
                    "`up` could not know when it is ready",
                    "remove it",
                )
            ]
        fields = collected(kind_of(one))
        field = _field(readiness)
        if field is not None and fields is not None and field not in fields:
            return [
                Problem(
                    path,
                    f"asks for status.{field} of {one['kind']} {one['metadata']['name']}, which Karmada doesn't "
                    "collect from members",
                    "`up` would wait until its timeout",
                    f"use `healthy`, or a JSONPath to one of {', '.join(sorted(fields))}",
                )
            ]
    return []


def _field(readiness: Readiness) -> str | None:
    """Return the field of the status that a rule uses; None for a rule about health only."""
    if readiness.condition:
        return "conditions"
    if readiness.json_path:
        step = JsonPath.parse(readiness.json_path).steps[1]
        return step if isinstance(step, str) else None
    return None
