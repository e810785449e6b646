"""Changes of a stack file that an agent may ask for: as text, with everything else in the file left as it is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from flotilla.agent.tool import Arguments, Refused
from flotilla.stack.editing import Unreadable, round_trip

_WORKLOADS = "flotilla:workloads"
# What chooses clusters in a placement, besides their names: after a move only the names do.
_CONDITIONS = ("labels", "providers", "regions", "zones", "exclude")


class MoveFields(Arguments):
    """Which workload, and where to."""

    workload: str = Field(description="The workload's name in the stack file.")
    clusters: list[str] = Field(
        min_length=1, max_length=1000, description="The clusters that must run it, and no others."
    )


class ScaleFields(Arguments):
    """Which workload, and how many replicas."""

    workload: str = Field(description="The workload's name in the stack file.")
    replicas: int = Field(ge=0, le=10_000, description="Replicas: in each cluster, or divided among them, as declared.")


class Move(MoveFields):
    """Run a workload on other clusters."""

    kind: Literal["move"] = "move"


class Scale(ScaleFields):
    """Give a workload another number of replicas."""

    kind: Literal["scale"] = "scale"


class BackFields(Arguments):
    """Which earlier update."""

    to: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="The update's number in `flotilla history`. By default the newest one before the current one that "
        "ended well and declared something else.",
    )


class Back(BackFields):
    """Go back to what an earlier update declared; the stack file stays as it is."""

    kind: Literal["rollback"] = "rollback"


Edit = Annotated[Move | Scale | Back, Field(discriminator="kind")]


def edited(text: str, edit: Move | Scale) -> str:
    """Return a stack file's text with the change in it; comments, order and quotes stay.

    Raises:
        Refused: the file has no such workload, or one that can't be changed so.
    """

    def change(document: Any) -> None:
        workload = _workload(document, edit.workload)
        if isinstance(edit, Scale):
            _scale(workload, edit)
        else:
            _move(workload, edit)

    try:
        return round_trip(text, change)
    except Unreadable:
        raise Refused("the stack file isn't valid YAML", hint="validate_stack says where") from None


def _workload(document: Any, name: str) -> Any:
    entries = (document.get("config") or {}).get(_WORKLOADS) or []
    for entry in entries:
        if entry.get("name") == name:
            return entry
    known = ", ".join(str(entry.get("name")) for entry in entries) or "none"
    raise Refused(f"the stack declares no workload {name!r}", hint=f"it declares {known}")


def _scale(workload: Any, edit: Scale) -> None:
    if workload.get("manifests"):
        raise Refused(
            f"workload {edit.workload!r} is made of manifest files: its replicas stand there",
            hint="change the manifest, or use the short form with `image` and `replicas`",
        )
    workload["replicas"] = edit.replicas


def _move(workload: Any, edit: Move) -> None:
    placement = workload.get("placement")
    if placement is None:
        workload["placement"] = {"clusters": edit.clusters}
        return
    for condition in _CONDITIONS:
        placement.pop(condition, None)
    placement["clusters"] = edit.clusters
    weights = placement.get("weights")
    if weights:
        for name in [name for name in weights if name not in edit.clusters]:
            del weights[name]
        for name in edit.clusters:
            weights.setdefault(name, 1)
