"""How many replicas each chosen cluster gets.

Upstream: pkg/scheduler/core, assignment.go and division_algorithm.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flotilla.karmada.scheduling.demand import Demand
from flotilla.karmada.scheduling.division import Division, divide_by_weight, static_weights
from flotilla.karmada.scheduling.facts import Current, Object, Scheduler
from flotilla.karmada.scheduling.spread import Candidate

_STABLE = 12
"""The greatest number of elements for which Go's sort keeps the order of equal ones."""


class NotEnough(Exception):
    """The clusters have no room for the replicas; the message is Karmada's own."""


@dataclass(frozen=True)
class Assigned:
    """Replicas by cluster, with bounds for those that depend on a tie."""

    shares: Mapping[str, int]
    tied: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unordered: bool = False
    """More clusters have the same room than Go sorts in a known order: which of them are filled first isn't known."""

    def plus(self, other: Assigned) -> Assigned:
        """Return both as one; no cluster is in both."""
        return Assigned({**self.shares, **other.shares}, {**self.tied, **other.tied}, self.unordered or other.unordered)


def divides(placement: Object) -> bool:
    """Return whether a placement divides replicas; without `replicaScheduling` they are duplicated."""
    scheduling = placement.get("replicaScheduling")
    return scheduling is not None and scheduling.get("replicaSchedulingType", "Divided") == "Divided"


def by_room(placement: Object) -> bool:
    """Return whether replicas are divided by the room that clusters have."""
    scheduling = placement.get("replicaScheduling") or {}
    if scheduling.get("replicaSchedulingType") != "Divided":
        return False
    if scheduling.get("replicaDivisionPreference") == "Aggregated":
        return True
    return bool((scheduling.get("weightPreference") or {}).get("dynamicWeight"))


def assign(
    taken: Sequence[Candidate],
    placement: Object,
    demand: Demand,
    current: Current,
    scheduler: Scheduler,
    *,
    overflowing: bool = False,
) -> Assigned:
    """Return the replicas of each cluster; clusters without replicas are left out.

    Args:
        taken: the clusters that spread constraints selected, in Karmada's order.
        placement: the placement as the control plane stores it.
        demand: what the template needs.
        current: how it is scheduled now.
        scheduler: the control plane's scheduler.
        overflowing: whether the group has affinities to overflow to: each tier is filled before the next one.

    Raises:
        NotEnough: the clusters don't have room for all replicas.
    """
    if not overflowing:
        return _without_empty(_assign(taken, demand.count, placement, demand, current, scheduler))
    result = Assigned({})
    left = demand.count
    for tier in sorted({one.tier for one in taken}):
        ones = [one for one in taken if one.tier == tier]
        count = min(left, sum(one.whole for one in ones))
        result = result.plus(_without_empty(_assign(ones, count, placement, demand, current, scheduler)))
        left -= count
        if left <= 0:
            return result
    raise NotEnough("Clusters available replicas are not enough to schedule.")


def _without_empty(found: Assigned) -> Assigned:
    shares = {name: count for name, count in found.shares.items() if count > 0}
    return Assigned(shares, found.tied, found.unordered)


def _assign(
    taken: Sequence[Candidate],
    count: int,
    placement: Object,
    demand: Demand,
    current: Current,
    scheduler: Scheduler,
) -> Assigned:
    scheduling = placement.get("replicaScheduling") or {}
    if scheduling.get("replicaSchedulingType", "Duplicated") != "Divided":
        return Assigned({one.name: count for one in taken})
    if by_room(placement):
        aggregated = scheduling.get("replicaDivisionPreference") == "Aggregated"
        return _by_room(taken, count, current, _Rules(scheduler, demand.uid, aggregated))
    weights = static_weights([one.cluster for one in taken], scheduling, scheduler)
    last = {name: share or 0 for name, share in current.shares.items()}
    if not weights:
        # No weight applies to any of them: all weigh the same, and their current replicas break no tie.
        weights, last = {one.name: 1 for one in taken}, {}
    return _assigned(divide_by_weight(count, weights, scheduler, uid=demand.uid, last=last))


def _assigned(division: Division) -> Assigned:
    return Assigned(division.shares, division.tied)


@dataclass(frozen=True)
class _Rules:
    scheduler: Scheduler
    uid: str
    aggregated: bool


def _by_room(taken: Sequence[Candidate], count: int, current: Current, rules: _Rules) -> Assigned:
    names = {one.name for one in taken}
    scheduled = {name: share or 0 for name, share in current.shares.items() if name in names}
    assigned = sum(scheduled.values())
    rooms = {one.name: one.room for one in taken}
    if current.fresh:
        whole = {name: room + scheduled.get(name, 0) for name, room in rooms.items()}
        return _spread(count, whole, {}, rules)
    if assigned == count:
        return Assigned(scheduled)
    if assigned < count:
        return _spread(count - assigned, rooms, scheduled, rules)
    # Before 1.17, clusters that are no longer chosen keep a part of their replicas, too.
    kept = scheduled if rules.scheduler.since(17) else {name: share or 0 for name, share in current.shares.items()}
    return _spread(count, kept, {}, rules)


def _spread(count: int, rooms: Mapping[str, int], scheduled: Mapping[str, int], rules: _Rules) -> Assigned:
    """Divide replicas by room, and add them to the replicas that are scheduled already."""
    if sum(rooms.values()) < count:
        raise NotEnough(f"Clusters available replicas {sum(rooms.values())} are not enough to schedule.")
    order = sorted(rooms.items(), key=lambda one: -one[1])
    unordered = False
    if rules.aggregated:
        unordered = len(order) > _STABLE and len({room for _, room in order}) < len(order)
        order = _fewest_clusters(count, order, scheduled)
    division = divide_by_weight(count, dict(order), rules.scheduler, uid=rules.uid, last=scheduled)
    merged = {**scheduled, **{name: share + scheduled.get(name, 0) for name, share in division.shares.items()}}
    tied = {
        name: (low + scheduled.get(name, 0), high + scheduled.get(name, 0))
        for name, (low, high) in division.tied.items()
    }
    return Assigned(merged, tied, unordered)


def _fewest_clusters(count: int, order: list[tuple[str, int]], scheduled: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the first clusters that have enough room together; clusters with replicas come before all others."""
    first = [one for one in order if scheduled.get(one[0], 0) > 0]
    result, total = [], 0
    for one in first + [one for one in order if one not in first]:
        result.append(one)
        total += one[1]
        if total >= count:
            break
    return result
