"""Reads each workload's declaration from a state: from its policies and templates, however its rollout ended.

A Rollout resource is written only when its wait has succeeded. After a failed rollout there is none, or the one of the
time before, while the policies and templates of the failed run are in the control plane and in the state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.dependencies import refers_to
from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.rendering.policies import Rules, rules_of_all
from flotilla.karmada.selection import OVERRIDES, POLICIES, claimant
from flotilla.karmada.status.rollout import RolloutCheck, without_unanswered
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.plan.contents import ROLLOUT_TYPE, contents_of, filled
from flotilla.state.checkpoint import ResourceState, Snapshot
from flotilla.state.urns import name_of, own_type
from flotilla.state.values import reveal

_WORKLOAD_TYPE = "flotilla:index:PropagatedWorkload"


def templates_in(inputs: Any) -> list[Object]:
    """Return the templates among a Rollout's inputs; none where an engine hides them, or they aren't known yet."""
    templates = inputs.get("templates")
    return templates if isinstance(templates, list) else []


def followers_in(inputs: Any) -> list[Object]:
    """Return the objects among a Rollout's inputs that no policy selects and that follow its templates."""
    followers = inputs.get("followers")
    return followers if isinstance(followers, list) else []


@dataclass
class _Workload:
    policies: list[Object] = field(default_factory=list)
    overrides: list[Object] = field(default_factory=list)
    templates: list[Object] = field(default_factory=list)
    rollout: RolloutCheck | None = None


@dataclass(frozen=True)
class Rollouts:
    """The workloads of a state."""

    checks: dict[str, RolloutCheck] = field(default_factory=dict)
    """The declaration of each workload, by its name."""
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The objects of each workload that were declared but never created, by its name."""


def rollouts_of(snapshot: Snapshot, begun: Iterable[ResourceState] = ()) -> Rollouts:
    """Read the workloads from a state.

    Args:
        snapshot: the state.
        begun: resources whose creation had begun when the state was written.
    """
    found: dict[str, _Workload] = {}
    known: set[ObjectRef] = set()
    contents = contents_of((*snapshot.resources, *begun))
    for resource in (*snapshot.resources, *begun):
        if resource.delete or resource.external:
            continue
        if resource.type.startswith("kubernetes:"):
            known.add(ref_of(resource.plain))
        if own_type(resource.urn) == _WORKLOAD_TYPE:
            found.setdefault(name_of(resource.urn), _Workload())
        elif resource.type == ROLLOUT_TYPE:
            _take_rollout(found, reveal(filled(resource.inputs, contents)))
        elif (
            resource.parent and own_type(resource.parent) == _WORKLOAD_TYPE and resource.type.startswith("kubernetes:")
        ):
            _take_object(found.setdefault(name_of(resource.parent), _Workload()), resource.plain)
    version = max((v for one in found.values() if one.rollout and (v := one.rollout.version)), default=None)
    every = _All(
        [policy for one in found.values() for policy in one.policies],
        [policy for one in found.values() for policy in one.overrides],
        version,
    )
    for obj in (obj for one in found.values() for obj in one.templates):
        if sender := claimant(every.policies, obj):
            every.senders[id(obj)] = sender
        elif not goes_by_itself(obj):
            every.unselected.append(obj)
    checks = {name: check for name, one in found.items() if (check := _check(one, every)) is not None}
    missing = {name: lost for name, one in found.items() if (lost := _missing(one, known))}
    return Rollouts(checks, missing)


def _take_rollout(found: dict[str, _Workload], inputs: Any) -> None:
    check = RolloutCheck.of({**inputs, "members": without_unanswered(inputs.get("members"))})
    found.setdefault(str(inputs["workload"]), _Workload()).rollout = check


def _take_object(workload: _Workload, inputs: Any) -> None:
    obj = {key: value for key, value in inputs.items() if value is not None}
    if obj["kind"] in POLICIES:
        workload.policies.append(obj)
    elif obj["kind"] in OVERRIDES:
        workload.overrides.append(obj)
    else:
        workload.templates.append(obj)


@dataclass
class _All:
    """The policies and objects of all workloads of a state."""

    policies: list[Object]
    """The policies that send templates: a policy that a user wrote may belong to another workload."""
    overrides: list[Object]
    """The override policies."""
    version: Version | None
    """Karmada's version, for a workload without a rollout that knew it."""
    senders: dict[int, Object] = field(default_factory=dict)
    """The policy that sends a template, by the template's Python id."""
    unselected: list[Object] = field(default_factory=list)
    """Objects that no policy selects: they may follow others."""


def _check(one: _Workload, every: _All) -> RolloutCheck | None:
    """Return the check for the policies and templates; without templates, the check of the last rollout."""
    version = (one.rollout and one.rollout.version) or every.version
    templates = [obj for obj in one.templates if id(obj) in every.senders]
    if not templates:
        return one.rollout
    spec = every.senders[id(templates[0])].get("spec") or {}
    followers = []
    if spec.get("propagateDeps"):
        known = version or SUPPORTED.newest
        followers = [obj for obj in every.unselected if any(refers_to(one, obj, known) for one in templates)]
    rules = rules_of_all(every.overrides, [*templates, *followers])
    return RolloutCheck(
        templates,
        spec.get("placement") or {},
        Rules(rules),
        one.rollout.members if one.rollout else None,
        suspension=spec.get("suspension") or {},
        lazy=bool(spec.get("activationPreference")),
        version=version,
        ready=one.rollout.ready if one.rollout else {},
        followers=followers,
    )


def _missing(one: _Workload, known: set[ObjectRef]) -> tuple[str, ...]:
    """Return what isn't in the state: the workload's policy, or objects that its policies select by name."""
    if not one.policies:
        return () if one.rollout is not None else ("its policy",)
    selected = [
        ObjectRef(s["apiVersion"], s["kind"], s["name"], s.get("namespace") or "")
        for policy in one.policies
        for s in (policy.get("spec") or {}).get("resourceSelectors") or []
        if s.get("name")
    ]
    return tuple(str(ref) for ref in selected if ref not in known)
