"""Which templates a policy means (policy/v1alpha1, ResourceSelector)."""

from __future__ import annotations

from typing import Any

from flotilla.kube.objects import Object

POLICY_ID_LABELS = (
    "propagationpolicy.karmada.io/permanent-id",
    "clusterpropagationpolicy.karmada.io/permanent-id",
)
"""Labels by which a policy claims a template."""


def selects(policy: Object, template: Object) -> bool:
    """Tell whether any selector of a policy means a template; a namespaced policy reaches its own namespace alone."""
    within = policy["metadata"].get("namespace")
    return any(
        _selects(selector, template, within) for selector in (policy.get("spec") or {}).get("resourceSelectors") or []
    )


def _selects(selector: dict[str, Any], template: Object, within: str | None) -> bool:
    meta = template["metadata"]
    namespace = within or selector.get("namespace")
    if (selector.get("apiVersion"), selector.get("kind")) != (template["apiVersion"], template["kind"]):
        return False
    if namespace and meta.get("namespace") != namespace:
        return False
    if selector.get("name"):
        return bool(selector["name"] == meta["name"])
    labels = meta.get("labels") or {}
    wanted = selector.get("labelSelector") or {}
    return all(labels.get(key) == value for key, value in (wanted.get("matchLabels") or {}).items()) and all(
        _expression_holds(labels, expression) for expression in wanted.get("matchExpressions") or []
    )


def _expression_holds(labels: dict[str, str], expression: dict[str, Any]) -> bool:
    value, listed = labels.get(expression["key"]), expression.get("values") or []
    return {
        "In": value in listed,
        "NotIn": value not in listed,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[str(expression["operator"])]
