"""Builders of templates and of the policies that send them, from plain values, with Karmada's defaults written out.

Karmada's webhook writes defaults into policies (a selector's namespace, the division preference). The policies built
here contain these defaults already, so that a plan doesn't show them as differences.
"""

from __future__ import annotations

from typing import Any

from flotilla.karmada.kinds import BUILT_IN, Kinds, in_namespace
from flotilla.karmada.objects import (
    ClusterOverridePolicy,
    ClusterPropagationPolicy,
    ObjectMeta,
    OverridePolicy,
    OverrideSpec,
    PropagationPolicy,
    PropagationSpec,
    ResourceSelector,
    RuleWithCluster,
)
from flotilla.karmada.scheduling.defaults import adds_tolerations, with_default_scheduling, with_default_tolerations
from flotilla.karmada.versions import Version
from flotilla.kube.objects import copied

Object = dict[str, Any]

_DEFAULTS: Object = {
    "placement": {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}},
    "priority": 0,
    "preemption": "Never",
    "conflictResolution": "Abort",
    "schedulerName": "default-scheduler",
}
DEFINITIONS = ".definitions"
"""The suffix of the name of the policy that sends a workload's definitions.

A workload can't have such a name: its name is a DNS label."""
SKIP_AWAIT = "pulumi.com/skipAwait"
OWN_ANNOTATIONS = {
    SKIP_AWAIT: "true",
    # A foreground deletion would wait for the copies in a dead cluster; a separate resource waits for the others.
    "pulumi.com/deletionPropagationPolicy": "background",
}
"""The annotations that every template has in the control plane."""
HEALTH_IGNORED = "flotilla.dev/health-ignored"
"""Marks a template whose manifest says `pulumi.com/skipAwait`: a rollout only waits until it is applied."""
ON_REMOVAL = "flotilla.dev/on-removal"
"""Marks a Namespace whose copies stay in members (`keep`): no policy sends it, so no policy can say so."""


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
    """Return the Deployment of a workload's short form: one container with the name of the workload."""
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


def template(manifest: Object, *, namespace: str = "", kinds: Kinds = BUILT_IN) -> Object:
    """Return a manifest as a template of the control plane.

    No controllers run in the control plane, so a Deployment never gets an Available condition there: its readiness is
    read from its ResourceBinding instead. If the manifest says that nothing should wait for the object, the template
    gets the mark `HEALTH_IGNORED`, which the rollout reads.

    Args:
        manifest: the object as written.
        namespace: the workload's namespace, for an object that doesn't name one. An object of a cluster-scoped kind
            gets none: the API server drops it silently.
        kinds: facts about custom kinds.
    """
    result = copied(in_namespace(manifest, namespace, kinds))
    metadata = result["metadata"]
    annotations = metadata.get("annotations") or {}
    ignored = {HEALTH_IGNORED: "true"} if annotations.get(SKIP_AWAIT) == "true" else {}
    metadata["annotations"] = {**annotations, **ignored, **OWN_ANNOTATIONS}
    return result


def manifest_of(declared: Object) -> Object:
    """Return the manifest from which `template` builds a declared template: the template without the marks it adds."""
    metadata = declared["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    kept = {key: value for key, value in annotations.items() if key not in {*OWN_ANNOTATIONS, HEALTH_IGNORED}}
    if annotations.get(HEALTH_IGNORED) == "true":
        kept[SKIP_AWAIT] = "true"
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**declared, "metadata": {**rest, **({"annotations": kept} if kept else {})}}


def further(namespace: str, own: str) -> str:
    """Return the suffix of the names of a workload's policies in a namespace; empty in the workload's own namespace.

    The policies differ in their names, not only in their namespaces. If the workload gets another namespace, its
    templates thus change from one policy to another, and the rollout transfers the claims
    (flotilla.karmada.status.claims).

    Args:
        namespace: the namespace of the policies.
        own: the workload's namespace.
    """
    return "" if namespace == own else f".{namespace}"


def selectors(templates: list[Object]) -> list[Object]:
    """Return a ResourceSelector for each template, by kind and name."""
    return [
        {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]}
        | ({"namespace": obj["metadata"]["namespace"]} if obj["metadata"].get("namespace") else {})
        for obj in templates
    ]


def propagation_policy(name: str, *, namespace: str | None, templates: list[Object], spec: Object) -> Object:
    """Return the policy that sends templates to clusters; a cluster-wide one where `namespace` is None.

    Args:
        name: the policy's name.
        namespace: the namespace of the policy and the templates.
        templates: the templates to send; each is selected by kind and name.
        spec: the PropagationSpec (policy/v1alpha1) as in the API, without selectors. Where it doesn't set placement,
            priority, preemption, conflict resolution or scheduler, the API's default is written.
    """
    whole: Object = {**_DEFAULTS, **spec, "resourceSelectors": selectors(templates)}
    tolerations = whole["placement"].get("clusterTolerations")
    if tolerations:
        # The webhook of older versions (1.10, for one) adds them to every policy. They are written out where there are
        # tolerations: the list has a single owner, and without them a plan would differ forever.
        whole["placement"] = {**whole["placement"], "clusterTolerations": with_default_tolerations(tolerations)}
    checked = PropagationSpec.model_validate(whole)
    if namespace is None:
        return ClusterPropagationPolicy(metadata=ObjectMeta(name=name), spec=checked).manifest()
    return PropagationPolicy(metadata=ObjectMeta(name=name, namespace=namespace), spec=checked).manifest()


def declared_policy(policy: Object, *, namespace: str, version: Version | None = None) -> Object:
    """Return a policy of any of the four kinds as its author wrote it, with the defaults that Karmada's webhook adds.

    Nothing else is added. Karmada has defaults that it doesn't write, such as how replicas are divided if the placement
    doesn't say so: with these, a policy that was applied before would differ from the declared one.

    Args:
        policy: the policy.
        namespace: the policy's namespace, if its kind has namespaces and it doesn't name one.
        version: Karmada's version; None where it isn't known, which counts as the oldest supported one.
    """
    result = copied(policy)
    metadata, spec = result["metadata"], result.setdefault("spec", {})
    if result["kind"] in (PropagationPolicy.kind_of, OverridePolicy.kind_of):
        metadata["namespace"] = metadata.get("namespace") or namespace
        for selector in spec.get("resourceSelectors") or []:
            selector["namespace"] = selector.get("namespace") or metadata["namespace"]
    else:
        metadata.pop("namespace", None)
    if result["kind"] in (PropagationPolicy.kind_of, ClusterPropagationPolicy.kind_of):
        placement = with_default_scheduling(spec.get("placement") or {})
        tolerations = placement.get("clusterTolerations")
        if tolerations and adds_tolerations(version):
            placement["clusterTolerations"] = with_default_tolerations(tolerations)
        result["spec"] = {**_DEFAULTS, **spec, "placement": placement}
    return result


CHANGES_NOTHING: Object = {"overriders": {}}
"""A rule that applies to every cluster and changes nothing."""


def override_policy(name: str, *, namespace: str | None, templates: list[Object], rules: list[Object]) -> Object:
    """Return the policy that makes templates differ by cluster; `rules` are RuleWithCluster as plain data.

    Without rules, the policy gets one that changes nothing. Karmada's webhook drops an empty list: no field manager
    would own the field, and every plan would add the list again.
    """
    spec = OverrideSpec(
        resource_selectors=[ResourceSelector.model_validate(selector) for selector in selectors(templates)],
        override_rules=[RuleWithCluster.model_validate(rule) for rule in rules or [CHANGES_NOTHING]],
    )
    if namespace is None:
        return ClusterOverridePolicy(metadata=ObjectMeta(name=name), spec=spec).manifest()
    return OverridePolicy(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec).manifest()
