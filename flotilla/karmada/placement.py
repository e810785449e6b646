"""Placement arithmetic: which clusters an affinity matches, and how replicas are divided among them.

Upstream: pkg/util/selector.go (ClusterMatches) and pkg/util/helper (Webster's method, since 1.15; the older
largest-weight-first dispenser gives the same for the recorded cases).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ClusterFacts:
    """What placement can ask about a cluster."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    provider: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()


def matches(cluster: ClusterFacts, affinity: dict[str, Any]) -> bool:
    """Tell whether a ClusterAffinity (policy/v1alpha1) chooses the cluster; an empty one chooses every cluster."""
    if cluster.name in affinity.get("exclude", ()):
        return False
    names = affinity.get("clusterNames")
    if names and cluster.name not in names:
        return False
    if not labels_match(cluster.labels, affinity.get("labelSelector") or {}):
        return False
    fields = (affinity.get("fieldSelector") or {}).get("matchExpressions") or []
    return all(_field_matches(cluster, expression) for expression in fields)


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


def _field_matches(cluster: ClusterFacts, expression: dict[str, Any]) -> bool:
    key, wanted, values = expression["key"], str(expression["operator"]) == "In", set(expression["values"])
    if key == "zone":
        # A cluster matches In when any of its zones is listed, NotIn when none is (upstream: matchZones).
        return bool(set(cluster.zones) & values) == wanted
    value = {"provider": cluster.provider, "region": cluster.region}[key]
    return (value in values) == wanted


def divide(replicas: int, weights: dict[str, int]) -> dict[str, int]:
    """Divide replicas by static weight, as Karmada's scheduler does (Webster's method).

    Each replica goes to the cluster with the highest weight / (2 x assigned + 1); a tie goes to the one with fewer,
    then by name. (Upstream breaks the last tie by name upwards or downwards, chosen by the template's UID, so of two
    clusters that tie exactly either may get the odd replica.)

    Returns:
        Replicas by cluster, for every cluster that has a weight above zero.
    """
    positive = {name: weight for name, weight in sorted(weights.items()) if weight > 0}
    if not positive:
        return {}
    # All replicas but at most one a cluster are certain from the sums alone: those whose priority is above the bound
    # W / (2R - n). So a million of them take no longer than ten.
    total, bound = sum(positive.values()), 2 * replicas - len(positive)
    assigned = {name: max(0, ((weight * bound - 1) // total + 1) // 2) for name, weight in positive.items()}
    for _ in range(replicas - sum(assigned.values())):
        chosen = min(assigned, key=lambda name: (-weights[name] / (2 * assigned[name] + 1), assigned[name], name))
        assigned[chosen] += 1
    return assigned
