"""Corrects a workload before and after a plan from its own objects: after a refresh, these are what clusters have.

A workload's Rollout stores what was declared at its last `up`. If somebody has changed a template, a policy or an
override in the control plane since, a refresh changes the state of these objects, but not the state of the Rollout.
Therefore the effect on members is computed from the objects that change.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from flotilla.karmada.kinds import goes_by_itself, identity
from flotilla.karmada.propagation import ON_REMOVAL
from flotilla.karmada.scaling import replicas_from, scaler_of
from flotilla.karmada.selection import OVERRIDES, selects
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.overriding import Overriding
from flotilla.plan.rollouts import followers_in
from flotilla.plan.steps import CHANGING, GOING, Op, Step
from flotilla.plan.unfinished import POLICIES, object_of, with_unfinished
from flotilla.state.values import Properties, Secret, reveal

PARTLY = "partly"
"""A key among a Rollout's corrected inputs: changing propagation policies that select only some of its templates."""
_NAMESPACE = "kubernetes:core/v1:Namespace"
_Pair = tuple[Object | None, Object | None]
"""An object before and after; None where it doesn't exist."""


def as_found(steps: list[Step]) -> list[Step]:
    """Return a plan's steps, in which each Rollout has the templates, placement and rules of its actual objects."""
    steps = with_unfinished(steps)
    children: dict[str, list[_Pair]] = defaultdict(list)
    whole = _whole(steps)
    overriding = Overriding(whole)
    for step in whole:
        state = step.new or step.old
        if state is not None and state.parent and step.type.startswith("kubernetes:") and step.op in CHANGING:
            new = None if step.op in GOING else object_of(step.new)
            pair = (None if step.op is Op.CREATE else object_of(step.old), new)
            if pair != (None, None):
                children[state.parent].append(pair)
    return [_scaled(_corrected(step, children, overriding)) if step.type == ROLLOUT_TYPE else step for step in steps]


def keeping(steps: list[Step]) -> frozenset[str]:
    """Return the URNs of the workloads whose copies stay in members when Karmada stops sending them.

    The policy before the plan decides: the Works that are removed have its preserveResourcesOnDeletion. A workload that
    has only namespaces has no policy; the namespaces have an annotation.
    """
    policies = [step.old for step in steps if step.old and step.type.endswith("PropagationPolicy")]
    specs = [(state.parent, state.plain.get("spec") or {}) for state in policies]
    spaces = [step.old for step in steps if step.old and step.type == _NAMESPACE]
    said = [(state.parent, state.plain.get("metadata") or {}) for state in spaces]
    return frozenset(
        [parent for parent, spec in specs if parent and spec.get("preserveResourcesOnDeletion")]
        + [parent for parent, meta in said if parent and ON_REMOVAL in (meta.get("annotations") or {})]
    )


def replaced_templates(steps: list[Step]) -> frozenset[str]:
    """Return the objects of workloads that are deleted and created again, by reference."""
    parents = {state.parent for step in steps if step.type == ROLLOUT_TYPE and (state := step.new or step.old)}
    made = [step.new for step in steps if step.op is Op.CREATE_REPLACEMENT and step.new and step.new.parent in parents]
    found = [object_of(state) for state in made]
    return frozenset(str(ref_of(obj)) for obj in found if obj is not None)


def _whole(steps: list[Step]) -> list[Step]:
    """Return steps in which the two halves of a replacement are one: the object isn't removed, but comes back."""
    going = {step.urn: step.old for step in steps if step.op is Op.DELETE_REPLACED}
    coming = {step.urn for step in steps if step.op is Op.CREATE_REPLACEMENT}
    return [
        replace(step, old=going.get(step.urn) or step.old) if step.op is Op.CREATE_REPLACEMENT else step
        for step in steps
        if step.op is not Op.DELETE_REPLACED or step.urn not in coming
    ]


def _corrected(rollout: Step, children: dict[str, list[_Pair]], overriding: Overriding) -> Step:
    state = rollout.new or rollout.old
    pairs = children.get(state.parent, []) if state is not None and state.parent else []
    old, new = rollout.old, rollout.new
    return replace(
        rollout,
        old=replace(old, inputs=_inputs(old.inputs, pairs, 0, overriding)) if old else None,
        new=replace(new, inputs=_inputs(new.inputs, pairs, 1, overriding)) if new else None,
    )


def _scaled(rollout: Step) -> Step:
    """Return a Rollout whose templates keep the replicas that an autoscaler of the control plane sets."""
    old, new = rollout.old, rollout.new
    if old is None or new is None:
        return rollout
    before, declared = old.plain.get("templates"), new.inputs.get("templates")
    after = reveal(declared)
    if not isinstance(before, list) or not isinstance(after, list) or not any(map(scaler_of, after)):
        return rollout
    known = {identity(template): template for template in before}
    kept = [replicas_from(template, known.get(identity(template))) for template in after]
    templates = Secret(kept) if isinstance(declared, Secret) else kept
    return replace(rollout, new=replace(new, inputs={**new.inputs, "templates": templates}))


def _inputs(inputs: Properties, pairs: list[_Pair], side: int, overriding: Overriding) -> Properties:
    """Return a Rollout's inputs, corrected from one side of its changing objects."""
    declared = inputs.get("templates")
    templates = reveal(declared)
    if not isinstance(templates, list):
        return inputs
    result = dict(inputs)
    following = inputs.get("followers")
    followers = followers_in({"followers": reveal(following)})
    policies: list[Object] = []
    for pair in pairs:
        known: Object = pair[0] or pair[1] or {}
        now = pair[side]
        if not str(known["apiVersion"]).startswith(POLICIES):
            templates = _replaced(templates, identity(known), now)
            followers = _replaced(followers, identity(known), now)
        elif now is not None and now["kind"] not in OVERRIDES:
            policies.append(now)
    for policy in policies:
        _take_policy(result, policy, templates)
    if pairs:
        result["templates"] = Secret(templates) if isinstance(declared, Secret) else templates
    if followers:
        result["followers"] = Secret(followers) if isinstance(following, Secret) else followers
    return overriding.of(result, [*templates, *followers], side)


def _is_for_some(policy: Object, templates: list[Object]) -> bool:
    """Return whether a policy selects only some of a workload's templates, such as those of one namespace."""
    open_policy = reveal(policy)
    found = {selects(open_policy, template) for template in templates if not goes_by_itself(template)}
    return found == {True, False}


def _replaced(templates: list[Object], key: tuple[str, ...], now: Object | None) -> list[Object]:
    """Replace a template by the actual object; remove it where the object doesn't exist."""
    found = [now if now is not None and identity(template) == key else template for template in templates]
    return found if now is not None else [template for template in found if identity(template) != key]


def _take_policy(inputs: Properties, policy: Object, templates: list[Object]) -> None:
    spec = policy.get("spec")
    spec = spec.value if isinstance(spec, Secret) else spec
    if not isinstance(spec, dict):
        return
    if _is_for_some(policy, templates):
        inputs[PARTLY] = [*(inputs.get(PARTLY) or []), {**policy, "spec": spec}]
    else:
        inputs["placement"] = spec.get("placement") or {}
        inputs["suspension"] = spec.get("suspension") or {}
