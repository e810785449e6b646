"""The outcome of a simulation for each template: what runs before and after, what is lost, which rules are broken."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from flotilla.karmada.scheduling import (
    Certain,
    ClusterFacts,
    Decision,
    Depends,
    Shares,
    divides,
    first_of,
    replicas_of,
)
from flotilla.karmada.scheduling.spread import constraints_of
from flotilla.karmada.simulation.room import Pending, without_room
from flotilla.karmada.simulation.settling import Settled, after, before, scaled, scenes
from flotilla.karmada.simulation.world import Assumed, Placed, World

_SPREAD_FIELDS = ("cluster", "region", "zone", "provider")


class Verdict(StrEnum):
    """The result for a template."""

    SAME = "same"
    """Nothing changes."""
    CHANGES = "changes"
    """It runs elsewhere or differently, but not less than before."""
    FEWER = "fewer"
    """Less of it runs than before, but not nothing."""
    LOST = "lost"
    """Nothing of it runs any more."""
    DEPENDS = "depends"
    """Only Karmada knows whether any of it runs."""


@dataclass(frozen=True)
class Outcome:
    """What happens to one template."""

    workload: str
    template: str
    verdict: Verdict
    before: Shares
    """The clusters that had it, with their replicas; None for kinds without replicas."""
    after: Shares
    """The clusters that have it then; if that is open, one of the possible choices."""
    lost: tuple[str, ...] = ()
    """Clusters that are down and had a copy."""
    open: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The least and the most replicas by cluster, where only Karmada knows the decision."""
    why: str = ""
    """What an open decision depends on; if that is free capacity, `after` uses the capacity that Clusters report
    now."""
    certain: bool = True
    """Whether the verdict is the same for every possible choice of Karmada."""
    problem: str = ""
    """Why Karmada can no longer schedule it, in Karmada's own words."""
    evicted: Mapping[str, int] = field(default_factory=dict)
    """Clusters that it is evicted from, with the seconds for which it tolerates their taint."""
    returns: tuple[str, ...] = ()
    """Clusters to which it returns and from which it is evicted again, as long as the taint exists."""
    interrupted: bool = False
    """All copies that ran were in lost clusters: nothing runs until copies run elsewhere."""
    broken: tuple[str, ...] = ()
    """Spread constraints that are no longer met, as texts."""
    pending: Mapping[str, int] = field(default_factory=dict)
    """The minimum of replicas that stay pending, by cluster: the cluster reports no room for them."""
    may_end: bool = False
    """Possibly nothing of it runs any more."""
    guessed: bool = False
    """The situation before isn't certain either: one of Karmada's possible choices is assumed."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "workload": self.workload,
            "template": self.template,
            "verdict": str(self.verdict),
            "certain": self.certain,
            "before": dict(self.before),
            "after": dict(self.after),
            **({"lost": list(self.lost)} if self.lost else {}),
            **(
                {"open": {name: {"least": low, "most": high} for name, (low, high) in self.open.items()}}
                if self.open
                else {}
            ),
            **({"why": self.why} if self.why else {}),
            **({"problem": self.problem} if self.problem else {}),
            **({"evicted": dict(self.evicted)} if self.evicted else {}),
            **({"returns": list(self.returns)} if self.returns else {}),
            **({"interrupted": True} if self.interrupted else {}),
            **({"broken": list(self.broken)} if self.broken else {}),
            **({"pending": dict(self.pending)} if self.pending else {}),
            **({"beforeIsOpen": True} if self.guessed else {}),
        }


def outcomes(world: World, assumed: Assumed) -> list[Outcome]:
    """Return the outcome for every template, in the order of the templates.

    Raises:
        ValueError: a quantity or an operator in a template or a placement isn't valid in Kubernetes.
    """
    return outcomes_from(world, assumed, starts(world))


def starts(world: World) -> list[Decision]:
    """Return where every template is before anything happens."""
    blind = world.blind()
    return [_start(world, blind, placed) for placed in world.placed]


def outcomes_from(world: World, assumed: Assumed, begun: Sequence[Decision]) -> list[Outcome]:
    """Return the outcome for every template, given where they are before (`starts`)."""
    stage = _Stage(world, assumed)
    found = [_outcome(stage, placed, start) for placed, start in zip(world.placed, begun, strict=True)]
    pending = without_room(world, assumed, [Pending(one.template, one.before, one.after) for one in found])
    return [replace(one, pending=pending.get(one.template, {})) for one in found]


def judged(world: World, assumed: Assumed, placed: Placed) -> tuple[Settled, Settled]:
    """Return where a template finally is: with the capacity that clusters report now, and with any capacity."""
    return _Stage(world, assumed).ends(placed, _start(world, world.blind(), placed))


class _Stage:
    """The clusters after the assumed events, computed once for all templates."""

    def __init__(self, world: World, assumed: Assumed) -> None:
        self.world, self.assumed = world, assumed
        self._blind = world.blind()
        self._without_capacity = replace(assumed, joins=tuple(replace(one, capacity=None) for one in assumed.joins))
        self._known_scenes, self._blind_scenes = scenes(world, assumed), scenes(self._blind, self._without_capacity)

    def ends(self, placed: Placed, start: Decision) -> tuple[Settled, Settled]:
        """Return where a template finally is: with the capacity of now, and with any capacity."""
        ever = after(self._blind, self._without_capacity, placed, start, self._blind_scenes)
        if isinstance(ever.decision, Certain):
            return ever, ever
        return after(self.world, self.assumed, placed, start, self._known_scenes), ever

    def leaves_unaffected(self, start: Decision) -> bool:
        """Return whether a template isn't affected: clusters are only lost, and it is in none of them."""
        alone = self.assumed == Assumed(without=self.assumed.without)
        known = isinstance(start, Certain) and not start.problem
        return alone and known and not self.assumed.without & set(first_of(start))


def _start(world: World, blind: World, placed: Placed) -> Decision:
    with_any_capacity = before(blind, placed)
    return with_any_capacity if isinstance(with_any_capacity, Certain) else before(world, placed)


def _outcome(stage: _Stage, placed: Placed, start: Decision) -> Outcome:
    world, assumed = stage.world, stage.assumed
    if stage.leaves_unaffected(start):
        shares = first_of(start)
        return Outcome(placed.workload, placed.ref, Verdict.SAME, shares, shares)
    by_now, ever = stage.ends(placed, start)
    settled = ever if isinstance(ever.decision, Certain) else by_now
    had, has = first_of(start), first_of(settled.decision)
    down = world.down | assumed.without
    counting = _Counting(world, assumed, placed)
    verdict = counting.verdict(had, settled.decision)
    with_any_capacity = counting.verdict(had, ever.decision)
    certain = isinstance(ever.decision, Certain) or verdict is with_any_capacity
    open_ = next((one.decision for one in (by_now, ever) if isinstance(one.decision, Depends)), None)
    open_ = None if isinstance(ever.decision, Certain) else open_
    ran = {name for name, count in had.items() if count != 0 and name not in world.down}
    gone = tuple(name for name, count in had.items() if name in assumed.without - world.down and count != 0)
    every = counting.clusters()
    return Outcome(
        placed.workload,
        placed.ref,
        verdict,
        had,
        has,
        gone,
        dict(open_.candidates) if open_ else {},
        open_.why.value if open_ else "",
        certain,
        settled.decision.problem if isinstance(settled.decision, Certain) else "",
        settled.evicted,
        settled.returns,
        bool(ran) and ran <= set(gone) and verdict is not Verdict.LOST,
        tuple(_broken(placed, every, _running(had, world.down), _running(has, down))),
        may_end=bool({verdict, with_any_capacity} & {Verdict.LOST, Verdict.DEPENDS}),
        guessed=isinstance(start, Depends),
    )


def _running(shares: Shares, down: Collection[str]) -> list[str]:
    return [name for name, count in shares.items() if count != 0 and name not in down]


@dataclass(frozen=True)
class _Counting:
    """Computes how much of a template runs."""

    world: World
    assumed: Assumed
    placed: Placed

    def clusters(self) -> dict[str, ClusterFacts]:
        return {one.name: one for one in (*self.world.clusters, *self.assumed.joins)}

    def verdict(self, had: Shares, decision: Decision) -> Verdict:
        down = self.world.down | self.assumed.without
        ran = self._count(had, self.world.down)
        least, most = self._bounds(decision, down)
        if not ran:
            return Verdict.SAME if dict(first_of(decision)) == dict(had) else Verdict.CHANGES
        if not most:
            return Verdict.LOST if self._wanted() else Verdict.CHANGES
        if not least:
            return Verdict.DEPENDS
        if least < self._least_wanted(had, ran):
            return Verdict.FEWER
        same = isinstance(decision, Certain) and dict(decision.shares) == dict(had)
        return Verdict.SAME if same and not down & set(had) else Verdict.CHANGES

    def _replicas(self) -> int | None:
        scheduler = self.assumed.scheduler or self.world.scheduler
        return replicas_of(scaled(self.placed, self.assumed, scheduler), self.world.version)

    def _wanted(self) -> bool:
        return self._replicas() != 0

    def _least_wanted(self, had: Shares, ran: int) -> int:
        """Return how much has to run so that nothing is missing: what ran, or the wanted number if that is less."""
        now, then = replicas_of(self.placed.template, self.world.version), self._replicas()
        if now is None or then is None or then >= now:
            return ran
        if divides(self.placed.placement):
            return min(ran, then)
        return then * len(_running(had, self.world.down))

    def _count(self, shares: Shares, down: Collection[str]) -> int:
        """Return how many replicas run; for kinds without replicas, in how many clusters copies run."""
        running = {name: count for name, count in shares.items() if name not in down}
        return sum(1 if count is None else count for count in running.values())

    def _bounds(self, decision: Decision, down: Collection[str]) -> tuple[int, int]:
        """Return the least and the most that may run."""
        if isinstance(decision, Certain):
            count = self._count(decision.shares, down)
            return count, count
        up = {name: one for name, one in decision.candidates.items() if name not in down}
        least, most = sum(low for low, _ in up.values()), sum(high for _, high in up.values())
        if self._replicas() is None:
            return 0, len(up)
        if decision.total is not None and not decision.may_fail:
            elsewhere = sum(high for name, (_, high) in decision.candidates.items() if name in down)
            least, most = max(least, decision.total - elsewhere), min(most, decision.total)
        return least, most


def _broken(placed: Placed, clusters: Mapping[str, ClusterFacts], ran: list[str], runs: list[str]) -> list[str]:
    """Return the spread constraints that were met and no longer are, counting only copies that run."""
    found = []
    for name, rule in constraints_of(placed.placement).items():
        least = int(rule.get("minGroups") or 1)
        if name not in _SPREAD_FIELDS:
            continue
        had, has = (len({group for one in side for group in _groups(clusters.get(one), name)}) for side in (ran, runs))
        if has < least <= had:
            found.append(f"the spread constraint by {name} requires at least {least}, and it is in {has}")
    return found


def _groups(cluster: ClusterFacts | None, field_name: str) -> tuple[str, ...]:
    if cluster is None:
        return ()
    if field_name == "zone":
        return cluster.zones
    value = {"cluster": cluster.name, "region": cluster.region, "provider": cluster.provider}[field_name]
    return (value,) if value else ()
