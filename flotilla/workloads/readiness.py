"""What workloads say of readiness, against the objects that they declare and what Karmada collects of them."""

from __future__ import annotations

from flotilla.karmada.kinds import goes_by_itself, kind_of
from flotilla.karmada.status.ready import Selector, Until, collected
from flotilla.kube.jsonpath import JsonPath
from flotilla.kube.objects import Object
from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import Problem
from flotilla.stack.readiness import Readiness
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import readable_objects


def check_ready(workloads: list[tuple[int, Workload]], files: ManifestFiles) -> list[Problem]:
    """Check that every rule of `ready` is for an object, and asks for something that Karmada collects.

    Workloads with files that can't be read are left out: that is reported already.
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
    return problems


def _nothing(path: str, objects: list[Object]) -> Problem:
    listed = sorted({f"{one['kind']}/{one['metadata']['name']}" for one in objects})
    shown = ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")  # noqa: PLR2004 - enough to recognise them
    return Problem(path, "is for no object of the workload", "it would do nothing", f"drop it, or name one of {shown}")


def _not_collected(path: str, readiness: Readiness, meant: list[Object]) -> list[Problem]:
    """Say what is asked for that is certainly not known of an object."""
    if readiness.until is Until.APPLIED:
        return []
    for one in meant:
        if goes_by_itself(one):
            return [
                Problem(
                    path,
                    "asks for more than `applied` of a Namespace, of which Karmada reports nothing",
                    "`up` could not tell when it is done",
                    "drop it",
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
    """Return the field of the status that is asked for; None where only health is."""
    if readiness.condition:
        return "conditions"
    if readiness.json_path:
        step = JsonPath.parse(readiness.json_path).steps[1]
        return step if isinstance(step, str) else None
    return None
