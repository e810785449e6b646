"""Members that get another name: one cluster, by its ID, that leaves and joins in the same plan.

Karmada can't rename a Cluster. Its Works are named after it, so that a Cluster that leaves takes its copies along; what
would keep them (`preserveResourcesOnDeletion`, Karmada 1.12 and newer) takes Karmada's marks off them, and the new
Cluster then refuses to take over what isn't marked (docs/decisions/names-of-templates.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.plan.steps import GOING, Op, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import reveal


@dataclass(frozen=True)
class Renamed:
    """A member under another name."""

    name: str
    former: str
    declared: bool
    """The stack says so (`formerly`): both are one resource."""


def renamed_members(steps: list[Step]) -> list[Renamed]:
    """Find the members that leave under one name and join under another.

    Args:
        steps: of Clusters alone.
    """
    leaving = {_id(step.old): _name(step.old) for step in steps if step.op in GOING and step.old}
    found = []
    for step in steps:
        if step.op not in (Op.CREATE, Op.CREATE_REPLACEMENT) or step.new is None:
            continue
        name, declared = _name(step.new), step.op is Op.CREATE_REPLACEMENT
        former = _name(step.old) if declared and step.old else leaving.get(_id(step.new), "")
        if former and former != name and isinstance(_id(step.new), str):
            found.append(Renamed(name, former, declared))
    return found


def refused_renames(renamed: list[Renamed]) -> tuple[str, ...]:
    """Return one message for each rename that the stack file does not declare."""
    return tuple(
        f"member {one.name} is the cluster that has joined as {one.former}, and Karmada can't rename a Cluster: it "
        f"would leave and join, and its copies would be deleted and made anew; keep the name {one.former}, or add "
        f"`formerly: {one.former}` to {one.name}"
        for one in renamed
        if not one.declared
    )


def _name(state: ResourceState) -> str:
    return str((reveal(state.inputs).get("metadata") or {}).get("name") or "")


def _id(state: ResourceState | None) -> Any:
    return (reveal(state.inputs).get("spec") or {}).get("id") if state else None
