"""Policies that a stack declares as their author wrote them, and what they mean for one workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.karmada.kinds import Identity

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
    """What it sends, with the namespaces that the manifests have."""
    messages: tuple[str, ...] = ()
    """What the user has to know of these policies."""
