"""How a template's replicas divide among the clusters that a placement chooses."""

from __future__ import annotations

from typing import Any

from flotilla.karmada.rendering.replicas import replicas_of
from flotilla.karmada.scheduling.placement import ClusterFacts, divide, matches

Object = dict[str, Any]


def shares(template: Object, clusters: list[str], scheduling: Object) -> dict[str, int | None]:
    """Return each chosen cluster's replicas by a ReplicaSchedulingStrategy; None for kinds without replicas.

    A cluster whose share is zero gets nothing. With zero replicas in all, every cluster gets the template, unless its
    pods ask for resources or nodes: such a template goes nowhere (pkg/scheduler/core/common.go, AssignReplicas).
    """
    replicas = replicas_of(template)
    if replicas == 0:
        return {} if has_requirements(template) else dict.fromkeys(clusters, 0)
    if replicas is None or not divides(scheduling):
        return dict.fromkeys(clusters, replicas)
    return {name: share for name, share in divide(replicas, weights(clusters, scheduling)).items() if share > 0}


def divides(scheduling: Object) -> bool:
    """Tell whether a ReplicaSchedulingStrategy divides replicas; without one they are duplicated."""
    return bool(scheduling.get("replicaSchedulingType", "Duplicated") == "Divided")


def weights(clusters: list[str], scheduling: Object) -> dict[str, int]:
    """Return the static weight of each cluster; all weigh the same where no weight matches any."""
    listed = (scheduling.get("weightPreference") or {}).get("staticWeightList") or []
    found = {
        name: max([int(e["weight"]) for e in listed if matches(ClusterFacts(name), e["targetCluster"])], default=0)
        for name in clusters
    }
    return found if any(found.values()) else dict.fromkeys(clusters, 1)


def has_requirements(template: Object) -> bool:
    """Tell whether a template's pods ask for resources or for certain nodes (Karmada's replicaRequirements)."""
    pod = ((template.get("spec") or {}).get("template") or {}).get("spec") or {}
    containers = [*(pod.get("containers") or []), *(pod.get("initContainers") or [])]
    asked = [(container.get("resources") or {}).get(key) for container in containers for key in ("requests", "limits")]
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    nodes = (
        pod.get("nodeSelector"),
        pod.get("tolerations"),
        affinity.get("requiredDuringSchedulingIgnoredDuringExecution"),
    )
    return any(asked) or any(nodes) or bool(pod.get("overhead"))
