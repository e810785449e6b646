"""Checks whether there is room for the replicas that leave drained members, by what Clusters report now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flotilla.karmada.simulation.room import Pending, without_room
from flotilla.karmada.simulation.world import Assumed
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.simulated import Seen, world_of
from flotilla.plan.steps import Result


def with_room(plan: FleetPlan, result: Result, *, version: str | None) -> FleetPlan:
    """Return a plan that reports which of the replicas that leave drained members have no room elsewhere.

    Args:
        plan: the plan.
        result: the preview from which the plan was computed, with the Clusters.
        version: Karmada's version; None where it isn't known.
    """
    moves = [
        Pending(one.shift.template, {}, one.shift.come)
        for member in plan.maintenance
        for one in member.leaving
        if one.shift.come
    ]
    if not moves or not result.clusters:
        return plan
    world = world_of(result, Seen(), version=version, failovers=())
    known = {one.ref for one in world.placed}
    once = {one.template: one for one in moves if one.template in known}
    pending: Mapping[str, Mapping[str, int]] = without_room(world, Assumed(), once.values())
    return replace(plan, maintenance=tuple(one.with_pending(pending) for one in plan.maintenance))
