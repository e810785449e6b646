"""Where a template finally is after Karmada has reacted to the assumptions; the scheduler runs as often as in Karmada.

Karmada schedules a template again when a cluster's labels or spec change, including taints, and each time the template
is evicted from a cluster. The order in which several clusters are evicted at once isn't known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations

from flotilla.karmada.cordons import CORDON
from flotilla.karmada.scheduling import (
    Certain,
    ClusterFacts,
    Current,
    Decision,
    Demand,
    Depends,
    Scheduler,
    Taint,
    Why,
    agreed,
    decide,
    demand_of,
    first_of,
    replicas_field,
)
from flotilla.karmada.scheduling.defaults import as_stored
from flotilla.karmada.scheduling.facts import Object
from flotilla.karmada.simulation.failover import Failover, evicted_after, taints_of_down
from flotilla.karmada.simulation.world import Assumed, Placed, World

_ALL_ORDERS = 3
"""With more clusters than this, not every order is tried."""


@dataclass(frozen=True)
class Settled:
    """Where a template finally is."""

    decision: Decision
    evicted: Mapping[str, int] = field(default_factory=dict)
    """Clusters that it is evicted from, with the seconds between their taint and the eviction."""
    returns: tuple[str, ...] = ()
    """Clusters to which it returns after its eviction, and from which it is evicted again."""


def demand(world: World, placed: Placed, scheduler: Scheduler | None, template: Object | None = None) -> Demand:
    """Return what a template needs from scheduling."""
    return demand_of(template or placed.template, scheduler or Scheduler(), interpreted=world.interpreted)


def scaled(placed: Placed, assumed: Assumed, scheduler: Scheduler | None) -> Object:
    """Return a template with the assumed replicas; unchanged where none are assumed, or its kind has none."""
    name = str(placed.template["metadata"]["name"])
    count = next(
        (assumed.replicas[key] for key in (placed.ref, name, placed.workload) if key in assumed.replicas), None
    )
    key = replicas_field(placed.template, scheduler.version) if scheduler else replicas_field(placed.template)
    if count is None or key is None:
        return placed.template
    return {**placed.template, "spec": {**(placed.template.get("spec") or {}), key: count}}


def before(world: World, placed: Placed) -> Decision:
    """Return where Karmada has a template once it has applied the declaration, and nothing else happens."""
    if placed.suspended:
        return Certain(placed.current.shares, placed.current.group, problem=placed.current.problem)
    tried = [replace(placed.current, group=group) for group in placed.groups] or [placed.current]
    asked = demand(world, placed, world.scheduler)
    found = [decide(world.clusters, placed.placement, asked, current=one, scheduler=world.scheduler) for one in tried]
    return agreed(found, Why.GROUP)


@dataclass(frozen=True)
class Scene:
    """The clusters after the assumed events, for one way of handling failures."""

    failover: Failover
    clusters: Sequence[ClusterFacts]


def scenes(world: World, assumed: Assumed) -> list[Scene]:
    """Return the clusters after the assumed events; the same result serves all templates."""
    ways = assumed.failovers or world.failovers or (Failover(),)
    return [Scene(way, clusters_after(world, assumed, way)) for way in ways]


def after(
    world: World, assumed: Assumed, placed: Placed, start: Decision, staged: Sequence[Scene] | None = None
) -> Settled:
    """Return where Karmada has a template after it has reacted.

    Args:
        world: the fleet now.
        assumed: the assumed events.
        placed: the template.
        start: where it was (`before`); if that is open, the first possible choice is assumed.
        staged: the clusters after the events (`scenes`), if they were computed before.
    """
    if placed.suspended:
        return Settled(start)
    scheduler = assumed.scheduler or world.scheduler
    staged = scenes(world, assumed) if staged is None else staged
    found = [
        _Simulation(world, assumed, placed, scheduler, scene.failover).end(start, scene.clusters) for scene in staged
    ]
    last = found[-1]
    return Settled(
        agreed([one.decision for one in found], Why.FAILOVER),
        last.evicted if all(one.evicted == last.evicted for one in found) else {},
        tuple(dict.fromkeys(name for one in found for name in one.returns)),
    )


def clusters_after(world: World, assumed: Assumed, failover: Failover) -> list[ClusterFacts]:
    """Return the clusters with their new taints, and the clusters that join."""
    scheduler = assumed.scheduler or world.scheduler
    version = scheduler.version if scheduler else world.version
    result = []
    for one in world.clusters:
        taints = list(one.taints)
        taints += [CORDON] if one.name in assumed.cordoned and CORDON not in taints else []
        taints += [taint for name, taint in assumed.taints if name == one.name and taint not in taints]
        changed = replace(one, taints=tuple(taints))
        if one.name in assumed.without:
            found = taints_of_down(
                changed,
                failover,
                pull=one.name in world.pull,
                conditions=world.conditions.get(one.name, {}),
                policies=world.taint_policies,
                version=version,
            )
            changed = replace(changed, taints=found)
        result.append(changed)
    return [*result, *(one for one in assumed.joins if one.name not in world.names)]


@dataclass(frozen=True)
class _Simulation:
    """The events for one template, for one way of handling failures."""

    world: World
    assumed: Assumed
    placed: Placed
    scheduler: Scheduler | None
    failover: Failover

    def end(self, start: Decision, clusters: Sequence[ClusterFacts]) -> Settled:
        placement = self._placement()
        shares = dict(first_of(start))
        problem = start.problem if isinstance(start, Certain) else ""
        current = Current(shares, start.group, placement, problem, self.placed.current.evicting)
        # New taints and labels make Karmada schedule again before it evicts anything.
        looked = self._decide(clusters, placement, current)
        evicted = self._evictions(clusters, placement, first_of(looked))
        if not evicted:
            return Settled(looked)
        found = [self._without(order, clusters, placement, looked) for order in self._orders(list(evicted))]
        decision = agreed(found, Why.ORDER)
        if len(evicted) > _ALL_ORDERS and not isinstance(decision, Depends) and decision.shares:
            decision = self._any(decision)
        return Settled(decision, evicted, self._returns(clusters, placement, decision, evicted))

    def _placement(self) -> Object:
        """Return the placement as the control plane stores it: an upgrade keeps the defaults of the version before."""
        given = self.placed.placement
        return as_stored(given, self.world.scheduler) if self.world.scheduler else given

    def _decide(self, clusters: Sequence[ClusterFacts], placement: Object, current: Current) -> Decision:
        template = scaled(self.placed, self.assumed, self.scheduler)
        asked = demand(self.world, self.placed, self.scheduler, template)
        return decide(clusters, placement, asked, current=current, scheduler=self.scheduler)

    def _evictions(
        self, clusters: Sequence[ClusterFacts], placement: Object, shares: Mapping[str, int | None]
    ) -> dict[str, int]:
        """Return the clusters from which the template is evicted, with the seconds, soonest first."""
        if not self.failover.taints_evict:
            return {}
        existing = {one.name: set(one.taints) for one in self.world.clusters}
        tolerations = placement.get("clusterTolerations") or []
        if self.world.scheduler is None and self.scheduler is None:
            tolerations = as_stored(placement, Scheduler()).get("clusterTolerations") or []
        found: dict[str, int] = {}
        for one in clusters:
            new: list[Taint] = [taint for taint in one.taints if taint not in existing.get(one.name, set())]
            if one.name in shares and any(taint.effect == "NoExecute" for taint in new):
                seconds = evicted_after(one.taints, tolerations)
                if seconds is not None:
                    found[one.name] = seconds
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))

    def _orders(self, names: list[str]) -> list[tuple[str, ...]]:
        if len(names) <= _ALL_ORDERS:
            return list(permutations(names))
        return [tuple(names), tuple(reversed(names))]

    def _without(
        self, order: Sequence[str], clusters: Sequence[ClusterFacts], placement: Object, start: Decision
    ) -> Decision:
        """Return the decision after the template was evicted from the clusters, one after another."""
        decision, evicting, open_ = start, set(self.placed.current.evicting), isinstance(start, Depends)
        for name in order:
            shares = {other: count for other, count in first_of(decision).items() if other != name}
            evicting.add(name)
            problem = decision.problem if isinstance(decision, Certain) else ""
            current = Current(shares, decision.group, placement, problem, frozenset(evicting))
            decision = self._decide(clusters, placement, current)
            open_ = open_ or (isinstance(decision, Depends) and name != order[-1])
        return self._any(decision) if open_ else decision

    def _any(self, decision: Decision) -> Depends:
        """Return a decision that follows open ones: every choice among the same clusters is possible."""
        shares = first_of(decision)
        names = decision.candidates if isinstance(decision, Depends) else shares
        template = scaled(self.placed, self.assumed, self.scheduler)
        most = demand(self.world, self.placed, self.scheduler, template).count
        lost = self.assumed.without
        fitting = [one.name for one in self.world.clusters if one.name not in decision.refused]
        candidates = {name: (0, most) for name in dict.fromkeys((*names, *fitting)) if name not in lost}
        why = decision.why if isinstance(decision, Depends) else Why.ORDER
        return Depends(candidates, why, shares, decision.group, decision.refused, may_fail=True)

    def _returns(
        self, clusters: Sequence[ClusterFacts], placement: Object, decision: Decision, evicted: Mapping[str, int]
    ) -> tuple[str, ...]:
        """Return the clusters that are chosen again once the template is evicted from them.

        A cluster whose taint the template doesn't tolerate at all isn't chosen.
        """
        if not any(evicted.values()):
            return ()
        problem = decision.problem if isinstance(decision, Certain) else ""
        current = Current(first_of(decision), decision.group, placement, problem)
        again = first_of(self._decide(clusters, placement, current))
        return tuple(name for name in evicted if name in again)
