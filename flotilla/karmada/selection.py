"""Which templates a policy means (policy/v1alpha1, ResourceSelector)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.scheduling import labels_match
from flotilla.kube.objects import Object

POLICY_ID_LABELS = {
    "PropagationPolicy": "propagationpolicy.karmada.io/permanent-id",
    "ClusterPropagationPolicy": "clusterpropagationpolicy.karmada.io/permanent-id",
}
"""The label by which a policy of each kind claims a template."""
POLICY_NAME_ANNOTATIONS = {
    "PropagationPolicy": "propagationpolicy.karmada.io/name",
    "ClusterPropagationPolicy": "clusterpropagationpolicy.karmada.io/name",
}
"""The annotation of a template that names the policy of each kind that has claimed it."""
POLICY_NAMESPACE_ANNOTATION = "propagationpolicy.karmada.io/namespace"
"""The annotation of a template that names the namespace of the PropagationPolicy that has claimed it."""
POLICIES = tuple(POLICY_ID_LABELS)
"""The kinds of policies that send templates."""
OVERRIDES = ("OverridePolicy", "ClusterOverridePolicy")
"""The kinds of policies that make templates differ by cluster."""


def is_policy(obj: Object) -> bool:
    """Tell whether an object is one of Karmada's policies that send templates, or make them differ by cluster."""
    return obj["apiVersion"] == POLICY_API and obj["kind"] in (*POLICIES, *OVERRIDES)


def claim_annotations(policy: Object) -> dict[str, str]:
    """Return the annotations of a template that a policy has claimed."""
    kind, meta = policy["kind"], policy["metadata"]
    within = {POLICY_NAMESPACE_ANNOTATION: meta["namespace"]} if kind == "PropagationPolicy" else {}
    return {POLICY_NAME_ANNOTATIONS[kind]: meta["name"], **within}


def precedence(policy: Object, selector: dict[str, Any]) -> tuple[bool, int, int, str]:
    """Return by what policies that want one template are ordered, the winner first.

    A PropagationPolicy goes before a cluster-wide one; then the higher priority; then a match by name before one by
    label before one by kind; then the policy's name (Karmada's documentation of PropagationPolicy).

    Args:
        policy: the policy.
        selector: the one of its selectors that means the template.
    """
    exactness = 0 if selector.get("name") else 1 if selector.get("labelSelector") else 2
    priority = int((policy.get("spec") or {}).get("priority") or 0)
    return (policy["kind"] != "PropagationPolicy", -priority, exactness, str(policy["metadata"]["name"]))


def claimant(policies: Iterable[Object], template: Object) -> Object | None:
    """Return the policy that sends a template which none has claimed yet; None where no policy means it."""
    ranked = [
        (precedence(policy, selector), number, policy)
        for number, policy in enumerate(policies)
        if policy["kind"] in POLICIES
        for selector in (policy.get("spec") or {}).get("resourceSelectors") or []
        if _selects(selector, template, policy["metadata"].get("namespace"))
    ]
    return min(ranked, key=lambda one: one[:2])[2] if ranked else None


def selects(policy: Object, template: Object) -> bool:
    """Tell whether any selector of a policy means a template; a namespaced policy reaches its own namespace alone.

    An override policy without selectors is for every template that it reaches (policy/v1alpha1, OverrideSpec).
    """
    within = policy["metadata"].get("namespace")
    selectors = (policy.get("spec") or {}).get("resourceSelectors") or []
    if not selectors and policy.get("kind") in OVERRIDES:
        return not within or bool(template["metadata"].get("namespace") == within)
    return any(_selects(selector, template, within) for selector in selectors)


def _selects(selector: dict[str, Any], template: Object, within: str | None) -> bool:
    meta = template["metadata"]
    namespace = within or selector.get("namespace")
    if (selector.get("apiVersion"), selector.get("kind")) != (template["apiVersion"], template["kind"]):
        return False
    if namespace and meta.get("namespace") != namespace:
        return False
    if selector.get("name"):
        return bool(selector["name"] == meta["name"])
    return labels_match(meta.get("labels") or {}, selector.get("labelSelector") or {})
