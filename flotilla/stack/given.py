"""Policies that users wrote and a stack declares unchanged, and what they mean for one workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.karmada.kinds import Identity, identity

Object = dict[str, Any]


@dataclass(frozen=True)
class GivenPolicies:
    """The policies for one workload: the one that sends its objects, and the overrides that apply to these objects."""

    sender: Object
    """The PropagationPolicy or ClusterPropagationPolicy that sends the workload's objects."""
    overrides: tuple[Object, ...] = ()
    """The override policies that apply to any of the objects."""
    declares: tuple[Object, ...] = ()
    """The policies that this workload declares; other workloads declare the other policies that it needs."""
    objects: frozenset[Identity] = frozenset()
    """The objects that it declares, with the namespaces of the manifests."""
    followers: tuple[Object, ...] = ()
    """The objects that no policy selects and that follow those that `sender` sends (propagateDeps), with their
    namespaces. Each is declared by one of the parts whose objects use it."""
    messages: tuple[str, ...] = ()
    """Messages to the user about these policies."""

    def follows(self, obj: Object) -> bool:
        """Return whether an object, given with its namespace, follows others and is selected by no policy."""
        return identity(obj) in {identity(one) for one in self.followers}
