"""Checks overrides for single objects against the objects that their workloads declare."""

from __future__ import annotations

from flotilla.counts import names_of
from flotilla.kube.objects import Object, ref_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import readable_objects

_NAMED = 8


def check_overridden_objects(workloads: list[tuple[int, Workload]], files: ManifestFiles) -> list[Problem]:
    """Check that every object that an override names belongs to its workload.

    Workloads with files that can't be read are left out: they are reported elsewhere.
    """
    problems: list[Problem] = []
    for index, workload in workloads:
        if not any(override.objects for override in workload.overrides):
            continue
        if not (objects := readable_objects(workload, files)):
            continue
        problems += [
            _no_object(f"workloads[{index}].overrides[{number}].objects[{place}]", str(one), one.kind, objects)
            for number, override in enumerate(workload.overrides)
            for place, one in enumerate(override.objects)
            if not any(one.matches(obj) for obj in objects)
        ]
    return problems


def _no_object(path: str, seen: str, kind: str, objects: list[Object]) -> Problem:
    """Return a problem that names the objects of the given kind, or all objects where there is none of the kind."""
    alike = [obj for obj in objects if obj["kind"] == kind] or objects
    listed = sorted(str(ref_of(obj)) for obj in alike)
    return Problem(
        path,
        "is not an object of the workload",
        "the override would have no effect",
        f"use one of its objects: {names_of(listed, _NAMED)}",
        seen,
    )
