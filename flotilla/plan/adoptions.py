"""Extends plans by adoptions: objects that exist and become the stack's, what changes in them, and who claims them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from flotilla.karmada.rendering.reach import Notice
from flotilla.karmada.selection import (
    POLICIES,
    claimed_by,
    is_policy,
    selects,
)
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.plan.caveats import Caveat
from flotilla.plan.steps import Op, Result, Step, stays
from flotilla.plan.workloads import WorkloadPlan
from flotilla.state.values import reveal

_OBJECTS = "kubernetes:"
_DYNAMIC = "pulumi-python:dynamic"
ONLY_LOOKING = ("ClusterIdentity", "Move", "Rollout", "Membership", "ServedKinds", "Withdrawal", "Keeping")
"""Dynamic resources whose creation writes nothing in a cluster: they read, or wait, or act when they are deleted."""
_KEPT = (
    "which this stack does not declare: Karmada leaves the object to that policy, so the rollout would wait without "
    "success for this stack's policy; declare that policy here, or delete it"
)
_PREEMPTED = "which this stack does not declare: this stack's policy takes the object over if its priority is higher"
_Claim = tuple[str, str, str]
"""A policy: kind, namespace, name."""


def is_worth_reporting(step: Step) -> bool:
    """Return whether a step changes an existing object, or its adoption has something to report."""
    return step.op in (Op.UPDATE, Op.REPLACE) or (step.op is Op.ADOPT and bool(step.changes or step.detail))


def changes_no_cluster(result: Result) -> bool:
    """Return whether a plan only adopts objects and changes nothing else in any cluster."""
    adopts = wakes = False
    lazy = _lazy(result.steps)
    for step in result.changes:
        if step.type.startswith(_OBJECTS):
            if not stays(step):
                return False
            adopts = True
            wakes = wakes or bool(_awakened(step, lazy))
        elif step.type.startswith(_DYNAMIC) and not only_looks(step):
            return False
    return adopts and not wakes and not result.there


def only_looks(step: Step) -> bool:
    """Return whether a step makes a dynamic resource that writes nothing in a cluster."""
    return step.op is Op.CREATE and step.type.startswith(_DYNAMIC) and step.type.rpartition(":")[2] in ONLY_LOOKING


def with_adoptions(
    plans: Sequence[WorkloadPlan], rollouts: Iterable[Step], steps: Iterable[Step]
) -> list[WorkloadPlan]:
    """Add to workloads' plans which of their objects are adopted, and which of these another policy has claimed.

    A workload without other changes is `adopted`.
    """
    parents = {step.name.removesuffix("-rollout"): s.parent for step in rollouts if (s := step.new or step.old)}
    adopted: dict[str, list[Step]] = defaultdict(list)
    declared: set[_Claim] = set()
    preempting: set[str] = set()
    steps = list(steps)
    lazy = _lazy(steps)
    for step in steps:
        state = step.after
        if state is None or not step.type.startswith(_OBJECTS):
            continue
        if step.op is Op.ADOPT:
            adopted[state.parent].append(step)
        if step.type.rpartition(":")[2] in POLICIES:
            ref = _ref(step)
            declared.add((ref.kind, ref.namespace, ref.name))
            if (reveal(state.inputs).get("spec") or {}).get("preemption") == "Always":
                preempting.add(state.parent)
    urns = [(plan, parents.get(plan.name, "")) for plan in plans]
    return [_with_notices(plan, adopted.get(urn, []), declared, lazy, preempts=urn in preempting) for plan, urn in urns]


def _lazy(steps: Iterable[Step]) -> list[Object]:
    """Return the policies of a plan that Karmada applies only with a template's next change (Lazy)."""
    found = []
    for step in steps:
        state = step.after
        if state is not None and step.type.startswith(_OBJECTS) and step.type.rpartition(":")[2] in POLICIES:
            policy = reveal(state.inputs)
            if (policy.get("spec") or {}).get("activationPreference") == "Lazy":
                found.append(policy)
    return found


def _awakened(step: Step, lazy: list[Object]) -> list[Object]:
    """Return the lazy policies that take effect with an adoption, because it changes the object."""
    state = step.after
    if step.op is not Op.ADOPT or state is None:
        return []
    obj = reveal(state.inputs)
    return [policy for policy in lazy if not is_policy(obj) and selects(policy, obj)]


def _with_notices(
    plan: WorkloadPlan, adopted: list[Step], declared: set[_Claim], lazy: list[Object], *, preempts: bool
) -> WorkloadPlan:
    if not adopted:
        return plan
    notices = [Notice(Caveat.ADOPTED, template=str(_ref(step))) for step in adopted]
    for step in adopted:
        notices += [
            Notice(Caveat.AWAKENED, template=str(_ref(step)), detail=str(ref_of(one))) for one in _awakened(step, lazy)
        ]
        claim = _claim(step)
        if claim is not None and claim not in declared:
            kind, namespace, name = claim
            said = f"{ObjectRef('', kind, name, namespace)}, {_PREEMPTED if preempts else _KEPT}"
            notices.append(Notice(Caveat.CLAIMED, template=str(_ref(step)), detail=said))
    verb = "adopted" if plan.verb == "stays" else plan.verb
    return replace(plan, verb=verb, notices=(*plan.notices, *notices))


def _claim(step: Step) -> _Claim | None:
    """Return the policy that has claimed an object, from the annotations that Karmada has set on it."""
    live = reveal(step.old.outputs) if step.old else {}
    return claimed_by((live.get("metadata") or {}).get("annotations") or {})


def _ref(step: Step) -> ObjectRef:
    state = step.after
    return ref_of(reveal(state.inputs) if state else {})
