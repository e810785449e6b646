"""How a template is scheduled now, as its binding records it (work/v1alpha2)."""

from __future__ import annotations

import json

from flotilla.karmada.scheduling.facts import Current, Object
from flotilla.kube.objects import condition

APPLIED = "policy.karmada.io/applied-placement"
"""The annotation in which the scheduler stores the placement that it used last."""


def current_of(binding: Object) -> Current:
    """Return how a binding is scheduled."""
    spec, status = binding["spec"], binding.get("status") or {}
    applied = _read((binding["metadata"].get("annotations") or {}).get(APPLIED))
    scheduled = condition(binding, "Scheduled")
    failed = scheduled if scheduled and scheduled.get("status") != "True" else None
    return Current(
        {target["name"]: target.get("replicas") for target in spec.get("clusters") or []},
        status.get("schedulerObservingAffinityName") or "",
        applied,
        str(failed.get("message")) if failed else "",
        frozenset(str(task.get("fromCluster")) for task in spec.get("gracefulEvictionTasks") or []),
    )


def _read(annotation: object) -> Object | None:
    """Return the placement in an annotation; None where the annotation is missing or contains something else."""
    try:
        found = json.loads(annotation) if isinstance(annotation, str) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
