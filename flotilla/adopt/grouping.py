"""Groups templates and policies into workloads of the stack: the objects that one policy sends, with their overrides.

Policies that select the same template stay together: a stack can't declare that a policy of one workload also applies
to another workload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla.karmada.kinds import Identity, identity
from flotilla.karmada.selection import (
    OVERRIDES,
    POLICIES,
    POLICY_ID_LABELS,
    POLICY_NAME_ANNOTATIONS,
    POLICY_NAMESPACE_ANNOTATION,
    claimant,
    selects,
)
from flotilla.kube.objects import Object


@dataclass(frozen=True)
class Group:
    """Templates that share policies."""

    senders: tuple[Object, ...]
    """The policies that send its templates, in order of name."""
    others: tuple[Object, ...]
    """All other policies that select any of the templates: overrides, and competing policies."""
    templates: tuple[Object, ...]

    @property
    def policies(self) -> tuple[Object, ...]:
        """Every policy of the group."""
        return (*self.senders, *self.others)

    @property
    def overrides(self) -> list[Object]:
        """The override policies of its templates."""
        return [policy for policy in self.others if policy["kind"] in OVERRIDES]

    @property
    def namespaces(self) -> list[str]:
        """The namespaces of the templates; '' for templates without one."""
        return sorted({str(one["metadata"].get("namespace") or "") for one in self.templates})


def is_claimed(template: Object) -> bool:
    """Return whether a policy has claimed a template."""
    labels = template["metadata"].get("labels") or {}
    return any(labels.get(key) for key in POLICY_ID_LABELS.values())


def sender_of(template: Object, policies: Iterable[Object]) -> Object | None:
    """Return the policy that sends a template: the one that has claimed it, otherwise the one that would claim it.

    Returns None where no policy selects it, or the policy that has claimed it doesn't exist any more.
    """
    listed = [policy for policy in policies if policy["kind"] in POLICIES]
    if not is_claimed(template):
        return claimant(listed, template)
    meta = template["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    for kind, key in POLICY_ID_LABELS.items():
        if not labels.get(key):
            continue
        for policy in listed:
            if policy["kind"] == kind and (policy["metadata"].get("labels") or {}).get(key) == labels[key]:
                return policy
        name = annotations.get(POLICY_NAME_ANNOTATIONS[kind])
        namespace = annotations.get(POLICY_NAMESPACE_ANNOTATION, "") if kind == "PropagationPolicy" else ""
        for policy in listed:
            own = policy["metadata"]
            if (policy["kind"], own["name"], own.get("namespace") or "") == (kind, name, namespace):
                return policy
    return None


def groups_of(sent: list[tuple[Object, Object]], policies: list[Object]) -> list[Group]:
    """Return the workloads for some templates, in the order of their policies' names.

    Args:
        sent: each template with the policy that sends it.
        policies: all existing policies.
    """
    joined = _Joined()
    by_key = {identity(policy): policy for policy in policies}
    for template, sender in sent:
        for policy in policies:
            if selects(policy, template):
                joined.join(identity(sender), identity(policy))
    members: dict[Identity, list[tuple[Object, Object]]] = {}
    for template, sender in sent:
        members.setdefault(joined.root(identity(sender)), []).append((template, sender))
    return sorted((_group(pairs, root, joined, by_key) for root, pairs in members.items()), key=_order)


def _group(
    pairs: list[tuple[Object, Object]], root: Identity, joined: _Joined, policies: Mapping[Identity, Object]
) -> Group:
    senders = {identity(sender): sender for _, sender in pairs}
    others = [policy for key, policy in policies.items() if key not in senders and joined.root(key) == root]
    return Group(
        tuple(senders[key] for key in sorted(senders, key=_by_name)),
        tuple(sorted(others, key=lambda one: _by_name(identity(one)))),
        tuple(template for template, _ in pairs),
    )


def _order(group: Group) -> tuple[str, ...]:
    return _by_name(identity(group.senders[0]))


def _by_name(key: Identity) -> tuple[str, ...]:
    return (key[3], key[2], key[1])


class _Joined:
    """The policies that have a template in common, directly or through other policies."""

    def __init__(self) -> None:
        self._parent: dict[Identity, Identity] = {}

    def root(self, key: Identity) -> Identity:
        while self._parent.get(key, key) != key:
            key = self._parent[key]
        return key

    def join(self, one: Identity, other: Identity) -> None:
        self._parent[self.root(one)] = self.root(other)


def merged(groups: Iterable[Group]) -> Group:
    """Return several groups as one."""
    listed = list(groups)
    return Group(
        tuple(policy for group in listed for policy in group.senders),
        tuple(policy for group in listed for policy in group.others),
        tuple(template for group in listed for template in group.templates),
    )
