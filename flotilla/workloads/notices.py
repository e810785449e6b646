"""What the user should know of the workloads before an `up`, where nothing is wrong for certain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flotilla.karmada.kinds import kind_of
from flotilla.kube.objects import Object
from flotilla.stack.features import doubtful_gates
from flotilla.stack.fleet import Fleet
from flotilla.stack.placement import SpreadField
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import DEPLOYMENT, RETAINS_REPLICAS, manifests_of

_AUTOSCALER = ("autoscaling", "HorizontalPodAutoscaler")
# Karmada's scheduler selects by these (pkg/scheduler/core/spreadconstraint/select_clusters.go, 1.10 to 1.18).
_SELECTED_BY = (SpreadField.CLUSTER, SpreadField.REGION)


def notices(fleet: Fleet, base: Path) -> list[str]:
    """Return what the user should know, a line each.

    Args:
        fleet: the stack's.
        base: the project's folder.

    Raises:
        ConfigError: a manifest that can't be read.
    """
    found: list[str] = []
    for workload in fleet.workloads:
        # Where this stack, or another one, installs Karmada, its gates are known and checked.
        if fleet.control_plane.kubeconfig:
            found += doubtful_gates(workload)
        found += _spread(workload)
    objects = {workload.name: manifests_of(workload, base) for workload in fleet.workloads}
    return found + list(_two_owners(fleet, objects))


def _spread(workload: Workload) -> list[str]:
    return [
        f"workload {workload.name}: Karmada up to 1.18 chooses by cluster and region alone; `spread` by "
        f"{one.by.value if one.by else 'label ' + str(one.label)} "
        + ("only leaves out members without that field" if one.by else "does nothing")
        for one in workload.placement.spread
        if one.by not in _SELECTED_BY
    ]


def _two_owners(fleet: Fleet, objects: dict[str, list[Object]]) -> Iterator[str]:
    """Name the Deployments whose replicas both an autoscaler and Karmada would set, in turn and for ever."""
    scaled = {
        (workload.namespace, target.get("kind"), target.get("name"))
        for workload in fleet.workloads
        for obj in objects[workload.name]
        if kind_of(obj) == _AUTOSCALER and isinstance(target := (obj.get("spec") or {}).get("scaleTargetRef"), dict)
    }
    for workload in fleet.workloads:
        for obj in objects[workload.name]:
            name = obj["metadata"]["name"]
            labels = obj["metadata"].get("labels") or {}
            if kind_of(obj) == DEPLOYMENT and (workload.namespace, "Deployment", name) in scaled:
                if RETAINS_REPLICAS.items() <= labels.items():
                    continue
                yield (
                    f"workload {workload.name}: a HorizontalPodAutoscaler sets the replicas of Deployment {name} in "
                    "the members, and Karmada sets them back; add `autoscaled: true`"
                )
