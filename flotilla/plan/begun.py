"""What an earlier run has done of a workload although its wait failed: that is there, and no plan shows it as a change.

With Pulumi's CLI a Rollout whose wait fails leaves no trace: none at all where it was to be created, and that of the
time before where it was to be updated. The objects that the failed run made or changed are in the state all the same.
What this plan leaves as it is already is as the Rollout is to have it: so it is that before the plan as well.
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
"""How the apiVersion of Karmada's policies begins."""
_OF_PROPAGATION = ("placement", "suspension")
_OF_OVERRIDES = ("overrideRules",)
_Key = tuple[str, ...]


@dataclass
class _Objects:
    """The objects of one workload before a plan: what it declares in the state."""

    there: set[_Key] = field(default_factory=set)
    """Those that exist."""
    same: set[_Key] = field(default_factory=set)
    """Those of them that the plan leaves as they are."""
    going: list[Object] = field(default_factory=list)
    """Those that the plan deletes."""
    policies: dict[str, bool] = field(default_factory=dict)
    """By the end of their kinds: whether the plan leaves all the policies as they are."""
    placement: Object = field(default_factory=dict)
    """That of its propagation policies."""


def as_begun(steps: list[Step]) -> list[Step]:
    """Return a plan's steps, where each Rollout's state before has what its objects have already."""
    owned: dict[str, _Objects] = defaultdict(_Objects)
    for step in steps:
        if step.type.startswith("kubernetes:") and step.old is not None and step.old.parent:
            _take(owned[step.old.parent], step)
    return [_begun(step, owned) if step.type == ROLLOUT_TYPE else step for step in steps]


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


def _begun(rollout: Step, owned: dict[str, _Objects]) -> Step:
    new = rollout.new
    if new is None or not isinstance(reveal(new.inputs.get("templates")), list):
        return rollout  # it goes, or the engine hides its objects
    if rollout.op is Op.CREATE and rollout.old is None:
        objects = owned.get(new.parent)
        if objects is None or not objects.there or "PropagationPolicy" not in objects.policies:
            return rollout  # the workload is new
        return replace(rollout, op=Op.UPDATE, old=replace(new, inputs=_made(new.inputs, objects), outputs={}))
    old = rollout.old
    if rollout.op is not Op.UPDATE or old is None or not isinstance(reveal(old.inputs.get("templates")), list):
        return rollout
    return replace(rollout, old=replace(old, inputs=_settled(old.inputs, new.inputs, owned[old.parent])))


def _made(new: Properties, objects: _Objects) -> Properties:
    """Return the inputs of a Rollout that was never written: as it is to be, with the objects that exist."""
    listed = [one for one in reveal(new["templates"]) if identity(one) in objects.there]
    return {**new, "templates": _sealed([*listed, *objects.going], new)}


def _settled(old: Properties, new: Properties, objects: _Objects) -> Properties:
    """Return the inputs of a Rollout before, where what the plan leaves as it is, is as it is to be."""
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
    """Return the object that a resource is; None for what is none, and where it isn't known."""
    inputs = state.plain if state is not None else None
    if not isinstance(inputs, dict) or not inputs.get("kind") or not isinstance(inputs.get("metadata"), dict):
        return None
    if state is not None and str(inputs.get("apiVersion")).startswith(POLICIES):
        # What an override sets may be secret: the marks stay, so that what comes of it is secret, too.
        return {**inputs, "spec": state.inputs.get("spec")}
    return inputs
