"""Policies that a stack declares as their author wrote them, and what they mean for one workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.karmada.kinds import Identity, identity

Object = dict[str, Any]


@dataclass(frozen=True)
class GivenPolicies:
    """The part of them that one workload has: one policy that sends objects, and the overrides that reach these."""

    sender: Object
    """The PropagationPolicy or ClusterPropagationPolicy that sends the workload's objects."""
    overrides: tuple[Object, ...] = ()
    """The override policies that reach any of them."""
    declares: tuple[Object, ...] = ()
    """The policies that this workload declares; it needs the others of other workloads."""
    objects: frozenset[Identity] = frozenset()
    """What it declares, with the namespaces that the manifests have."""
    followers: tuple[Object, ...] = ()
    """The objects that no policy selects, and that follow those that `sender` sends (propagateDeps), with their
    namespaces. Each is declared by one of the parts whose objects use it."""
    messages: tuple[str, ...] = ()
    """What the user has to know of these policies."""

    def follows(self, obj: Object) -> bool:
        """Tell whether an object, with its namespace, follows others and is selected by no policy."""
        return identity(obj) in {identity(one) for one in self.followers}
