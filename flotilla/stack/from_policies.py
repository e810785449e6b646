"""Turns a propagation policy into keys of a workload: the opposite direction of `flotilla.stack.specs`.

A field that has no effect beside the policy's other fields (weights of duplicated replicas, for example) has no key.
It is left out, and its path is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.kube.objects import Object

Keys = dict[str, Any]
"""Keys of a stack file with their values, as plain JSON."""

_PURGE_MODES = {"Immediately": "Directly", "Graciously": "Gracefully"}
"""The names before Karmada 1.15, with the names since then."""
_FIELDS = {"provider": "providers", "region": "regions", "zone": "zones"}
_DEFAULT_SCHEDULER = "default-scheduler"


@dataclass
class Reading:
    """The result of reading a policy."""

    keys: Keys = field(default_factory=dict)
    """The policy's meaning, as keys of a workload."""
    unread: list[str] = field(default_factory=list)
    """Fields that have no key, by path in the policy's spec."""


def workload_keys(spec: Object) -> Reading:
    """Read a PropagationSpec (policy/v1alpha1) as keys of a workload: placement, failover, priority and others."""
    reading = Reading()
    parts = _Parts(spec, "spec", reading.unread)
    keys = reading.keys
    keys["placement"] = _placement(parts.mapping("placement"))
    for name in ("priority", "preemption", "conflictResolution"):
        parts.into(keys, name)
    if parts.take("propagateDeps") or parts.take("association"):
        keys["dependencies"] = True
    parts.into(keys, "activationPreference", "activation")
    suspension = parts.mapping("suspension")
    if suspended := _suspended(suspension):
        keys["suspend"] = suspended
    if parts.take("preserveResourcesOnDeletion"):
        keys["onRemoval"] = "keep"
    priority = parts.mapping("schedulePriority")
    priority.take("priorityClassSource")
    priority.into(keys, "priorityClassName", "schedulePriority")
    if failover := _failover(parts.mapping("failover")):
        keys["failover"] = failover
    parts.drop("schedulerName", _DEFAULT_SCHEDULER)
    parts.take("resourceSelectors")
    for part in (suspension, priority, parts):
        part.rest()
    return reading


def affinity_keys(affinity: Object) -> Reading:
    """Read a ClusterAffinity (policy/v1alpha1) as the conditions of a placement, or of an override's `target`."""
    reading = Reading()
    reading.keys |= _affinity(_Parts(affinity, "targetCluster", reading.unread))
    return reading


class _Parts:
    """The fields of one mapping; those that are never taken are unread."""

    def __init__(self, value: Any, path: str, unread: list[str]) -> None:
        self._left: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {}
        self._path, self.unread = path, unread

    def take(self, name: str) -> Any:
        """Return a field's value; None where it is absent."""
        return self._left.pop(name, None)

    def into(self, keys: Keys, name: str, key: str = "") -> None:
        """Set a key to a field's value, unless the value is empty."""
        value = self.take(name)
        if value not in (None, "", [], {}):
            keys[key or name] = value

    def drop(self, name: str, meaningless: Any) -> None:
        """Leave a field out where it has a value that has no meaning."""
        if self._left.get(name) in (None, meaningless):
            self.take(name)

    def mapping(self, name: str) -> _Parts:
        """Return a field that is a mapping; an empty one where the field is absent."""
        return _Parts(self.take(name), f"{self._path}.{name}", self.unread)

    def each(self, name: str) -> list[_Parts]:
        """Return the entries of a field that is a list of mappings."""
        listed = self.take(name) or []
        return [_Parts(one, f"{self._path}.{name}[{i}]", self.unread) for i, one in enumerate(listed)]

    def rest(self) -> None:
        """Record the fields that were not taken."""
        self.unread += [f"{self._path}.{name}" for name, value in self._left.items() if value not in (None, "", [], {})]


def _read(parts: _Parts, *names: str, **renamed: str) -> Keys:
    """Return fields of a mapping under their keys (the field's name, unless renamed), and record all other fields."""
    found: Keys = {}
    for name, key in {**dict.fromkeys(names, ""), **renamed}.items():
        parts.into(found, name, key)
    parts.rest()
    return found


# -- the placement ----------------------------------------------------------------------------------------------------


def _placement(parts: _Parts) -> Keys:
    groups = [_group(one) for one in parts.each("clusterAffinities")]
    keys: Keys = {"groups": groups} if groups else _affinity(parts.mapping("clusterAffinity"))
    lists: tuple[tuple[str, str, Callable[[_Parts], Keys]], ...] = (
        ("clusterTolerations", "tolerations", _toleration),
        ("spreadConstraints", "spread", _spread),
    )
    for name, key, read in lists:
        if found := [read(one) for one in parts.each(name)]:
            keys[key] = found
    keys |= _replicas(parts.mapping("replicaScheduling"))
    if keys.get("replicas") == "divided" and "dynamicWeight" not in keys and keys.pop("spread", None):
        parts.unread.append("spec.placement.spreadConstraints")  # Karmada ignores it beside static weights
    affinity = parts.mapping("workloadAffinity")
    together: Keys = {}
    for name in ("affinity", "antiAffinity"):
        affinity.mapping(name).into(together, "groupByLabelKey", name)
    if together:
        keys["workloadAffinity"] = together
    parts.rest()
    return keys


def _affinity(parts: _Parts) -> Keys:
    keys: Keys = {}
    parts.into(keys, "clusterNames", "clusters")
    parts.into(keys, "exclude")
    selector = parts.mapping("labelSelector")
    selector.into(keys, "matchLabels", "labels")
    if found := [_read(one, "key", "operator", "values") for one in selector.each("matchExpressions")]:
        keys["labelExpressions"] = found
    for one in parts.mapping("fieldSelector").each("matchExpressions"):
        expression = _read(one, "key", "operator", "values")
        short = _FIELDS.get(str(expression.get("key")))
        if short and expression.get("operator") == "In" and short not in keys:
            keys[short] = expression.get("values", [])
        else:
            keys.setdefault("fieldExpressions", []).append(expression)
    selector.rest()
    parts.rest()
    return keys


def _group(parts: _Parts) -> Keys:
    keys: Keys = {"name": parts.take("affinityName")}
    overflow = [_group(one) for one in parts.each("overflowAffinities")]
    return {**keys, **_affinity(parts), **({"overflow": overflow} if overflow else {})}


def _toleration(parts: _Parts) -> Keys:
    return _read(parts, "key", "operator", "value", "effect", tolerationSeconds="seconds")


def _spread(parts: _Parts) -> Keys:
    keys: Keys = {}
    parts.into(keys, "spreadByLabel", "label")
    if not keys:
        parts.into(keys, "spreadByField", "by")
    parts.into(keys, "minGroups")
    if keys.get("minGroups") == 0:
        del keys["minGroups"]  # the webhook replaces 0 by 1
    if most := parts.take("maxGroups"):
        keys["maxGroups"] = most
    parts.rest()
    return keys


def _replicas(parts: _Parts) -> Keys:
    divided = parts.take("replicaSchedulingType") == "Divided"
    preference = parts.take("replicaDivisionPreference")
    if not divided or preference == "Aggregated":
        parts.rest()
        return {"replicas": "aggregated"} if divided else {}
    keys: Keys = {"replicas": "divided"}
    weights = parts.mapping("weightPreference")
    if dynamic := weights.take("dynamicWeight"):
        keys["dynamicWeight"] = dynamic
        weights.rest()
        return keys
    rules = [(_affinity(one.mapping("targetCluster")), one.take("weight")) for one in weights.each("staticWeightList")]
    names = [name for target, _ in rules for name in target.get("clusters", [])]
    if rules and all(set(t) == {"clusters"} for t, _ in rules) and len(set(names)) == len(names):
        keys["weights"] = {name: weight for target, weight in rules for name in target["clusters"]}
    elif rules:
        keys["weightRules"] = [{**target, "weight": weight} for target, weight in rules]
    weights.rest()
    parts.rest()
    return keys


# -- failures and suspension ------------------------------------------------------------------------------------------


def _suspended(parts: _Parts) -> Any:
    if parts.take("dispatching"):
        parts.take("dispatchingOnClusters")
        return True
    named = parts.mapping("dispatchingOnClusters")
    return named.take("clusterNames")


def _failover(parts: _Parts) -> Keys:
    keys: Keys = {}
    application = parts.take("application")
    cluster = parts.take("cluster")
    if application is not None:
        keys["application"] = _application(_Parts(application, "spec.failover.application", parts.unread))
    if cluster is not None:
        keys["cluster"] = _on_failure(_Parts(cluster, "spec.failover.cluster", parts.unread))
    parts.rest()
    return keys


def _application(parts: _Parts) -> Keys:
    keys: Keys = {}
    parts.mapping("decisionConditions").into(keys, "tolerationSeconds", "seconds")
    grace = parts.take("gracePeriodSeconds")
    keys |= _on_failure(parts)
    if grace is not None and keys.get("purgeMode", "Gracefully") == "Gracefully":
        keys["gracePeriod"] = grace
    return keys


def _on_failure(parts: _Parts) -> Keys:
    keys: Keys = {}
    parts.into(keys, "purgeMode")
    if mode := keys.get("purgeMode"):
        keys["purgeMode"] = _PURGE_MODES.get(mode, mode)
    kept = {
        rule.take("aliasLabelName"): rule.take("jsonPath") for rule in parts.mapping("statePreservation").each("rules")
    }
    if kept:
        keys["state"] = kept
    parts.rest()
    return keys
