"""Corrects a plan for what an earlier run did to a workload before its wait failed: that is no change of this plan.

With Pulumi's CLI, a Rollout whose wait fails leaves no trace in the state: a created one is missing, an updated one is
as before the update. But the objects that the failed run created or changed are in the state. Where this plan leaves
such an object as it is, the Rollout's old inputs get the object's present content.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from flotilla.karmada.kinds import identity
from flotilla.kube.objects import Object, differences
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.steps import GOING, Op, Step, stays
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import Properties, Secret, reveal

POLICIES = "policy.karmada.io/"
"""The beginning of the apiVersion of Karmada's policies."""
_OF_PROPAGATION = ("placement", "suspension")
_OF_OVERRIDES = ("overrideRules",)
_Key = tuple[str, ...]


@dataclass
class _Objects:
    """The objects of one workload that the state has before a plan."""

    there: set[_Key] = field(default_factory=set)
    """The objects that exist."""
    same: set[_Key] = field(default_factory=set)
    """The existing objects that the plan leaves as they are."""
    going: list[Object] = field(default_factory=list)
    """The objects that the plan deletes."""
    policies: dict[str, bool] = field(default_factory=dict)
    """By the end of the policies' kind: whether the plan leaves all of these policies as they are."""
    placement: Object = field(default_factory=dict)
    """The placement of its propagation policies."""


def with_unfinished(steps: list[Step]) -> list[Step]:
    """Return a plan's steps in which each Rollout's old state has what its objects already have."""
    owned: dict[str, _Objects] = defaultdict(_Objects)
    for step in steps:
        if step.type.startswith("kubernetes:") and step.old is not None and step.old.parent:
            _take(owned[step.old.parent], step)
    return [_corrected_rollout(step, owned) if step.type == ROLLOUT_TYPE else step for step in steps]


def _take(owned: _Objects, step: Step) -> None:
    obj = object_of(step.old)
    if obj is None or step.op in (Op.CREATE, Op.CREATE_REPLACEMENT):
        return
    if str(obj["apiVersion"]).startswith(POLICIES):
        kind = "OverridePolicy" if str(obj["kind"]).endswith("OverridePolicy") else "PropagationPolicy"
        owned.policies[kind] = owned.policies.get(kind, True) and stays(step)
        if kind == "PropagationPolicy":
            owned.placement = reveal(obj.get("spec") or {}).get("placement") or {}
        return
    if step.op in GOING:
        owned.going.append(obj)
        return
    owned.there.add(identity(obj))
    if stays(step):
        owned.same.add(identity(obj))


def _corrected_rollout(rollout: Step, owned: dict[str, _Objects]) -> Step:
    new = rollout.new
    if new is None or not isinstance(reveal(new.inputs.get("templates")), list):
        return rollout  # it is deleted, or the engine hides its objects
    if rollout.op is Op.CREATE and rollout.old is None:
        objects = owned.get(new.parent)
        if objects is None or not objects.there or "PropagationPolicy" not in objects.policies:
            return rollout  # the workload is new
        return replace(
            rollout, op=Op.UPDATE, old=replace(new, inputs=_inputs_of_created(new.inputs, objects), outputs={})
        )
    old = rollout.old
    if rollout.op is not Op.UPDATE or old is None or not isinstance(reveal(old.inputs.get("templates")), list):
        return rollout
    return replace(rollout, old=replace(old, inputs=_inputs_of_updated(old.inputs, new.inputs, owned[old.parent])))


def _inputs_of_created(new: Properties, objects: _Objects) -> Properties:
    """Return old inputs for a Rollout that isn't in the state: its new inputs, with the objects that exist."""
    listed = [one for one in reveal(new["templates"]) if identity(one) in objects.there]
    return {**new, "templates": _sealed([*listed, *objects.going], new)}


def _inputs_of_updated(old: Properties, new: Properties, objects: _Objects) -> Properties:
    """Return a Rollout's old inputs, with the new content of everything that the plan leaves as it is."""
    result = dict(old)
    now = {identity(one): one for one in reveal(new["templates"]) if identity(one) in objects.same}
    before = {identity(one): one for one in reveal(old["templates"])}
    if any(before.get(key) != one for key, one in now.items()):
        result["templates"] = _sealed(list({**before, **now}.values()), old)
    for kind, keys in (("PropagationPolicy", _OF_PROPAGATION), ("OverridePolicy", _OF_OVERRIDES)):
        declared = kind == "OverridePolicy" or not differences(new.get("placement") or {}, objects.placement)
        if objects.policies.get(kind) and declared:
            result = {key: value for key, value in result.items() if key not in keys}
            result |= {key: new[key] for key in keys if key in new}
    return result


def _sealed(templates: list[Object], as_in: Properties) -> object:
    return Secret(templates) if isinstance(as_in.get("templates"), Secret) else templates


def object_of(state: ResourceState | None) -> Object | None:
    """Return the object of a resource; None where the resource is not an object, or its content isn't known."""
    inputs = state.plain if state is not None else None
    if not isinstance(inputs, dict) or not inputs.get("kind") or not isinstance(inputs.get("metadata"), dict):
        return None
    if state is not None and str(inputs.get("apiVersion")).startswith(POLICIES):
        # Values that an override sets may be secret: the marks stay, so that everything derived from them is secret.
        return {**inputs, "spec": state.inputs.get("spec")}
    return inputs
