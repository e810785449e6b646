"""Override policies that a workload has no more, deleted before its rollout is waited for.

An engine deletes what is declared no longer at the end of a run. Until then such a policy would be in force, no copy
would get what is declared now, and the rollout would be waited for in vain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.propagation import DEFINITIONS
from flotilla.karmada.selection import made_by_a_stack, policy_key
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef

OWN, OTHERS = "ownOverrides", "givenOverrides"
"""Among a Rollout's inputs: the override policies that are declared for this workload beside the one that each of its
namespaces always has; all those of the stack that their authors wrote. Each as kind, namespace and name."""


def as_input(policies: Iterable[ObjectRef]) -> list[list[str]]:
    """Return references to override policies as a Rollout's inputs have them."""
    return sorted(list(policy_key(policy)) for policy in policies)


def overrides_left(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[ObjectRef]:
    """Return the override policies that a workload had and that the stack declares no more.

    Args:
        olds: the inputs of its Rollout before.
        news: those of now.
    """
    name = str(news.get("policy") or news["workload"])
    always = {name, name + DEFINITIONS, *map(str, (news.get("policies") or {}).values())}
    declared = {tuple(one) for key in (OWN, OTHERS) for one in news.get(key) or ()}
    gone = [tuple(one) for one in olds.get(OWN) or () if tuple(one) not in declared]
    return [ObjectRef(POLICY_API, kind, called, within) for kind, within, called in gone if called not in always]


def withdraw_overrides(connection: Connection, policies: Iterable[ObjectRef]) -> None:
    """Delete override policies, where they are there and a stack has made them.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    for policy in policies:
        live = connection.find(policy)
        if live is not None and made_by_a_stack(live):
            connection.delete(policy, propagation="Background", uid=live["metadata"].get("uid"))
