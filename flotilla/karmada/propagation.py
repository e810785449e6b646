"""Templates and the policies that send them: built from plain values, with Karmada's defaults written out.

The webhook writes defaults into policies (a selector's namespace, the division preference). What we write ourselves
is the same before and after it, so that a plan shows no difference that nobody made.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from flotilla.karmada.kinds import BUILT_IN, Kinds
from flotilla.karmada.objects import (
    ClusterAffinity,
    ClusterOverridePolicy,
    ClusterPropagationPolicy,
    ObjectMeta,
    OverridePolicy,
    OverrideSpec,
    PolicyPlacement,
    PropagationPolicy,
    PropagationSpec,
    ReplicaSchedulingStrategy,
    ResourceSelector,
    RuleWithCluster,
)

Object = dict[str, Any]

# What the webhook of older versions (1.10, for one) adds to every policy. Written out where there are tolerations: the
# list has one owner, and a plan that compares it would differ for ever.
_DEFAULT_TOLERATIONS = [
    {
        "key": f"cluster.karmada.io/{condition}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for condition in ("not-ready", "unreachable")
]

SKIP_AWAIT = "pulumi.com/skipAwait"
_OWN_ANNOTATIONS = {
    SKIP_AWAIT: "true",
    # A foreground deletion would wait for the copies in a dead cluster; a resource of its own waits for the others.
    "pulumi.com/deletionPropagationPolicy": "background",
}
HEALTH_IGNORED = "flotilla.dev/health-ignored"
"""Marks a template whose manifest says `pulumi.com/skipAwait`: a rollout waits until it is applied, and no longer."""


def deployment(
    name: str,
    *,
    namespace: str,
    image: str,
    replicas: int,
    ports: list[int],
    env: dict[str, str],
    resources: Object | None,
    labels: dict[str, str],
) -> Object:
    """Return the Deployment of a workload's short form: one container, named as the workload."""
    selector = {"app.kubernetes.io/name": name}
    container: Object = {"name": name, "image": image}
    if ports:
        container["ports"] = [{"containerPort": port, "protocol": "TCP"} for port in ports]
    if env:
        container["env"] = [{"name": key, "value": value} for key, value in sorted(env.items())]
    if resources:
        container["resources"] = resources
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, **selector}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": {**labels, **selector}},
                "spec": {"containers": [container]},
            },
        },
    }


def template(manifest: Object, *, namespace: str, kinds: Kinds = BUILT_IN) -> Object:
    """Return a manifest as a template of the control plane.

    Its own controllers never run there, so that a Deployment has no Available condition to wait for: readiness is
    read from its ResourceBinding instead. Where the manifest itself says that nothing is to be waited for, the template
    has a mark of its own, which the rollout reads.

    Args:
        manifest: the object as written.
        namespace: the workload's; objects of cluster-scoped kinds have none.
        kinds: what is known of custom kinds.
    """
    result = deepcopy(manifest)
    metadata = result["metadata"]
    if kinds.cluster_scoped(result):
        metadata.pop("namespace", None)  # the API server drops it without a word
    else:
        metadata["namespace"] = namespace
    annotations = metadata.get("annotations") or {}
    ignored = {HEALTH_IGNORED: "true"} if annotations.get(SKIP_AWAIT) == "true" else {}
    metadata["annotations"] = {**annotations, **ignored, **_OWN_ANNOTATIONS}
    return result


def selectors(templates: list[Object]) -> list[ResourceSelector]:
    """Return a selector for each template, by kind and name."""
    return [
        ResourceSelector.model_validate(
            {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": obj["metadata"]["name"],
            }
            | ({"namespace": obj["metadata"]["namespace"]} if obj["metadata"].get("namespace") else {})
        )
        for obj in templates
    ]


def replica_scheduling(weights: dict[str, int] | None, *, divided: bool) -> ReplicaSchedulingStrategy:
    """Return how replicas are spread: duplicated, or divided by static weight (evenly where none is given)."""
    if not divided:
        return ReplicaSchedulingStrategy(replica_scheduling_type="Duplicated")
    strategy: Object = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    if weights:
        strategy["weightPreference"] = {
            "staticWeightList": [
                {"targetCluster": {"clusterNames": [name]}, "weight": weight} for name, weight in weights.items()
            ]
        }
    return ReplicaSchedulingStrategy.model_validate(strategy)


def propagation_policy(
    name: str,
    *,
    namespace: str | None,
    templates: list[Object],
    affinity: Object,
    scheduling: ReplicaSchedulingStrategy,
    conflict_resolution: str,
    tolerations: list[Object] | None = None,
) -> Object:
    """Return the policy that sends templates to clusters; a cluster-wide one where `namespace` is None."""
    placement: Object = {"replica_scheduling": scheduling}
    if affinity:
        placement["cluster_affinity"] = ClusterAffinity.model_validate(affinity)
    if tolerations:
        placement["cluster_tolerations"] = [*tolerations, *(t for t in _DEFAULT_TOLERATIONS if t not in tolerations)]
    spec = PropagationSpec(
        resource_selectors=selectors(templates),
        placement=PolicyPlacement(**placement),
        priority=0,
        preemption="Never",
        conflict_resolution=conflict_resolution,
        scheduler_name="default-scheduler",
    )
    if namespace is None:
        return ClusterPropagationPolicy(metadata=ObjectMeta(name=name), spec=spec).manifest()
    return PropagationPolicy(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec).manifest()


CHANGES_NOTHING: Object = {"overriders": {}}
"""A rule for every cluster, and of no effect in any."""


def override_policy(name: str, *, namespace: str | None, templates: list[Object], rules: list[Object]) -> Object:
    """Return the policy that makes templates differ by cluster; `rules` are RuleWithCluster as plain data.

    Without rules it has one that changes nothing: Karmada's webhook drops an empty list, so that the field would belong
    to nobody, and a plan that compares with what the server holds would put it back for ever.
    """
    spec = OverrideSpec(
        resource_selectors=selectors(templates),
        override_rules=[RuleWithCluster.model_validate(rule) for rule in rules or [CHANGES_NOTHING]],
    )
    if namespace is None:
        return ClusterOverridePolicy(metadata=ObjectMeta(name=name), spec=spec).manifest()
    return OverridePolicy(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec).manifest()


def override_rule(
    clusters: list[str],
    *,
    container: str,
    image: dict[str, str] | None = None,
    command: list[str] | None = None,
    args: list[str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    patches: list[Object] | None = None,
) -> Object:
    """Return one rule of an override policy.

    Args:
        clusters: the members that it is for.
        container: the container that command and args are for.
        image: parts to replace: registry, repository, tag.
        command: words to add to the container's command.
        args: words to add to the container's arguments.
        labels: labels to add or replace.
        annotations: annotations to add or replace.
        patches: JSON patch steps: path, op, value.
    """
    overriders: Object = {}
    if image:
        overriders["imageOverrider"] = [
            {"component": part.capitalize(), "operator": "replace", "value": value} for part, value in image.items()
        ]
    for key, words in (("commandOverrider", command), ("argsOverrider", args)):
        if words:
            overriders[key] = [{"containerName": container, "operator": "add", "value": words}]
    # "add" replaces a value that is there, too (RFC 6902), so that it is right in both cases.
    for key, values in (("labelsOverrider", labels), ("annotationsOverrider", annotations)):
        if values:
            overriders[key] = [{"operator": "add", "value": values}]
    if patches:
        overriders["plaintext"] = [
            {"path": patch["path"], "operator": patch["op"]}
            | ({"value": patch["value"]} if patch["op"] != "remove" else {})
            for patch in patches
        ]
    return {"targetCluster": {"clusterNames": clusters}, "overriders": overriders}
