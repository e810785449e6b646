"""The plan of each object of the control plane itself (`flotilla:objects`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.karmada.control_plane_kinds import INTERPRETERS, REBALANCER, target_of
from flotilla.karmada.control_plane_objects import rebalanced
from flotilla.karmada.kinds import kind_of
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.changes import described
from flotilla.plan.steps import GOING, Op, Step
from flotilla.state.urns import own_type

GROUP_TYPE = "flotilla:index:ControlPlaneObjects"


@dataclass(frozen=True)
class ObjectPlan:
    """One object of the control plane."""

    name: str
    """Kind, namespace and name: `FederatedHPA default/web`."""
    verb: str
    """new, adopted, changes, gone or stays."""
    details: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the plan of the object in its JSON form."""
        return {"name": self.name, "verb": self.verb, "details": list(self.details)}


def own_objects(steps: list[Step]) -> tuple[ObjectPlan, ...]:
    """Return what happens to each object of the control plane, by name, including objects that stay."""
    own = [step for step in steps if _is_own(step)]
    whole = {step.urn for step in own if step.op is Op.REPLACE}
    halves = (Op.CREATE_REPLACEMENT, Op.DELETE_REPLACED)
    found = [_plan(step) for step in own if not (step.op in halves and step.urn in whole)]
    return tuple(sorted((one for one in found if one), key=lambda one: one.name))


def _is_own(step: Step) -> bool:
    state = step.new or step.old
    parent = state.parent if state else ""
    return step.type.startswith("kubernetes:") and bool(parent) and own_type(parent) == GROUP_TYPE


def _plan(step: Step) -> ObjectPlan | None:
    state = step.new or step.old
    inputs = state.plain if state else {}
    if not inputs.get("kind") or not isinstance(inputs.get("metadata"), dict):
        return None
    name = str(ref_of(inputs))
    if step.op is Op.CREATE:
        return ObjectPlan(name, "new", tuple(_meaning(inputs)))
    if step.op in GOING:
        return ObjectPlan(name, "gone")
    changes = tuple(described(change, inputs) for change in step.changes)
    if step.op is Op.ADOPT:
        return ObjectPlan(name, "adopted", changes)
    if step.op in (Op.REPLACE, Op.CREATE_REPLACEMENT):
        return ObjectPlan(name, "changes", ("is replaced", *changes))
    return ObjectPlan(name, "changes", changes) if step.op is Op.UPDATE else ObjectPlan(name, "stays")


def _meaning(obj: Object) -> list[str]:
    """Describe what a new object does to others, where its name doesn't show it."""
    target = target_of(obj)
    if target:
        (_, kind), namespace, name = target
        return [f"scales {kind} {namespace}/{name}"]
    if kind_of(obj) == REBALANCER:
        named = [f"{kind} {space + '/' if space else ''}{name}" for _, kind, space, name in rebalanced(obj)]
        return [f"Karmada schedules {', '.join(named)} again"] if named else []
    if kind_of(obj) in INTERPRETERS:
        return ["defines how Karmada interprets its kinds"]
    return []
