"""Replicas for which a cluster has no room, according to its Cluster's status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from flotilla.karmada.scheduling import Demand, Shares
from flotilla.karmada.scheduling.capacity import room
from flotilla.karmada.scheduling.demand import MILLI_CPU
from flotilla.karmada.scheduling.facts import ClusterFacts, Scheduler
from flotilla.karmada.simulation.settling import demand, scaled
from flotilla.karmada.simulation.world import Assumed, World
from flotilla.kube.quantities import parse_quantity


@dataclass(frozen=True)
class Pending:
    """The replicas of a template before and after."""

    template: str
    before: Shares
    after: Shares


def without_room(world: World, assumed: Assumed, moves: Iterable[Pending]) -> dict[str, dict[str, int]]:
    """Return by template the clusters that get more replicas than they have room for, with the number beyond.

    Static weights and duplication ignore capacity, and workloads that move at the same time are each divided by the
    same free capacity. A Cluster reports the sum over its nodes, so at least these replicas stay pending.
    """
    scheduler = assumed.scheduler or world.scheduler or Scheduler(world.version)
    down = world.down | assumed.without
    left = {one.name: one for one in (*world.clusters, *assumed.joins) if one.name not in down}
    placed = {one.ref: one for one in world.placed}
    found: dict[str, dict[str, int]] = {}
    for move in sorted(moves, key=lambda one: one.template):
        template = placed[move.template]
        need = demand(world, template, scheduler, scaled(template, assumed, scheduler))
        for name, count in move.after.items():
            more = (count or 0) - (move.before.get(name) or 0)
            if more <= 0 or name not in left:
                continue
            free = room(left[name], need, scheduler)
            if free is None:
                continue
            if more > free:
                found.setdefault(move.template, {})[name] = more - free
            left[name] = _filled(left[name], need, min(more, free))
    return found


def _filled(cluster: ClusterFacts, need: Demand, count: int) -> ClusterFacts:
    """Return a cluster with this number of pods added."""
    if cluster.capacity is None or not count:
        return cluster
    taken: dict[str, str] = dict(cluster.capacity.allocating)
    needs: Mapping[str, int] = {**(need.requests or {}), "pods": 1}
    for name, amount in needs.items():
        unit = "m" if name == MILLI_CPU else ""
        taken[name] = _sum(taken.get(name), f"{amount * count}{unit}")
    return replace(cluster, capacity=replace(cluster.capacity, allocating=taken))


def _sum(one: str | None, other: str) -> str:
    return str(parse_quantity(one) + parse_quantity(other)) if one else other
