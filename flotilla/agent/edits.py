"""Changes of a stack file that an agent may ask for. They keep the rest of the file's text as it is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from flotilla.agent.tool import Arguments, Refused
from flotilla.stack.editing import Unreadable, round_trip

_WORKLOADS = "flotilla:workloads"
# The keys of a placement that choose clusters by other things than their names. A move removes them.
_CONDITIONS = ("labels", "providers", "regions", "zones", "exclude")


class MoveFields(Arguments):
    """The workload to move, and its new clusters."""

    workload: str = Field(description="The workload's name in the stack file.")
    clusters: list[str] = Field(
        min_length=1, max_length=1000, description="All clusters that must run it; no others will."
    )


class ScaleFields(Arguments):
    """The workload to scale, and its replicas."""

    workload: str = Field(description="The workload's name in the stack file.")
    replicas: int = Field(ge=0, le=10_000, description="Replicas: in each cluster, or divided among them, as declared.")


class Move(MoveFields):
    """Run a workload on other clusters."""

    kind: Literal["move"] = "move"


class Scale(ScaleFields):
    """Give a workload another number of replicas."""

    kind: Literal["scale"] = "scale"


class BackFields(Arguments):
    """The update to go back to."""

    to: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="The update's number in `flotilla history`. By default the newest one before the current one that "
        "succeeded and declared something else.",
    )


class Back(BackFields):
    """Go back to what an earlier update declared; the stack file stays as it is."""

    kind: Literal["rollback"] = "rollback"


Edit = Annotated[Move | Scale | Back, Field(discriminator="kind")]


def edited(text: str, edit: Move | Scale) -> str:
    """Return a stack file's text with a change. Comments, order and quotes stay.

    Raises:
        Refused: the file has no such workload, or the workload can't be changed in this way.
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
        raise Refused("the stack file isn't valid YAML", hint="call validate_stack to see where") from None


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
            f"workload {edit.workload!r} has manifest files: its replicas are written there",
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
