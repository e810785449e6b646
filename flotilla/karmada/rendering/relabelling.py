"""What cluster-wide override policies change of the labels by which the others select.

Karmada chooses the ClusterOverridePolicies of an object by the object as it is sent, applies all of them, and only then
chooses the OverridePolicies of its namespace, by what has become of it (pkg/util/overridemanager,
ApplyOverridePolicies, of 1.10 to 1.18). So one of these may select an object in some clusters, and not in others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from flotilla.karmada.selection import Exactness, exactness

Object = dict[str, Any]

EVERY_LABEL = "*"
"""Stands for all keys, where a patch sets the labels as a whole. It is no label's key."""
_LABELS = "/metadata/labels/"
_WHOLE = frozenset({"", "/metadata", "/metadata/labels"})


def relabelled_by(rules: Iterable[Object]) -> frozenset[str]:
    """Return the keys of the labels that override rules may change; `EVERY_LABEL` among them for all.

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
    """Return how exactly a policy may mean a template, the least exact first, once some of its labels are changed.

    Args:
        policy: of a namespace.
        template: as declared.
        changed: the keys of the labels that may be otherwise (`relabelled_by`).
    """
    spec = policy.get("spec") or {}
    selectors = spec.get("resourceSelectors") or []
    doubtful = [number for number, one in enumerate(selectors) if changed and _asks(one, changed)]
    if not doubtful:
        return [exactness(policy, template)]
    sure = [one for number, one in enumerate(selectors) if number not in doubtful]
    # An empty label selector fits whatever the labels are, and is as exact as any other.
    fitting = [_without(one, changed) for number, one in enumerate(selectors) if number in doubtful]
    least = exactness(_with(policy, sure), template) if sure else Exactness.NOT
    return sorted({least, exactness(_with(policy, sure + fitting), template)})


def _asks(selector: Object, changed: Collection[str]) -> bool:
    """Return whether a selector goes by any of some labels."""
    asked = selector.get("labelSelector") or {}
    keys = {*(asked.get("matchLabels") or {}), *(str(one.get("key")) for one in asked.get("matchExpressions") or [])}
    return not selector.get("name") and bool(keys) and (EVERY_LABEL in changed or not keys.isdisjoint(changed))


def _without(selector: Object, changed: Collection[str]) -> Object:
    """Return a selector without the conditions on labels that may be otherwise."""
    asked = selector.get("labelSelector") or {}
    if EVERY_LABEL in changed:
        return {**selector, "labelSelector": {}}
    labels = {key: value for key, value in (asked.get("matchLabels") or {}).items() if key not in changed}
    others = [one for one in asked.get("matchExpressions") or [] if str(one.get("key")) not in changed]
    return {**selector, "labelSelector": {"matchLabels": labels, "matchExpressions": others}}


def _with(policy: Object, selectors: list[Object]) -> Object:
    return {**policy, "spec": {**(policy.get("spec") or {}), "resourceSelectors": selectors}}
