"""Which templates a policy selects (policy/v1alpha1, ResourceSelector)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.scheduling import labels_match
from flotilla.kube.objects import Object, ObjectRef

POLICY_ID_LABELS = {
    "PropagationPolicy": "propagationpolicy.karmada.io/permanent-id",
    "ClusterPropagationPolicy": "clusterpropagationpolicy.karmada.io/permanent-id",
}
"""The label by which a policy of each kind claims a template."""
POLICY_NAME_ANNOTATIONS = {
    "PropagationPolicy": "propagationpolicy.karmada.io/name",
    "ClusterPropagationPolicy": "clusterpropagationpolicy.karmada.io/name",
}
"""The annotation of a template that names the policy that has claimed it, by the policy's kind."""
POLICY_NAMESPACE_ANNOTATION = "propagationpolicy.karmada.io/namespace"
"""The annotation of a template that names the namespace of the PropagationPolicy that has claimed it."""
CLAIM_KEYS = frozenset({*POLICY_ID_LABELS.values(), *POLICY_NAME_ANNOTATIONS.values(), POLICY_NAMESPACE_ANNOTATION})
"""The labels and annotations that a claim writes on a template; Karmada 1.10 writes names and namespaces as labels,
too."""
POLICIES = tuple(POLICY_ID_LABELS)
"""The kinds of policies that send templates."""
_STACKS = "pulumi-kubernetes"
OVERRIDES = ("OverridePolicy", "ClusterOverridePolicy")
"""The kinds of policies that make templates differ by cluster."""


def is_policy(obj: Object) -> bool:
    """Return whether an object is one of Karmada's policies that send templates, or make them differ by cluster."""
    return obj["apiVersion"] == POLICY_API and obj["kind"] in (*POLICIES, *OVERRIDES)


def claim_annotations(policy: Object) -> dict[str, str]:
    """Return the annotations of a template that a policy has claimed."""
    kind, meta = policy["kind"], policy["metadata"]
    within = {POLICY_NAMESPACE_ANNOTATION: meta["namespace"]} if kind == "PropagationPolicy" else {}
    return {POLICY_NAME_ANNOTATIONS[kind]: meta["name"], **within}


def policy_key(policy: ObjectRef) -> tuple[str, str, str]:
    """Return kind, namespace and name of a policy, which identify it: all policies have the same API group."""
    return policy.kind, policy.namespace, policy.name


def claimed_by(annotations: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return kind, namespace and name of the policy that a template's annotations name; None where they name none."""
    for kind, key in POLICY_NAME_ANNOTATIONS.items():
        if name := annotations.get(key):
            namespace = annotations.get(POLICY_NAMESPACE_ANNOTATION, "") if kind == "PropagationPolicy" else ""
            return kind, str(namespace), str(name)
    return None


def made_by_a_stack(policy: Object) -> bool:
    """Return whether a stack declares, or has declared, a policy that was read from a control plane."""
    managers = [str(entry.get("manager")) for entry in policy["metadata"].get("managedFields") or []]
    return any(manager.startswith(_STACKS) for manager in managers)


class Exactness(IntEnum):
    """How exactly a policy selects a template: the most exact policy wins (pkg/util/selector.go, ImplicitPriority)."""

    NOT = 0
    KIND = 1
    """By its kind, or without any selector."""
    LABELS = 2
    NAME = 3


def exactness(policy: Object, template: Object) -> Exactness:
    """Return how exactly a policy selects a template; a namespaced policy only selects in its own namespace.

    An override policy without selectors applies to every template in its scope (policy/v1alpha1, OverrideSpec).
    """
    within = policy["metadata"].get("namespace")
    if within and template["metadata"].get("namespace") != within:
        return Exactness.NOT
    selectors = (policy.get("spec") or {}).get("resourceSelectors") or []
    if not selectors:
        return Exactness.KIND if policy.get("kind") in OVERRIDES else Exactness.NOT
    return max(_exactness(selector, template) for selector in selectors)


def _exactness(selector: Object, template: Object) -> Exactness:
    meta = template["metadata"]
    if (selector.get("apiVersion"), selector.get("kind")) != (template["apiVersion"], template["kind"]):
        return Exactness.NOT
    if selector.get("namespace") and selector["namespace"] != meta.get("namespace"):
        return Exactness.NOT
    if selector.get("name"):
        return Exactness.NAME if selector["name"] == meta["name"] else Exactness.NOT
    if selector.get("labelSelector") is None:
        return Exactness.KIND
    return Exactness.LABELS if labels_match(meta.get("labels") or {}, selector["labelSelector"]) else Exactness.NOT


def selects(policy: Object, template: Object) -> bool:
    """Return whether a policy selects a template, however exactly."""
    return exactness(policy, template) is not Exactness.NOT


def precedence(policy: Object, template: Object) -> tuple[bool, int, int, str]:
    """Return a sort key for policies that select the same template: the policy with the lowest key sends it.

    A PropagationPolicy wins over a ClusterPropagationPolicy, then the higher priority, then the more exact selector,
    then the policy's name (Karmada's documentation of PropagationPolicy).
    """
    priority = int((policy.get("spec") or {}).get("priority") or 0)
    kind, name = policy["kind"], str(policy["metadata"]["name"])
    return (kind != "PropagationPolicy", -priority, -exactness(policy, template), name)


def claimant(policies: Iterable[Object], template: Object) -> Object | None:
    """Return the policy that sends a template which no policy has claimed yet; None where no policy selects it."""
    selecting = [policy for policy in policies if policy["kind"] in POLICIES and selects(policy, template)]
    return min(selecting, key=lambda policy: precedence(policy, template), default=None)
