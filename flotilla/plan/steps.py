"""What a deployment does to one resource, and what it says about it."""

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
    """Operations, by the names that Pulumi gives them."""

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
    """An object that is there already becomes the stack's; of the embedded engine alone, Pulumi has no such word."""


CHANGING = frozenset(Op) - {Op.SAME, Op.READ, Op.DISCARD, Op.REFRESH}
"""Operations that count as changes."""
GOING = frozenset({Op.DELETE, Op.DELETE_REPLACED})
"""Operations after which the resource of before is gone, and no new one has come by the same step."""


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
        """The resource after the step; None where it is gone."""
        return None if self.op in GOING else self.new or self.old

    def to_json(self) -> dict[str, Any]:
        """Return the step for machines; secrets masked."""
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
    """Tell whether what a step is about stays as it is: an adoption may change nothing of it."""
    return step.op is Op.SAME or (step.op is Op.ADOPT and not step.changes)


class Phase(StrEnum):
    """Where a step is."""

    BEGIN = "begin"
    WAITING = "waiting"
    """It is under way, and says what it waits for."""
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
    """What it waits for, in words."""


Listener = Callable[[StepEvent], None]


@dataclass(frozen=True)
class There:
    """An object that a plan would create, and that exists: `up` stops there unless it adopts it."""

    cluster: str
    object: str
    """Kind, namespace and name."""
    part: str
    """The member, the workload or the like that declares it."""
    managers: tuple[str, ...] = ()
    """Who has written its fields, as the API server names them."""

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {"cluster": self.cluster, "object": self.object, "part": self.part, "managers": list(self.managers)}


@dataclass
class Result:
    """What a whole operation did or would do."""

    steps: list[Step] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    there: list[There] = field(default_factory=list)
    """What exists already and was not asked to be adopted."""
    unmatched: tuple[str, ...] = ()
    """Names that were asked to be adopted, and that nothing in the stack goes by."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Clusters that did not answer, with the reason: nothing is said about what is in them."""
    clusters: dict[str, Object] = field(default_factory=dict)
    """The control plane's Clusters when this was planned, by name; empty where it was not asked."""
    interpreters: list[Object] = field(default_factory=list)
    """Its ResourceInterpreterCustomizations then."""
    absent: frozenset[ObjectRef] = frozenset()
    """What would follow workloads (`dependencies: true`), and neither the stack nor the control plane has."""
    records: dict[ObjectRef, Record] = field(default_factory=dict)
    """The changes in waves that were under way then, by the Secret that says so; only where a workload has waves."""
    unread_records: str = ""
    """Why it isn't known which changes in waves are under way; empty where it is, and where no workload has waves."""
    unasked: str = ""
    """Why the control plane was not asked for these; empty where it was, and where nobody wanted to."""
    stopped: dict[str, str] = field(default_factory=dict)
    """By URN, workloads of which `up` does nothing, with the reason: members have objects of theirs already."""
    digest: str = ""
    """Stands for exactly this plan (flotilla.engine.digest); empty for what was done."""

    @property
    def changes(self) -> list[Step]:
        """The steps that change something."""
        return [step for step in self.steps if step.op in CHANGING]

    @property
    def operations(self) -> set[tuple[str, str]]:
        """What is done to which resource: operation and URN."""
        return {(str(step.op), step.urn) for step in self.changes}

    def counts(self) -> dict[str, int]:
        """Return how many steps there are of each operation."""
        counted: dict[str, int] = {}
        for step in self.steps:
            counted[str(step.op)] = counted.get(str(step.op), 0) + 1
        return counted
