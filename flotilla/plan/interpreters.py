"""The kinds among a plan's objects that custom interpreters of the control plane interpret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flotilla.karmada.kinds import GroupKind, group_of
from flotilla.kube.objects import Object

_OPERATIONS = {"replicaResource": "InterpretReplica", "dependencyInterpretation": "InterpretDependency"}
"""The operation in a webhook's rule that corresponds to a customization."""


def interpreted_kinds(
    objects: Iterable[Object], rule: str = "replicaResource", *, asked: Iterable[GroupKind] = ()
) -> frozenset[GroupKind]:
    """Return the kinds for which an interpreter among these objects has a rule.

    Args:
        objects: objects, such as ResourceInterpreterCustomizations and ResourceInterpreterWebhookConfigurations.
        rule: the customization: `replicaResource`, which reads replicas, or `dependencyInterpretation`.
        asked: the kinds in question: a webhook may apply to every kind of a group, or of all groups.
    """
    kinds, found = set(asked), set()
    for obj in objects:
        if obj.get("kind") == "ResourceInterpreterWebhookConfiguration":
            found |= {kind for kind in kinds if any(_reads(one, _OPERATIONS[rule], kind) for one in _rules(obj))}
        spec = obj.get("spec")
        if obj.get("kind") != "ResourceInterpreterCustomization" or not isinstance(spec, dict):
            continue
        target, rules = spec.get("target") or {}, spec.get("customizations") or {}
        if rules.get(rule):
            found.add((group_of(str(target.get("apiVersion"))), str(target.get("kind"))))
    return frozenset(found)


def _rules(configuration: Object) -> Iterator[Object]:
    """Yield the rules of all webhooks of a ResourceInterpreterWebhookConfiguration."""
    webhooks = configuration.get("webhooks")
    for webhook in webhooks if isinstance(webhooks, list) else []:
        rules = webhook.get("rules") if isinstance(webhook, dict) else None
        yield from (rule for rule in (rules if isinstance(rules, list) else []) if isinstance(rule, dict))


def _reads(rule: Object, operation: str, kind: GroupKind) -> bool:
    """Return whether a webhook's rule applies to an operation on a kind (config/v1alpha1, RuleWithOperations)."""

    def covers(key: str, value: str) -> bool:
        listed = rule.get(key)
        return isinstance(listed, list) and ("*" in listed or value in listed)

    return covers("operations", operation) and covers("apiGroups", kind[0]) and covers("kinds", kind[1])
