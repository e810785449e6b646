"""Placements as the control plane stores them: with the defaults of the API and the webhook."""

from __future__ import annotations

from flotilla.karmada.scheduling.facts import Object, Scheduler
from flotilla.karmada.versions import Version

_TOLERATED_UNTIL = 15
_SECONDS = 300


def as_stored(placement: Object, scheduler: Scheduler) -> Object:
    """Return a declared placement as Karmada stores it; one that was read is returned unchanged."""
    result = with_default_scheduling(placement)
    if not scheduler.since(_TOLERATED_UNTIL):
        result["clusterTolerations"] = with_default_tolerations(placement.get("clusterTolerations") or [])
    return result


def with_default_scheduling(placement: Object) -> Object:
    """Return a placement with the defaults that the API and the webhook of every version write into it.

    They fill in how replicas are divided, and the field and the number of a spread constraint that lacks them
    (SetDefaultSpreadConstraints in pkg/util/helper/policy.go).
    """
    result = dict(placement)
    scheduling = placement.get("replicaScheduling")
    if scheduling is not None:
        result["replicaScheduling"] = {"replicaSchedulingType": "Divided", **scheduling}
        if result["replicaScheduling"]["replicaSchedulingType"] == "Divided":
            result["replicaScheduling"].setdefault("replicaDivisionPreference", "Weighted")
    if placement.get("spreadConstraints"):
        result["spreadConstraints"] = [_constraint(one) for one in placement["spreadConstraints"]]
    return result


def _constraint(constraint: Object) -> Object:
    result = dict(constraint)
    if not result.get("spreadByField") and not result.get("spreadByLabel"):
        result["spreadByField"] = "cluster"
    if not result.get("minGroups"):
        result["minGroups"] = 1
    return result


def adds_tolerations(version: Version | None) -> bool:
    """Return whether the webhook of a version adds tolerations to every placement; true for an unknown version."""
    return version is None or version < Version(1, _TOLERATED_UNTIL)


def with_default_tolerations(tolerations: list[Object]) -> list[Object]:
    """Return tolerations together with the defaults that the webhook adds to every placement before 1.15.

    A toleration with other seconds replaces the default.
    """
    defaults: list[Object] = [
        {
            "key": f"cluster.karmada.io/{condition}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": _SECONDS,
        }
        for condition in ("not-ready", "unreachable")
    ]
    return [*tolerations, *(one for one in defaults if not _is_listed(one, tolerations))]


def _is_listed(toleration: Object, tolerations: list[Object]) -> bool:
    """Return whether a toleration is in a list, ignoring its seconds."""
    keys = ("key", "operator", "effect", "value")
    return any(all(one.get(key) == toleration.get(key) for key in keys) for one in tolerations)
