"""The Clusters of a control plane as schedules are judged by them."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.karmada.scheduling.placement import ClusterFacts, Taint
from flotilla.karmada.status.expected import Fleet, unready_reason
from flotilla.kube.objects import Object


def facts_of(cluster: Object) -> ClusterFacts:
    """Return what placements ask about a Cluster of the API."""
    spec = cluster.get("spec") or {}
    zones = spec.get("zones") or ([spec["zone"]] if spec.get("zone") else [])
    return ClusterFacts(
        cluster["metadata"]["name"],
        cluster["metadata"].get("labels") or {},
        spec.get("provider") or "",
        spec.get("region") or "",
        tuple(zones),
        tuple(
            Taint(str(taint.get("key", "")), str(taint.get("value") or ""), str(taint.get("effect", "")))
            for taint in spec.get("taints") or []
        ),
    )


def fleet_of(clusters: Iterable[Object]) -> Fleet:
    """Return the Clusters of a control plane, as schedules are judged by them."""
    listed = list(clusters)
    unready = {cluster["metadata"]["name"]: unready_reason(cluster) for cluster in listed}
    staying = [facts_of(cluster) for cluster in listed if not cluster["metadata"].get("deletionTimestamp")]
    return Fleet({facts.name: facts for facts in staying}, {name: reason for name, reason in unready.items() if reason})
