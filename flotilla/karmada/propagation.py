"""Templates and the policies that send them: built from plain values, with Karmada's defaults written out.

The webhook writes defaults into policies (a selector's namespace, the division preference). What we write ourselves
is the same before and after it, so that a plan shows no difference that nobody made.
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
"""Ends the name of the policy of a workload's definitions. No workload can be called so: a name is a DNS label."""
SKIP_AWAIT = "pulumi.com/skipAwait"
OWN_ANNOTATIONS = {
    SKIP_AWAIT: "true",
    # A foreground deletion would wait for the copies in a dead cluster; a resource of its own waits for the others.
    "pulumi.com/deletionPropagationPolicy": "background",
}
"""What every template has in the control plane."""
HEALTH_IGNORED = "flotilla.dev/health-ignored"
"""Marks a template whose manifest says `pulumi.com/skipAwait`: a rollout waits until it is applied, and no longer."""
ON_REMOVAL = "flotilla.dev/on-removal"
"""Marks a Namespace whose copies stay in members (`keep`): it goes there without a policy that could say so."""


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


def template(manifest: Object, *, namespace: str = "", kinds: Kinds = BUILT_IN) -> Object:
    """Return a manifest as a template of the control plane.

    Its own controllers never run there, so that a Deployment has no Available condition to wait for: readiness is
    read from its ResourceBinding instead. Where the manifest itself says that nothing is to be waited for, the template
    has a mark of its own, which the rollout reads.

    Args:
        manifest: the object as written.
        namespace: of an object that names none: the workload's. Objects of cluster-scoped kinds have none: the API
            server drops it without a word.
        kinds: what is known of custom kinds.
    """
    result = copied(in_namespace(manifest, namespace, kinds))
    metadata = result["metadata"]
    annotations = metadata.get("annotations") or {}
    ignored = {HEALTH_IGNORED: "true"} if annotations.get(SKIP_AWAIT) == "true" else {}
    metadata["annotations"] = {**annotations, **ignored, **OWN_ANNOTATIONS}
    return result


def manifest_of(declared: Object) -> Object:
    """Return what `template` makes the same template of again: a declared one without the marks that it adds."""
    metadata = declared["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    kept = {key: value for key, value in annotations.items() if key not in {*OWN_ANNOTATIONS, HEALTH_IGNORED}}
    if annotations.get(HEALTH_IGNORED) == "true":
        kept[SKIP_AWAIT] = "true"
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**declared, "metadata": {**rest, **({"annotations": kept} if kept else {})}}


def further(namespace: str, own: str) -> str:
    """Return what ends the names of a workload's policies in a namespace; nothing in the workload's own.

    Their names differ from each other, not only their namespaces: another namespace for the workload is then a change
    from one policy to another, whose claims the rollout transfers (flotilla.karmada.status.claims).

    Args:
        namespace: where the policies are.
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
        namespace: the policy's and the templates'.
        templates: what it sends, each by kind and name.
        spec: the PropagationSpec (policy/v1alpha1) as the API has it, without selectors. What it doesn't say of
            placement, priority, preemption, conflict resolution and scheduler is written as the API's default.
    """
    whole: Object = {**_DEFAULTS, **spec, "resourceSelectors": selectors(templates)}
    tolerations = whole["placement"].get("clusterTolerations")
    if tolerations:
        # The webhook of older versions (1.10, for one) adds them to every policy. Written out where there are
        # tolerations: the list has one owner, and a plan that compares it would differ for ever.
        whole["placement"] = {**whole["placement"], "clusterTolerations": with_default_tolerations(tolerations)}
    checked = PropagationSpec.model_validate(whole)
    if namespace is None:
        return ClusterPropagationPolicy(metadata=ObjectMeta(name=name), spec=checked).manifest()
    return PropagationPolicy(metadata=ObjectMeta(name=name, namespace=namespace), spec=checked).manifest()


def declared_policy(policy: Object, *, namespace: str, version: Version | None = None) -> Object:
    """Return a policy of any of the four kinds as its author wrote it, with what Karmada's webhook writes into it.

    Nothing else is added, not even a default that Karmada only acts by, such as that of a placement which doesn't say
    how replicas are divided: a policy that was applied before would differ from what is declared.

    Args:
        policy: the policy.
        namespace: its own, where it is of a kind with namespaces and names none.
        version: Karmada's; None where it isn't known, which stands for the oldest.
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
"""A rule for every cluster, and of no effect in any."""


def override_policy(name: str, *, namespace: str | None, templates: list[Object], rules: list[Object]) -> Object:
    """Return the policy that makes templates differ by cluster; `rules` are RuleWithCluster as plain data.

    Without rules it has one that changes nothing: Karmada's webhook drops an empty list, so that the field would belong
    to nobody, and a plan that compares with what the server holds would put it back for ever.
    """
    spec = OverrideSpec(
        resource_selectors=[ResourceSelector.model_validate(selector) for selector in selectors(templates)],
        override_rules=[RuleWithCluster.model_validate(rule) for rule in rules or [CHANGES_NOTHING]],
    )
    if namespace is None:
        return ClusterOverridePolicy(metadata=ObjectMeta(name=name), spec=spec).manifest()
    return OverridePolicy(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec).manifest()
