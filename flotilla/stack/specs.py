"""Converts a workload of the stack into Karmada's terms: placement, PropagationSpec and override rules, as plain data.

The results contain only what the stack file says, with the defaults of Karmada's API (flotilla.karmada.propagation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flotilla.karmada.rendering.policies import ONLY_FOR
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ref_of
from flotilla.stack.failover import ApplicationFailover, ClusterFailover, Failover, PurgeMode
from flotilla.stack.overrides import FieldOverride, ImageOverride, Override, Patch
from flotilla.stack.placement import (
    Affinity,
    Group,
    OverflowGroup,
    Placement,
    ReplicaStrategy,
    Spread,
    Toleration,
    WorkloadAffinity,
)
from flotilla.stack.workloads import OnRemoval, Suspension, Workload

_NEW_PURGE_MODES = Version(1, 15)
_OLD_PURGE_MODES = {PurgeMode.DIRECTLY: "Immediately", PurgeMode.GRACEFULLY: "Graciously", PurgeMode.NEVER: "Never"}
_PRIORITY_CLASS = "KubePriorityClass"
"""The only source of priority classes that Karmada implements."""


def propagation_spec(workload: Workload, version: Version | None = None) -> Object:
    """Return a workload's PropagationSpec (policy/v1alpha1), without selectors and the API's defaults.

    Args:
        workload: the workload.
        version: Karmada's version; None (not known) means the newest.
    """
    if workload.given:
        return {key: value for key, value in workload.given.sender["spec"].items() if key != "resourceSelectors"}
    spec: Object = {
        "placement": placement_of(workload.placement),
        "priority": workload.priority,
        "preemption": workload.preemption.value,
        "conflictResolution": workload.conflict_resolution.value,
    }
    if workload.sends_dependencies:
        spec["propagateDeps"] = True
    if workload.activation:
        spec["activationPreference"] = workload.activation.value
    if workload.suspend and (suspension := _suspension(workload.suspend)):
        spec["suspension"] = suspension
    if workload.on_removal is OnRemoval.KEEP:
        spec["preserveResourcesOnDeletion"] = True
    if workload.schedule_priority:
        spec["schedulePriority"] = {
            "priorityClassSource": _PRIORITY_CLASS,
            "priorityClassName": workload.schedule_priority,
        }
    if workload.failover:
        spec["failover"] = _failover(workload.failover, version)
    return spec


def _suspension(suspend: Suspension) -> Object:
    if suspend.everywhere:
        return {"dispatching": True}
    return {"dispatchingOnClusters": {"clusterNames": list(suspend.clusters)}} if suspend.clusters else {}


def _failover(failover: Failover, version: Version | None) -> Object:
    result: Object = {}
    if failover.application:
        result["application"] = _application_failover(failover.application, version)
    if failover.cluster:
        result["cluster"] = {"purgeMode": failover.cluster.purge_mode.value, **_preserved(failover.cluster)}
    return result


def _application_failover(application: ApplicationFailover, version: Version | None) -> Object:
    mode = application.purge_mode
    old = version is not None and version < _NEW_PURGE_MODES
    grace = application.grace_seconds
    return {
        "decisionConditions": {"tolerationSeconds": application.seconds},
        "purgeMode": _OLD_PURGE_MODES[mode] if old else mode.value,
        **({"gracePeriodSeconds": grace} if grace is not None else {}),
        **_preserved(application),
    }


def _preserved(failover: ApplicationFailover | ClusterFailover) -> Object:
    rules = [{"aliasLabelName": label, "jsonPath": path} for label, path in failover.state.items()]
    return {"statePreservation": {"rules": rules}} if rules else {}


# -- the placement ----------------------------------------------------------------------------------------------------


def placement_of(placement: Placement) -> Object:
    """Convert a placement into Karmada's Placement (policy/v1alpha1)."""
    result: Object = {}
    if placement.groups:
        result["clusterAffinities"] = [_group(group) for group in placement.groups]
    elif affinity := affinity_of(placement):
        result["clusterAffinity"] = affinity
    if placement.tolerations:
        result["clusterTolerations"] = [_toleration(one) for one in placement.tolerations]
    if placement.spread:
        result["spreadConstraints"] = [_spread(one) for one in placement.spread]
    result["replicaScheduling"] = _replica_scheduling(placement)
    if placement.workload_affinity:
        result["workloadAffinity"] = _workload_affinity(placement.workload_affinity)
    return result


def affinities_of(placement: Placement) -> list[Object]:
    """Return all affinities by which a placement may choose clusters: its conditions, or those of its groups."""
    return [affinity_of(affinity) for affinity in placement.affinities]


def served_affinities(workload: Workload) -> list[Object]:
    """Return the affinities of the clusters that must serve a workload's kinds: those to which anything is sent."""
    suspend = workload.suspend
    if suspend and suspend.everywhere:
        return []
    found = affinities_of(workload.placement)
    if not suspend or not suspend.clusters:
        return found
    return [{**affinity, "exclude": [*affinity.get("exclude", ()), *suspend.clusters]} for affinity in found]


def affinity_of(affinity: Affinity) -> Object:
    """Convert conditions for clusters into Karmada's ClusterAffinity (policy/v1alpha1)."""
    result: Object = {}
    if affinity.clusters:
        result["clusterNames"] = list(affinity.clusters)
    if affinity.exclude:
        result["exclude"] = list(affinity.exclude)
    selector: Object = {"matchLabels": dict(affinity.labels)} if affinity.labels else {}
    if affinity.label_expressions:
        selector["matchExpressions"] = [
            {"key": one.key, "operator": one.operator.value} | ({"values": list(one.values)} if one.values else {})
            for one in affinity.label_expressions
        ]
    if selector:
        result["labelSelector"] = selector
    expressions: list[Object] = [
        {"key": key, "operator": "In", "values": list(values)}
        for key, values in (("provider", affinity.providers), ("region", affinity.regions), ("zone", affinity.zones))
        if values
    ]
    expressions += [
        {"key": one.key.value, "operator": one.operator.value, "values": list(one.values)}
        for one in affinity.field_expressions
    ]
    if expressions:
        result["fieldSelector"] = {"matchExpressions": expressions}
    return result


def _group(group: Group) -> Object:
    overflow = [_named(one) for one in group.overflow]
    return _named(group) | ({"overflowAffinities": overflow} if overflow else {})


def _named(group: OverflowGroup) -> Object:
    return {"affinityName": group.name, **affinity_of(group)}


def _toleration(one: Toleration) -> Object:
    given = {"key": one.key, "value": one.value, "effect": one.effect.value if one.effect else ""}
    result: Object = {"operator": one.operator.value} | {key: value for key, value in given.items() if value}
    return result | ({"tolerationSeconds": one.seconds} if one.seconds is not None else {})


def _spread(one: Spread) -> Object:
    result: Object = {"spreadByField": one.by.value} if one.by else {"spreadByLabel": one.label}
    result["minGroups"] = one.min_groups
    return result | ({"maxGroups": one.max_groups} if one.max_groups is not None else {})


def _replica_scheduling(placement: Placement) -> Object:
    """Return how replicas are divided; evenly where no weight is given."""
    if placement.replicas is ReplicaStrategy.DUPLICATED:
        return {"replicaSchedulingType": "Duplicated"}
    if placement.replicas is ReplicaStrategy.AGGREGATED:
        return {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}
    strategy: Object = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    weights: list[Object] = [
        {"targetCluster": {"clusterNames": [name]}, "weight": weight} for name, weight in placement.weights.items()
    ]
    weights += [{"targetCluster": affinity_of(rule), "weight": rule.weight} for rule in placement.weight_rules]
    if weights:
        strategy["weightPreference"] = {"staticWeightList": weights}
    elif placement.dynamic_weight:
        strategy["weightPreference"] = {"dynamicWeight": placement.dynamic_weight.value}
    return strategy


def _workload_affinity(affinity: WorkloadAffinity) -> Object:
    keys = {"affinity": affinity.affinity, "antiAffinity": affinity.anti_affinity}
    return {name: {"groupByLabelKey": key} for name, key in keys.items() if key}


# -- overrides --------------------------------------------------------------------------------------------------------


def override_rules(workload: Workload) -> list[Object]:
    """Convert a workload's overrides (evaluated, where they have expressions) into RuleWithCluster objects."""
    return [override_rule(override, container=workload.object_name) for _, override in workload.evaluated]


def rules_for_objects(workload: Workload, objects: Sequence[Object]) -> list[Object]:
    """Return `override_rules`, with the objects under `ONLY_FOR` in rules that apply only to some objects.

    Args:
        workload: the workload.
        objects: the objects that it declares, with their namespaces.
    """
    return [
        {**rule, ONLY_FOR: [list(ref_of(obj)) for obj in objects if override.is_for(obj)]} if override.objects else rule
        for (_, override), rule in zip(workload.evaluated, override_rules(workload), strict=True)
    ]


def override_rule(override: Override, *, container: str) -> Object:
    """Convert an override into a RuleWithCluster; `container` is the default container for command and args."""
    overriders: Object = {}
    if override.image:
        overriders["imageOverrider"] = _image(override.image)
    who = override.container or container
    for key, words, without in (
        ("commandOverrider", override.command, override.remove_command),
        ("argsOverrider", override.args, override.remove_args),
    ):
        # Removals come first, so that a word can be replaced by another one that contains it.
        steps = [("remove", without), ("add", words)]
        if found := [{"containerName": who, "operator": op, "value": list(value)} for op, value in steps if value]:
            overriders[key] = found
    for key, added, replaced, removed in (
        ("labelsOverrider", override.labels, override.replace_labels, override.remove_labels),
        ("annotationsOverrider", override.annotations, override.replace_annotations, override.remove_annotations),
    ):
        if found := _changed_map(added, replaced, removed):
            overriders[key] = found
    if override.fields:
        overriders["fieldOverrider"] = [_field(one) for one in override.fields]
    if override.patches:
        overriders["plaintext"] = [_step(patch, "path") for patch in override.patches]
    target = affinity_of(override.affinity)
    return ({"targetCluster": target} if target else {}) | {"overriders": overriders}


def _image(image: ImageOverride) -> list[Object]:
    predicate: Object = {"predicate": {"path": image.path}} if image.path else {}
    steps: list[tuple[str, str, str | None]] = [(part, "replace", text) for part, text in image.given.items()]
    steps += [(part, "add", text) for part, text in image.append.given.items()]
    steps += [(part.value, "remove", None) for part in image.remove]
    return [
        {**predicate, "component": part.capitalize(), "operator": operator}
        | ({"value": text} if text is not None else {})
        for part, operator, text in steps
    ]


def _changed_map(added: dict[str, str], replaced: dict[str, str], removed: tuple[str, ...]) -> list[Object]:
    # "add" also replaces an existing value (RFC 6902), so it is right in both cases. "remove" uses only the key, but
    # the API requires a string as its value.
    steps = (("add", added), ("replace", replaced), ("remove", dict.fromkeys(removed, "")))
    return [{"operator": operator, "value": dict(values)} for operator, values in steps if values]


def _field(override: FieldOverride) -> Object:
    return {"fieldPath": override.path, override.format.value: [_step(one, "subPath") for one in override.patches]}


def _step(patch: Patch, path: str) -> Object:
    raw: dict[str, Any] = patch.model_dump(mode="json")
    return {path: patch.path, "operator": patch.op.value} | ({"value": raw["value"]} if patch.op != "remove" else {})
