"""Workloads that move without a gap: first they start in new clusters, then they leave the old ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flotilla.karmada.moving.course import left_alone
from flotilla.karmada.rendering.reach import Notice
from flotilla.plan.caveats import Caveat
from flotilla.plan.rollouts import templates_in
from flotilla.plan.steps import Op, Step
from flotilla.plan.workloads import WorkloadPlan

MOVE_TYPE = "pulumi-python:dynamic/flotilla:Move"


def with_moves_in_order(
    plans: Iterable[WorkloadPlan], steps: Iterable[Step], rollouts: Iterable[Step]
) -> list[WorkloadPlan]:
    """Add the order of a move to workloads' plans, where the run controls this order.

    Args:
        plans: the workloads' plans.
        steps: all steps of the plan.
        rollouts: the steps of the workloads' Rollouts, with their templates.
    """
    moving = {step.name.removesuffix("-move") for step in steps if step.type == MOVE_TYPE and step.op is Op.UPDATE}
    inputs = {step.name.removesuffix("-rollout"): step.after for step in rollouts}
    found = []
    for plan in plans:
        state = inputs.get(plan.name)
        after = tuple(copy.cluster for copy in plan.copies if copy.verb == "new")
        before = tuple(copy.cluster for copy in plan.copies if copy.verb == "gone" and not copy.kept)
        ordered = plan.name in moving and after and before and not plan.undecided and state is not None
        if ordered and state is not None and templates_in(state.plain) and not left_alone(state.plain):
            notice = Notice(Caveat.MOVES, clusters=after, detail=", ".join(before))
            plan = replace(plan, notices=(notice, *plan.notices))  # noqa: PLW2901
        found.append(plan)
    return found
