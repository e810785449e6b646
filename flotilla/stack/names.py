"""Checks names that are valid alone but collide with each other in the state or in Karmada."""

from __future__ import annotations

from flotilla.karmada.kinds import namespace_of
from flotilla.kube.objects import Object
from flotilla.stack.problems import Problem
from flotilla.stack.workloads import Workload

_PARTS = ("-agent", "-impersonator")
"""Suffixes of resource names of one member that can equal the name of another member's resource."""


def check_member_names(members: list[tuple[int, str]], others: set[str], stack: str) -> list[Problem]:
    """Check members by position and name; `others` are the members of another stack on the same Karmada."""
    problems = []
    known = {name for _, name in members}
    for index, name in members:
        where = f"members[{index}].name"
        if name in others:
            rule = f"is a member of stack {stack} too"
            remedy = "rename it, or leave it to that stack"
            problems.append(
                Problem(
                    where, rule, "two stacks would overwrite each other's changes of one Cluster", remedy, f'"{name}"'
                )
            )
        owner = next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), None)
        if owner in known:
            rule = f"is the name of resources of member {owner!r}"
            why = "two resources would have one name in the state"
            problems.append(Problem(where, rule, why, "rename one of the two members", f'"{name}"'))
    return problems


class ObjectNames:
    """The names of workloads' objects in states of older versions: workload, kind and name joined.

    Only objects in the workload's own namespace, or without a namespace, can be in such a state.
    """

    def __init__(self) -> None:
        """Start without names."""
        self._owners: dict[tuple[str, str, str], tuple[str, str]] = {}

    def check(self, where: str, workload: Workload, obj: Object) -> list[Problem]:
        """Record an object of a manifest; return a problem where another object has the same name in the state."""
        if namespace_of(obj, workload.namespace) not in ("", workload.namespace):
            return []
        kind, name = str(obj["kind"]), str(obj["metadata"]["name"])
        called = f"{workload.name}-{kind.lower()}-{name}"
        owner = self._owners.setdefault((str(obj["apiVersion"]), kind, called), (workload.name, name))
        if owner[0] == workload.name:
            return []
        rule = f"{kind} {name} would be called {called} in the state, as {kind} {owner[1]} of workload {owner[0]!r} is"
        return [Problem(where, rule, "one would replace the other", "rename one of the workloads")]
