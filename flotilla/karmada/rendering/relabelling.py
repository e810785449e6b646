"""Which labels cluster-wide override policies may change, and what other policies then select.

Karmada first chooses the ClusterOverridePolicies for an object and applies all of them. Only then it chooses the
OverridePolicies of the object's namespace, and these select by the changed labels (pkg/util/overridemanager,
ApplyOverridePolicies, 1.10 to 1.18). So an OverridePolicy may select an object in some clusters and not in others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from flotilla.karmada.selection import Exactness, exactness

Object = dict[str, Any]

EVERY_LABEL = "*"
"""Stands for all keys, where a patch replaces the labels as a whole. It isn't a valid label key."""
_LABELS = "/metadata/labels/"
_WHOLE = frozenset({"", "/metadata", "/metadata/labels"})


def relabelled_by(rules: Iterable[Object]) -> frozenset[str]:
    """Return the keys of the labels that override rules may change; with `EVERY_LABEL` if they may change all.

    Args:
        rules: RuleWithCluster objects.
    """
    found: set[str] = set()
    for rule in rules:
        overriders = rule.get("overriders") or {}
        for one in overriders.get("labelsOverrider") or []:
            found |= set(one.get("value") or {})
        for key, place in (("plaintext", "path"), ("fieldOverrider", "fieldPath")):
            for one in overriders.get(key) or []:
                path = str(one.get(place) or "")
                if path in _WHOLE:
                    found.add(EVERY_LABEL)
                elif path.startswith(_LABELS):
                    found.add(path.removeprefix(_LABELS).partition("/")[0].replace("~1", "/").replace("~0", "~"))
    return frozenset(found)


def possible_exactness(policy: Object, template: Object, changed: Collection[str]) -> list[Exactness]:
    """Return how exactly a policy may select a template once some of its labels are changed, the least exact first.

    Args:
        policy: an OverridePolicy.
        template: the declared template.
        changed: the keys of the labels that may change (`relabelled_by`).
    """
    spec = policy.get("spec") or {}
    selectors = spec.get("resourceSelectors") or []
    uncertain = [number for number, one in enumerate(selectors) if changed and _depends_on(one, changed)]
    if not uncertain:
        return [exactness(policy, template)]
    sure = [one for number, one in enumerate(selectors) if number not in uncertain]
    # An empty label selector matches any labels, and counts as exact as any other label selector.
    fitting = [_without(one, changed) for number, one in enumerate(selectors) if number in uncertain]
    least = exactness(_with(policy, sure), template) if sure else Exactness.NOT
    return sorted({least, exactness(_with(policy, sure + fitting), template)})


def _depends_on(selector: Object, changed: Collection[str]) -> bool:
    """Return whether a selector depends on any of some labels."""
    asked = selector.get("labelSelector") or {}
    keys = {*(asked.get("matchLabels") or {}), *(str(one.get("key")) for one in asked.get("matchExpressions") or [])}
    return not selector.get("name") and bool(keys) and (EVERY_LABEL in changed or not keys.isdisjoint(changed))


def _without(selector: Object, changed: Collection[str]) -> Object:
    """Return a selector without its conditions on labels that may change."""
    asked = selector.get("labelSelector") or {}
    if EVERY_LABEL in changed:
        return {**selector, "labelSelector": {}}
    labels = {key: value for key, value in (asked.get("matchLabels") or {}).items() if key not in changed}
    others = [one for one in asked.get("matchExpressions") or [] if str(one.get("key")) not in changed]
    return {**selector, "labelSelector": {"matchLabels": labels, "matchExpressions": others}}


def _with(policy: Object, selectors: list[Object]) -> Object:
    return {**policy, "spec": {**(policy.get("spec") or {}), "resourceSelectors": selectors}}
