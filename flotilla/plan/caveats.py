"""Caveats of a plan: where it shows less than will happen, or a change takes effect later, the plan says so."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

from flotilla.karmada.rendering.reach import Notice
from flotilla.karmada.status.ready import Goal
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.rollouts import templates_in
from flotilla.plan.steps import CHANGING, GOING, Op, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import has_unknown, reveal


class Caveat(StrEnum):
    """The kinds of caveats of a workload's plan."""

    BY_STATE = "by-the-state"
    """Nothing was read from the control plane: taints, conditions and interpreters come from the state."""
    HIDDEN_TEMPLATES = "hidden-objects"
    """The engine hides the workload's objects, since one of them is a Secret."""
    HIDDEN_RULES = "hidden-overrides"
    """The engine hides the override rules, since one of them sets a secret."""
    LAZY = "lazy"
    """Karmada applies the policy's change with the templates' next change."""
    READY = "ready"
    """The stack declares conditions that objects must reach."""
    WAITS = "waits"
    """No object changes: the run only waits until the workload is ready."""
    ADOPTED = "adopted"
    """Existing objects become objects of the stack's workload."""
    AWAKENED = "lazy-acts"
    """Karmada applies a lazy policy because a template is adopted."""
    CLAIMED = "claimed"
    """A policy that the stack doesn't declare for the workload has claimed a template that is adopted."""
    UNSERVED = "unserved"
    """At the last check, nothing seemed to provide a part of the status, such as a load balancer's address."""
    MOVES = "moves"
    """The workload is made healthy in new clusters before it leaves others."""


def caveats_of(step: Step, unasked: str, waiting: Iterable[str]) -> list[Notice]:
    """Return the caveats of a workload's plan.

    Args:
        step: the step of its Rollout.
        unasked: why the control plane was not read although its Clusters exist; empty where it was read.
        waiting: the templates on which the policy's change has no effect yet, in `ObjectRef`'s text form.
    """
    new = None if step.op in GOING else step.new or step.old
    if new is None:
        return []
    found = _unserved(step.old)
    if unasked and step.op in CHANGING:
        found.append(Notice(Caveat.BY_STATE, detail=unasked))
    goals = new.plain.get("ready")
    if step.op in CHANGING and isinstance(goals, dict) and goals:
        texts = (f"{selector}: {Goal.of(goal)}" for selector, goal in goals.items())
        found.append(Notice(Caveat.READY, detail=", ".join(texts)))
    if hides(new, "templates"):
        found.append(Notice(Caveat.HIDDEN_TEMPLATES))
    elif hides(new, "overrideRules"):
        found.append(Notice(Caveat.HIDDEN_RULES))
    listed = ", ".join(waiting)
    return [*found, Notice(Caveat.LAZY, template=listed)] if listed else found


def waits(step: Step, verb: str, said: Iterable[Notice]) -> list[Notice]:
    """Return the caveat of a workload that stays as it is, but for which the run waits.

    Args:
        step: the step of its Rollout.
        verb: what happens to the workload's copies.
        said: its other notices; the run doesn't wait for a change that has no effect yet.
    """
    waiting = verb == "stays" and step.op in CHANGING and step.op not in GOING
    return [Notice(Caveat.WAITS)] if waiting and all(one.what != Caveat.LAZY for one in said) else []


def _unserved(old: ResourceState | None) -> list[Notice]:
    """Return what seemed unserved at a rollout's last check, by the missing part."""
    found = reveal(old.outputs).get("unserved") if old else None
    clusters: dict[tuple[str, str], list[str]] = {}
    for template, lacking in (found if isinstance(found, dict) else {}).items():
        for cluster, text in lacking.items():
            clusters.setdefault((template, text), []).append(cluster)
    return [
        Notice(Caveat.UNSERVED, template=template, clusters=tuple(sorted(names)), detail=text)
        for (template, text), names in sorted(clusters.items())
    ]


def hides(state: ResourceState, key: str) -> bool:
    """Return whether an engine hides a list among a Rollout's inputs: Pulumi's CLI shows a mark for a secret list."""
    value = reveal(state.inputs.get(key))
    return key in state.inputs and not isinstance(value, list) and not has_unknown(value)


def hidden_verb(step: Step) -> str:
    """Return what happens to a workload whose objects are all hidden: new, changes or gone; empty for others."""
    state = step.old if step.op in GOING else step.new or step.old
    if state is None or step.op not in CHANGING or not hides(state, "templates"):
        return ""
    return "gone" if step.op in GOING else "new" if step.op is Op.CREATE else "changes"


def changing_policies(steps: Iterable[Step]) -> frozenset[str]:
    """Return the URNs of the workloads whose propagation policies change in anything except their selectors."""
    updates = [s for s in steps if s.op in (Op.UPDATE, Op.ADOPT) and s.type.endswith("PropagationPolicy")]
    return frozenset(s.new.parent for s in updates if s.old and s.new and _orders(s.old) != _orders(s.new))


def _orders(policy: ResourceState) -> Object:
    spec = policy.plain.get("spec") or {}
    return {key: value for key, value in spec.items() if key != "resourceSelectors"}


def lazily(old: ResourceState | None, new: ResourceState | None, policies: Collection[str]) -> frozenset[str]:
    """Return the templates that don't change although their lazy policy does, in `ObjectRef`'s text form.

    Karmada ignores a change of such a policy until the template changes (pkg/detector, of 1.10 to 1.18). The policy's
    new state decides whether it is lazy.

    Args:
        old: the Rollout before the plan.
        new: the Rollout after the plan.
        policies: the URNs of the workloads whose policies change.
    """
    if old is None or new is None:
        return frozenset()
    before, now = old.plain, new.plain
    same = new.parent not in policies and all(
        (before.get(key) or {}) == (now.get(key) or {}) for key in ("placement", "suspension")
    )
    if same or not now.get("lazy"):
        return frozenset()
    return unchanged(old, new)


def unchanged(old: ResourceState | None, new: ResourceState | None) -> frozenset[str]:
    """Return the templates of a Rollout that stay as they are, in `ObjectRef`'s text form."""
    before = {_ref(one): one for one in templates_in(old.plain)} if old else {}
    now = templates_in(new.plain) if new else []
    return frozenset(_ref(one) for one in now if before.get(_ref(one)) == one)


def _ref(obj: Object) -> str:
    return str(ref_of(obj))
