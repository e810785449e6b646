"""The steps of a deployment: operations on single resources, their progress and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flotilla.karmada.waves.record import Record
from flotilla.kube.objects import Object, ObjectRef
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change
from flotilla.state.urns import name_of
from flotilla.state.values import mask


class Op(StrEnum):
    """Operations, by Pulumi's names."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    DISCARD = "discard"
    REFRESH = "refresh"
    IMPORT = "import"
    ADOPT = "adopt"
    """An existing object becomes the stack's. Only the embedded engine has this; Pulumi has no name for it."""


CHANGING = frozenset(Op) - {Op.SAME, Op.READ, Op.DISCARD, Op.REFRESH}
"""Operations that count as changes."""
GOING = frozenset({Op.DELETE, Op.DELETE_REPLACED})
"""Operations that delete a resource without creating another one in the same step."""


@dataclass(frozen=True)
class Step:
    """One operation on one resource."""

    op: Op
    urn: str
    type: str
    provider: str = ""
    changes: tuple[Change, ...] = ()
    old: ResourceState | None = None
    new: ResourceState | None = None
    detail: str = ""

    @property
    def name(self) -> str:
        """The resource's name."""
        return name_of(self.urn)

    @property
    def before(self) -> ResourceState | None:
        """The resource before the step; None where there was none."""
        return None if self.op is Op.CREATE else self.old

    @property
    def after(self) -> ResourceState | None:
        """The resource after the step; None where it was deleted."""
        return None if self.op in GOING else self.new or self.old

    def to_json(self) -> dict[str, Any]:
        """Return the step in its JSON form, with secrets masked."""
        body: dict[str, Any] = {"op": str(self.op), "urn": self.urn, "type": self.type, "name": self.name}
        if self.changes:
            body["changes"] = [
                {
                    "path": change.text,
                    "kind": f"{change.kind}-replace" if change.replaces else str(change.kind),
                    "old": mask(change.old),
                    "new": mask(change.new),
                }
                for change in self.changes
            ]
        if self.detail:
            body["detail"] = self.detail
        return body


def stays(step: Step) -> bool:
    """Return whether a step leaves its resource unchanged; an adoption may do that too."""
    return step.op is Op.SAME or (step.op is Op.ADOPT and not step.changes)


class Phase(StrEnum):
    """The phase of a step."""

    BEGIN = "begin"
    WAITING = "waiting"
    """The step is running, and reports what it waits for."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class StepEvent:
    """A step's progress, as it happens."""

    phase: Phase
    step: Step
    seconds: float = 0.0
    error: str = ""
    said: str = ""
    """A text about what it waits for."""


Listener = Callable[[StepEvent], None]


@dataclass(frozen=True)
class There:
    """An existing object that a plan would create: `up` stops there unless it adopts the object."""

    cluster: str
    object: str
    """Kind, namespace and name."""
    part: str
    """The member, the workload or the like that declares it."""
    managers: tuple[str, ...] = ()
    """The field managers that have written its fields, by name in the API server."""

    def to_json(self) -> dict[str, Any]:
        """Return the object in its JSON form."""
        return {"cluster": self.cluster, "object": self.object, "part": self.part, "managers": list(self.managers)}


@dataclass
class Result:
    """The result of a whole operation, done or planned."""

    steps: list[Step] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    there: list[There] = field(default_factory=list)
    """Objects that exist already and that the user didn't ask to adopt."""
    unmatched: tuple[str, ...] = ()
    """Names that the user asked to adopt but that match nothing in the stack."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Clusters that did not answer, with the reason: the result has nothing about their objects."""
    clusters: dict[str, Object] = field(default_factory=dict)
    """The control plane's Clusters at the time of the plan, by name; empty where it was not read."""
    interpreters: list[Object] = field(default_factory=list)
    """The control plane's ResourceInterpreterCustomizations at that time."""
    absent: frozenset[ObjectRef] = frozenset()
    """Objects that would follow workloads (`dependencies: true`), but which neither stack nor control plane has."""
    records: dict[ObjectRef, Record] = field(default_factory=dict)
    """The changes in waves that were under way, by the Secret that records them; only if a workload has waves."""
    unread_records: str = ""
    """Why it isn't known which changes in waves are under way; empty where it is known, or no workload has waves."""
    unasked: str = ""
    """Why the control plane was not read for these; empty where it was read, or nothing needed it."""
    stopped: dict[str, str] = field(default_factory=dict)
    """Workloads that `up` doesn't change because members already have their objects: the reason, by URN."""
    digest: str = ""
    """Identifies exactly this plan (flotilla.engine.digest); empty for an operation that was done."""

    @property
    def changes(self) -> list[Step]:
        """The steps that change something."""
        return [step for step in self.steps if step.op in CHANGING]

    @property
    def operations(self) -> set[tuple[str, str]]:
        """The operations that change something, each with the URN of its resource."""
        return {(str(step.op), step.urn) for step in self.changes}

    def counts(self) -> dict[str, int]:
        """Return the number of steps of each operation."""
        counted: dict[str, int] = {}
        for step in self.steps:
            counted[str(step.op)] = counted.get(str(step.op), 0) + 1
        return counted
