"""Which clusters an affinity chooses (upstream: pkg/util/selector.go, ClusterMatches)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from flotilla.karmada.scheduling.facts import ClusterFacts, Object
from flotilla.karmada.versions import SUPPORTED, Version

_ZONES_OVERLAP_SINCE = Version(1, 18)


def matches(cluster: ClusterFacts, affinity: Object, version: Version) -> bool:
    """Return whether a ClusterAffinity (policy/v1alpha1) chooses the cluster; an empty one chooses every cluster.

    Raises:
        ValueError: a label selector has an operator that Kubernetes doesn't know.
    """
    if cluster.name in affinity.get("exclude", ()):
        return False
    names = affinity.get("clusterNames")
    if names and cluster.name not in names:
        return False
    if not labels_match(cluster.labels, affinity.get("labelSelector") or {}):
        return False
    fields = (affinity.get("fieldSelector") or {}).get("matchExpressions") or []
    return all(_field_matches(cluster, expression, version) for expression in fields)


def groups_of(placement: Object) -> list[tuple[str, Object]]:
    """Return a placement's affinities in the order in which Karmada tries them, each with the name of its group."""
    groups = placement.get("clusterAffinities") or []
    if groups and not placement.get("clusterAffinity"):
        return [(str(group.get("affinityName", "")), group) for group in groups]
    return [("", placement.get("clusterAffinity") or {})]


def overflows(affinity: Object, version: Version) -> list[Object]:
    """Return the affinities that a group overflows to once its clusters are full, in their order."""
    return list(affinity.get("overflowAffinities") or []) if version >= Version(1, 18) else []


def every_affinity(placement: Object) -> list[Object]:
    """Return all affinities of a placement that may choose clusters: the only one, or its groups and their overflow."""
    return [one for _, affinity in groups_of(placement) for one in (affinity, *overflows(affinity, SUPPORTED.newest))]


def labels_match(labels: dict[str, str], selector: Object) -> bool:
    """Return whether a LabelSelector (meta/v1) chooses something with these labels; an empty one chooses everything."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _label_matches(labels, expression) for expression in selector.get("matchExpressions") or []
    )


def _label_matches(labels: dict[str, str], expression: Object) -> bool:
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


def _field_matches(cluster: ClusterFacts, expression: Object, version: Version) -> bool:
    key, operator, listed = expression["key"], str(expression["operator"]), set(expression.get("values") or [])
    fields = {"provider": (cluster.provider,), "region": (cluster.region,), "zone": cluster.zones}
    values = set(fields.get(key, ())) - {""}
    match operator:
        case "In":
            # Since 1.18 one listed zone is enough; before, every zone of the cluster had to be listed.
            return bool(values & listed) if version >= _ZONES_OVERLAP_SINCE else bool(values) and values <= listed
        case "NotIn":
            return not values & listed
        case "Exists":
            return bool(values)
    return operator == "DoesNotExist" and not values


def groups_with(
    placement: Object, names: Collection[str], clusters: Iterable[ClusterFacts], version: Version
) -> list[str]:
    """Return the affinity groups that Karmada may have used for a template that is in these clusters."""
    placed = [one for one in clusters if one.name in names]
    return [
        name
        for name, affinity in groups_of(placement)
        if name
        and all(
            any(matches(one, each, version) for each in (affinity, *overflows(affinity, version))) for one in placed
        )
    ]
