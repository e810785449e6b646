"""Renamed members: one cluster, with the same ID, joins under the new name and leaves under the former one.

Karmada can't rename a Cluster, so both exist for a while; the copies pass from one to the other and stay as they are
(`flotilla.karmada.joining.renaming`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.plan.steps import GOING, Op, Step
from flotilla.state.checkpoint import ResourceState


@dataclass(frozen=True)
class Renamed:
    """A member under a new name."""

    name: str
    former: str
    declared: bool
    """The stack declares the rename (`formerly`): both Clusters are one resource."""
    mode: str = ""
    """The new mode, if the member changes its mode too; empty where it keeps its mode."""

    @property
    def keeps_copies(self) -> bool:
        """Whether its copies pass to the new name; otherwise they would be deleted and created again: refused."""
        return self.declared and not self.mode

    @property
    def text(self) -> str:
        """The description in a plan."""
        copies = "its copies stay" if self.keeps_copies else "its copies are deleted and created again"
        return f"formerly {self.former}: {copies}"


def renamed_members(steps: list[Step]) -> list[Renamed]:
    """Find the members that leave under one name and join under another.

    Args:
        steps: the steps of Clusters only.
    """
    leaving = {_id(step.old): step.old for step in steps if step.op in GOING and step.old}
    found = []
    for step in steps:
        if step.op not in (Op.CREATE, Op.CREATE_REPLACEMENT) or step.new is None:
            continue
        declared = step.op is Op.CREATE_REPLACEMENT
        old = step.old if declared else leaving.get(_id(step.new))
        name, former = _name(step.new), _name(old) if old else ""
        if old and former != name and isinstance(_id(step.new), str) and _id(old) == _id(step.new):
            mode = _mode(step.new)
            found.append(Renamed(name, former, declared, mode if mode != _mode(old) else ""))
    return found


def refused_renames(renamed: list[Renamed]) -> tuple[str, ...]:
    """Return a message for each rename that the stack file does not declare, or that is impossible."""
    return tuple(_refusal(one) for one in renamed if not one.keeps_copies)


def present_names(renamed: list[Renamed]) -> dict[str, str]:
    """Return the new name by the former name, for the members whose copies pass to the new name."""
    return {one.former: one.name for one in renamed if one.keeps_copies}


def _refusal(one: Renamed) -> str:
    if one.mode:
        return (
            f"member {one.name} is the cluster that has joined as {one.former}, and it would join in "
            f"{one.mode.lower()} mode instead: with another name and another mode at once, its copies would be deleted "
            "and created again; keep the mode in this run, and change it in the next one"
        )
    return (
        f"member {one.name} is the cluster that has joined as {one.former}: as it stands, it would leave and join, and "
        f"its copies would be deleted and created again; add `formerly: {one.former}` to {one.name}, and they stay"
    )


def _name(state: ResourceState) -> str:
    return str((state.plain.get("metadata") or {}).get("name") or "")


def _id(state: ResourceState | None) -> Any:
    return (state.plain.get("spec") or {}).get("id") if state else None


def _mode(state: ResourceState) -> str:
    return str((state.plain.get("spec") or {}).get("syncMode") or "")
