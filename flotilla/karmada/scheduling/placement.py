"""Placement arithmetic: which clusters a placement chooses, and how replicas are divided among them.

Upstream: pkg/util/selector.go (ClusterMatches), pkg/scheduler/framework/plugins/tainttoleration, and pkg/util/helper
(Webster's method since 1.16, largest weight first before).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flotilla.karmada.versions import SUPPORTED, Version

_CONDITION_TAINTS = frozenset({"cluster.karmada.io/not-ready", "cluster.karmada.io/unreachable"})


class Taint(NamedTuple):
    """Keeps workloads away from a cluster unless they tolerate it."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"
    """NoSchedule or NoExecute. Karmada's scheduler looks at no other, PreferNoSchedule included."""

    def __str__(self) -> str:
        return f"{self.key}{'=' + self.value if self.value else ''}:{self.effect}"

    @property
    def of_condition(self) -> bool:
        """Karmada's own controllers set it while the cluster doesn't answer, and take it off again."""
        return self.key in _CONDITION_TAINTS


@dataclass(frozen=True)
class ClusterFacts:
    """What placement can ask about a cluster."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    provider: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()
    taints: tuple[Taint, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Which clusters a placement chooses."""

    chosen: tuple[ClusterFacts, ...]
    refused: dict[str, Taint] = field(default_factory=dict)
    """Clusters that the affinity matches and a taint keeps out, by name, with the first such taint."""
    group: str = ""
    """The affinity group that was taken (clusterAffinities); empty for a single affinity."""


def choose(
    clusters: Collection[ClusterFacts],
    placement: dict[str, Any],
    *,
    before: Collection[str] = (),
    group: str = "",
) -> Choice:
    """Return which clusters a Placement (policy/v1alpha1) chooses, spread constraints aside.

    Args:
        clusters: every cluster.
        placement: the placement, as the API has it.
        before: where the workload is already. Karmada's scheduler doesn't ask such a cluster for its taints.
        group: the affinity group that Karmada has taken; by default the first that leaves a cluster to choose.
    """
    tolerations = placement.get("clusterTolerations") or []
    result = Choice(())
    for name, affinity in _affinities(placement):
        if group and name != group:
            continue
        matching = [cluster for cluster in clusters if matches(cluster, affinity)]
        refused = {
            cluster.name: taint
            for cluster in matching
            if cluster.name not in before and (taint := untolerated(cluster, tolerations))
        }
        result = Choice(tuple(cluster for cluster in matching if cluster.name not in refused), refused, name)
        if result.chosen:
            break
    return result


def _affinities(placement: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the affinities in the order in which Karmada tries them, with the names of groups."""
    groups = placement.get("clusterAffinities") or []
    if groups and not placement.get("clusterAffinity"):
        return [(str(group.get("affinityName", "")), group) for group in groups]
    return [("", placement.get("clusterAffinity") or {})]


def untolerated(cluster: ClusterFacts, tolerations: list[dict[str, Any]]) -> Taint | None:
    """Return the first taint that keeps a new workload out of a cluster; None where nothing does."""
    for taint in cluster.taints:
        if taint.effect in ("NoSchedule", "NoExecute") and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None


def tolerates(toleration: dict[str, Any], taint: Taint) -> bool:
    """Tell whether a toleration tolerates a taint (core/v1, Toleration.ToleratesTaint; Gt and Lt never do)."""
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


def matches(cluster: ClusterFacts, affinity: dict[str, Any], version: Version = SUPPORTED.newest) -> bool:
    """Tell whether a ClusterAffinity (policy/v1alpha1) chooses the cluster; an empty one chooses every cluster."""
    if cluster.name in affinity.get("exclude", ()):
        return False
    names = affinity.get("clusterNames")
    if names and cluster.name not in names:
        return False
    if not labels_match(cluster.labels, affinity.get("labelSelector") or {}):
        return False
    fields = (affinity.get("fieldSelector") or {}).get("matchExpressions") or []
    return all(_field_matches(cluster, expression, version) for expression in fields)


def labels_match(labels: dict[str, str], selector: dict[str, Any]) -> bool:
    """Tell whether a LabelSelector (meta/v1) chooses something with these labels; an empty one chooses everything."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _label_matches(labels, expression) for expression in selector.get("matchExpressions") or []
    )


def _label_matches(labels: dict[str, str], expression: dict[str, Any]) -> bool:
    value = labels.get(expression["key"])
    listed = {str(entry) for entry in expression.get("values") or []}
    match str(expression["operator"]):
        case "In":
            return value in listed
        case "NotIn":
            return value not in listed
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case unknown:
            raise ValueError(f"unknown label selector operator {unknown!r}")


def _field_matches(cluster: ClusterFacts, expression: dict[str, Any], version: Version) -> bool:
    key, wanted, values = expression["key"], str(expression["operator"]) == "In", set(expression["values"])
    if key == "zone":
        # A cluster matches In when any of its zones is listed (before 1.18: all), NotIn when none is.
        zones = set(cluster.zones)
        if wanted and version < Version(1, 18):
            return bool(zones) and zones <= values
        return bool(zones & values) == wanted
    value = {"provider": cluster.provider, "region": cluster.region}[key]
    return (value in values) == wanted


def divide(replicas: int, weights: dict[str, int], *, descending: bool = False) -> dict[str, int]:
    """Divide replicas by static weight, as Karmada's scheduler does (Webster's method).

    Each replica goes to the cluster with the highest weight / (2 x assigned + 1); a tie goes to the one with fewer,
    then by name. (Upstream breaks the last tie by name upwards or downwards, chosen by the template's UID, so of two
    clusters that tie exactly either may get the odd replica: see `divisions`; `descending` says downwards.)

    Returns:
        Replicas by cluster, for every cluster that has a weight above zero.
    """
    order = sorted((name for name, weight in weights.items() if weight > 0), reverse=descending)
    return _webster(replicas, order, weights)


def _webster(replicas: int, order: list[str], weights: dict[str, int]) -> dict[str, int]:
    if not order:
        return {}
    # All replicas but at most one a cluster are certain from the sums alone: those whose priority is above the bound
    # W / (2R - n). So a million of them take no longer than ten.
    total, bound = sum(weights[name] for name in order), 2 * replicas - len(order)
    assigned = {name: max(0, ((weights[name] * bound - 1) // total + 1) // 2) for name in order}
    rank = {name: place for place, name in enumerate(order)}
    for _ in range(replicas - sum(assigned.values())):
        chosen = min(order, key=lambda name: (-weights[name] / (2 * assigned[name] + 1), assigned[name], rank[name]))
        assigned[chosen] += 1
    return assigned


def divisions(replicas: int, weights: dict[str, int]) -> list[dict[str, int]]:
    """Return every division by static weight that some supported Karmada makes, `divide`'s first.

    Webster's method with ties by name upwards and downwards (from 1.16, by the template's UID), and largest weight
    first (before 1.16, where clusters of one weight come in any order: both orders by name stand for them).
    """
    names = sorted(name for name, weight in weights.items() if weight > 0)
    found = [divide(replicas, weights), _webster(replicas, names[::-1], weights)]
    for ascending in (True, False):
        by_weight = sorted(names if ascending else names[::-1], key=lambda name: -weights[name])
        found.append(_largest_first(replicas, by_weight, weights))
    return [one for place, one in enumerate(found) if one not in found[:place]]


def _largest_first(replicas: int, order: list[str], weights: dict[str, int]) -> dict[str, int]:
    total = sum(weights[name] for name in order) or 1
    shares = {name: weights[name] * replicas // total for name in order}
    for name in order[: replicas - sum(shares.values())]:
        shares[name] += 1
    return shares
