"""How replicas are divided by weight.

Since 1.16, Karmada uses Webster's method and breaks ties by the template's UID. Before, the clusters with the largest
weight come first, and ties are broken at random (upstream: pkg/util/helper, webstermethod.go and binding.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flotilla.karmada.scheduling.affinity import matches
from flotilla.karmada.scheduling.facts import ClusterFacts, Object, Scheduler

_FNV_START, _FNV_PRIME, _FNV_BITS = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


@dataclass(frozen=True)
class Division:
    """How replicas are divided: exactly, or within bounds where a tie decides."""

    shares: Mapping[str, int]
    """One possible division; the only one where nothing is tied."""
    tied: Mapping[str, tuple[int, int]]
    """The least and the most replicas of each cluster whose share depends on a tie."""


def static_weights(clusters: Sequence[ClusterFacts], scheduling: Object, scheduler: Scheduler) -> dict[str, int]:
    """Return the static weight of each cluster that has one; without a weight preference all weigh the same."""
    preference = scheduling.get("weightPreference")
    if preference is None:
        return {cluster.name: 1 for cluster in clusters}
    found = {}
    for cluster in clusters:
        given = [
            int(one["weight"])
            for one in preference.get("staticWeightList") or []
            if matches(cluster, one.get("targetCluster") or {}, scheduler.version)
        ]
        if max(given, default=0) > 0:
            found[cluster.name] = max(given)
    return found


def divide_by_weight(
    replicas: int,
    weights: Mapping[str, int],
    scheduler: Scheduler,
    *,
    uid: str = "",
    last: Mapping[str, int] | None = None,
) -> Division:
    """Divide replicas by weight, as a version of the scheduler does.

    Args:
        replicas: the number of replicas.
        weights: the weight of each cluster.
        scheduler: the control plane's scheduler.
        uid: the template's UID; empty where it isn't known.
        last: the current replicas of each cluster, which break ties before 1.16.
    """
    if not sum(weights.values()):
        return Division({}, {})
    if not scheduler.since(16):
        return _largest_first(replicas, weights, last or {})
    if uid:
        return Division(divide(replicas, weights, descending=ties_descend(uid)), {})
    upwards, downwards = divide(replicas, weights), divide(replicas, weights, descending=True)
    tied = {
        name: (min(upwards[name], downwards[name]), max(upwards[name], downwards[name]))
        for name in upwards
        if upwards[name] != downwards[name]
    }
    return Division(upwards, tied)


def divide(replicas: int, weights: Mapping[str, int], *, descending: bool = False) -> dict[str, int]:
    """Divide by Webster's method. A tie that the replicas don't break goes to the first name, or to the last one.

    Returns:
        Replicas by cluster, for every cluster with a weight above zero.
    """
    return _webster(replicas, sorted((name for name in weights if weights[name] > 0), reverse=descending), weights)


def ties_descend(uid: str) -> bool:
    """Return whether ties go to the last name, for a template with this UID (since 1.16)."""
    return bool(_fnv1a(uid) & 1)


def _fnv1a(text: str) -> int:
    """Return the FNV-1a hash of a text in 32 bits, as Go's hash/fnv.New32a computes it."""
    found = _FNV_START
    for byte in text.encode():
        found = ((found ^ byte) * _FNV_PRIME) & _FNV_BITS
    return found


def _webster(replicas: int, order: list[str], weights: Mapping[str, int]) -> dict[str, int]:
    """Give each replica to the cluster with the highest weight / (2 x assigned + 1).

    A tie goes to the one with fewer replicas, then to the first in `order`.
    """
    if not order:
        return {}
    # The sums alone determine all replicas except at most one per cluster: those whose priority is above the bound W /
    # (2R - n). So a million replicas take no longer than ten.
    total, bound = sum(weights[name] for name in order), 2 * replicas - len(order)
    assigned = {name: max(0, ((weights[name] * bound - 1) // total + 1) // 2) for name in order}
    rank = {name: place for place, name in enumerate(order)}
    for _ in range(replicas - sum(assigned.values())):
        chosen = min(order, key=lambda name: (-weights[name] / (2 * assigned[name] + 1), assigned[name], rank[name]))
        assigned[chosen] += 1
    return assigned


def _largest_first(replicas: int, weights: Mapping[str, int], last: Mapping[str, int]) -> Division:
    """Give each its whole part, and one more to the largest weights, then to those with the most current replicas."""
    total = sum(weights.values())
    shares = {name: weight * replicas // total for name, weight in weights.items()}
    rest = replicas - sum(shares.values())
    order = sorted(weights, key=lambda name: (-weights[name], -last.get(name, 0), name))
    for name in order[:rest]:
        shares[name] += 1
    if not 0 < rest < len(order):
        return Division(shares, {})

    def rank(name: str) -> tuple[int, int]:
        return weights[name], last.get(name, 0)

    edge = rank(order[rest - 1])
    if rank(order[rest]) != edge:
        return Division(shares, {})
    tied = [name for name in order if rank(name) == edge]
    whole = {name: weights[name] * replicas // total for name in tied}
    return Division(shares, {name: (whole[name], whole[name] + 1) for name in tied})
