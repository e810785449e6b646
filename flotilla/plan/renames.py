"""Members that get another name: one cluster, by its ID, that joins under the new name and leaves under the former one.

Karmada can't rename a Cluster, so that there are two of them for a while; the copies pass from one to the other and
stay as they are (`flotilla.karmada.joining.renaming`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.plan.steps import GOING, Op, Step
from flotilla.state.checkpoint import ResourceState


@dataclass(frozen=True)
class Renamed:
    """A member under another name."""

    name: str
    former: str
    declared: bool
    """The stack says so (`formerly`): both are one resource."""
    mode: str = ""
    """The other mode that the member is to have as well; empty where it keeps the one that it has."""

    @property
    def keeps_copies(self) -> bool:
        """Its copies pass to the new name; else they are deleted and made anew, and the plan is refused."""
        return self.declared and not self.mode

    @property
    def text(self) -> str:
        """What a plan says of it."""
        copies = "its copies stay" if self.keeps_copies else "its copies are deleted and made anew"
        return f"formerly {self.former}: {copies}"


def renamed_members(steps: list[Step]) -> list[Renamed]:
    """Find the members that leave under one name and join under another.

    Args:
        steps: of Clusters alone.
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
    """Return one message for each rename that the stack file does not declare, or that can't be made."""
    return tuple(_refusal(one) for one in renamed if not one.keeps_copies)


def present_names(renamed: list[Renamed]) -> dict[str, str]:
    """Return the present name by the former one, of the members whose copies pass to it."""
    return {one.former: one.name for one in renamed if one.keeps_copies}


def _refusal(one: Renamed) -> str:
    if one.mode:
        return (
            f"member {one.name} is the cluster that has joined as {one.former}, and it would join in "
            f"{one.mode.lower()} mode instead: with another name and another mode at once, its copies would be deleted "
            "and made anew; keep the mode in this run, and change it in the next one"
        )
    return (
        f"member {one.name} is the cluster that has joined as {one.former}: as it stands, it would leave and join, and "
        f"its copies would be deleted and made anew; add `formerly: {one.former}` to {one.name}, and they stay"
    )


def _name(state: ResourceState) -> str:
    return str((state.plain.get("metadata") or {}).get("name") or "")


def _id(state: ResourceState | None) -> Any:
    return (state.plain.get("spec") or {}).get("id") if state else None


def _mode(state: ResourceState) -> str:
    return str((state.plain.get("spec") or {}).get("syncMode") or "")
