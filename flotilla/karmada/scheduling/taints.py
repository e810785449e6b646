"""Which taints exclude a workload (upstream: pkg/scheduler/framework/plugins/tainttoleration)."""

from __future__ import annotations

from flotilla.karmada.scheduling.facts import ClusterFacts, Object, Taint


def untolerated(cluster: ClusterFacts, tolerations: list[Object]) -> Taint | None:
    """Return the first taint that excludes a new workload from a cluster; None where no taint does."""
    for taint in cluster.taints:
        if taint.effect in ("NoSchedule", "NoExecute") and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None


def tolerates(toleration: Object, taint: Taint) -> bool:
    """Return whether a toleration tolerates a taint (core/v1, Toleration.ToleratesTaint; Gt and Lt never do)."""
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    if toleration.get("key") and toleration["key"] != taint.key:
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool((toleration.get("value") or "") == taint.value)
    return False
