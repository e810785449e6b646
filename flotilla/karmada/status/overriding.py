"""Override policies that a workload no longer has: they are deleted before the wait for its rollout.

An engine deletes resources that are no longer declared at the end of a run. Until then such a policy would still apply,
no copy would match the declaration, and the rollout would wait without success.
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
"""Keys of a Rollout's inputs.

`OWN` lists this workload's override policies, except those that each of its namespaces always has. `OTHERS` lists the
override policies of the whole stack that users wrote as such. Each policy is listed as kind, namespace and name."""


def as_input(policies: Iterable[ObjectRef]) -> list[list[str]]:
    """Return references to override policies in the form of a Rollout's inputs."""
    return sorted(list(policy_key(policy)) for policy in policies)


def removed_overrides(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[ObjectRef]:
    """Return the override policies that a workload had and that the stack no longer declares.

    Args:
        olds: the previous inputs of its Rollout.
        news: the current inputs of its Rollout.
    """
    shared = str(news.get("policy") or news["workload"])
    always = {shared, shared + DEFINITIONS, *map(str, (news.get("policies") or {}).values())}
    declared = {tuple(one) for key in (OWN, OTHERS) for one in news.get(key) or ()}
    gone = [tuple(one) for one in olds.get(OWN) or () if tuple(one) not in declared]
    return [ObjectRef(POLICY_API, kind, name, namespace) for kind, namespace, name in gone if name not in always]


def withdraw_overrides(connection: Connection, policies: Iterable[ObjectRef]) -> None:
    """Delete those override policies that exist and that a stack has made.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    for policy in policies:
        live = connection.find(policy)
        if live is not None and made_by_a_stack(live):
            connection.delete(policy, propagation="Background", uid=live["metadata"].get("uid"))
