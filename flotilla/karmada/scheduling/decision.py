"""Where Karmada schedules a template, and with how many replicas: exactly, or the candidates and the reason.

Upstream: pkg/scheduler, scheduler.go and core/generic_scheduler.go, versions 1.10 to 1.18.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from flotilla.karmada.scheduling.affinity import groups_of, matches, overflows
from flotilla.karmada.scheduling.assignment import Assigned, NotEnough, assign, by_room
from flotilla.karmada.scheduling.capacity import UNBOUNDED, room
from flotilla.karmada.scheduling.defaults import as_stored
from flotilla.karmada.scheduling.demand import Demand
from flotilla.karmada.scheduling.facts import ClusterFacts, Current, Object, Scheduler, Shares
from flotilla.karmada.scheduling.fitting import Choice, Refusal, fit, is_workload
from flotilla.karmada.scheduling.spread import Candidate, NotSelectable, TooMany, needs_room, ranked, select
from flotilla.karmada.scheduling.triggers import schedules_again
from flotilla.karmada.versions import Version

_UNSCHEDULED = Current()
_EVERY = tuple(Scheduler(Version(1, minor)) for minor in (10, 12, 14, 15, 16, 17, 18))


class Why(StrEnum):
    """Why only Karmada can know what it will choose."""

    TIE = "a tie, which the template's UID or chance breaks"
    CAPACITY = "free capacity"
    INTERPRETER = "the interpreter of the kind's replicas"
    AFFINITY_OF_WORKLOADS = "the affinity among workloads"
    COMBINATIONS = "more combinations of regions than are tried"
    VERSION = "Karmada's version"
    GROUP = "the affinity group that it has taken before"
    FAILOVER = "whether this Karmada moves workloads away from failed clusters"
    ORDER = "the order in which clusters are given up"


@dataclass(frozen=True)
class Certain:
    """A decision that is known exactly."""

    shares: Shares
    """Replicas by cluster; None for kinds without replicas. Empty where no cluster gets the template."""
    group: str = ""
    """The affinity group in use; empty for a single affinity, and where only the clusters are certain."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """Why each other cluster isn't chosen, if the reason is the affinity, a taint, a kind or a field."""
    problem: str = ""
    """Why it can't be scheduled: no cluster fits, or the constraints can't be met. `shares` then stay as they were."""
    cleared: bool = False
    """No cluster fits, and Karmada removes the template from its clusters."""


@dataclass(frozen=True)
class Depends:
    """Karmada chooses among the candidates, and only Karmada can know which."""

    candidates: Mapping[str, tuple[int, int]]
    """The least and the most replicas, by cluster; 0 and 0 for kinds without replicas. A cluster with 0 may get
    nothing."""
    why: Why
    first: Shares = field(default_factory=dict)
    """One of the possible choices, always the same one: for callers that need a single choice."""
    group: str = ""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    total: int | None = None
    """All replicas that are divided; None where they aren't divided, or the sum isn't known."""
    may_fail: bool = False
    """Scheduling may also fail for lack of room: the template then goes nowhere, or stays as it is."""

    def allows(self, shares: Shares) -> bool:
        """Return whether Karmada may have made this choice."""
        given = {name: count or 0 for name, count in shares.items()}
        if not set(given) <= set(self.candidates):
            return False
        if not given and self.may_fail:
            return True
        within = all(low <= given.get(name, 0) <= high for name, (low, high) in self.candidates.items())
        return within and self.total in (None, sum(given.values()))


Decision = Certain | Depends


def decide(
    clusters: Collection[ClusterFacts],
    placement: Object,
    demand: Demand,
    *,
    current: Current = _UNSCHEDULED,
    scheduler: Scheduler | None = None,
) -> Decision:
    """Return where Karmada schedules a template, and with how many replicas.

    Args:
        clusters: every Cluster of the control plane, including those that are being deleted.
        placement: a Placement (policy/v1alpha1), as declared or as read.
        demand: what the template needs (`demand_of`).
        current: how it is scheduled now.
        scheduler: the control plane's scheduler; where it isn't known, a decision is certain only if every supported
            version makes it.

    Raises:
        ValueError: a label selector has an operator, or the template a quantity, that Kubernetes doesn't know.
    """
    if scheduler is None:
        found = [decide(clusters, placement, demand, current=current, scheduler=one) for one in _EVERY]
        return agreed(found, Why.VERSION)
    placement = as_stored(placement, scheduler)
    if not schedules_again(placement, demand, current, clusters, scheduler):
        return Certain(current.shares, current.group, problem=current.problem)
    question = _Question(clusters, placement, demand, current, scheduler)
    if placement.get("clusterAffinities") is None:
        return question.single()
    return question.groups()


def agreed(decisions: Sequence[Decision], why: Why) -> Decision:
    """Return one decision for several possible ones: `why` is what decides between those that differ."""
    last = decisions[-1]
    if any(one.group != last.group for one in decisions):
        last = replace(last, group="")
    if all(_same(one, last) for one in decisions):
        return last
    open_ = [one for one in decisions if isinstance(one, Depends)]
    bounds = _bounds(decisions)
    totals = {_total(one) for one in decisions}
    return Depends(
        bounds,
        open_[0].why if len({one.why for one in open_}) == 1 and len(open_) == len(decisions) else why,
        first_of(last),
        last.group,
        last.refused,
        totals.pop() if len(totals) == 1 else None,
        may_fail=any(one.may_fail if isinstance(one, Depends) else bool(one.problem) for one in decisions),
    )


def _same(one: Decision, other: Decision) -> bool:
    if isinstance(one, Certain) and isinstance(other, Certain):
        return dict(one.shares) == dict(other.shares) and bool(one.problem) == bool(other.problem)
    if isinstance(one, Depends) and isinstance(other, Depends):
        return (dict(one.candidates), one.why, one.may_fail) == (dict(other.candidates), other.why, other.may_fail)
    return False


def _total(decision: Decision) -> int | None:
    if isinstance(decision, Depends):
        return decision.total
    return sum(count or 0 for count in decision.shares.values())


def _bounds(decisions: Sequence[Decision]) -> dict[str, tuple[int, int]]:
    """Return the least and the most that each cluster gets by any of several decisions."""
    given = [
        dict(one.candidates) if isinstance(one, Depends) else {n: (c or 0, c or 0) for n, c in one.shares.items()}
        for one in decisions
    ]
    names = list(dict.fromkeys(name for one in given for name in one))
    ranges = {name: [one.get(name, (0, 0)) for one in given] for name in names}
    return {name: (min(low for low, _ in all_), max(high for _, high in all_)) for name, all_ in ranges.items()}


def first_of(decision: Decision) -> Shares:
    """Return the certain choice, else one of the possible ones: always the same for the same question."""
    return decision.shares if isinstance(decision, Certain) else decision.first


def allows(decision: Decision, shares: Shares) -> bool:
    """Return whether Karmada may have made this choice."""
    if isinstance(decision, Depends):
        return decision.allows(shares)
    return {n: c or 0 for n, c in decision.shares.items()} == {n: c or 0 for n, c in shares.items()}


@dataclass(frozen=True)
class _Question:
    """One question, and the decision for each of the placement's affinities."""

    clusters: Collection[ClusterFacts]
    placement: Object
    demand: Demand
    current: Current
    scheduler: Scheduler

    def single(self) -> Decision:
        """Decide for a placement with one affinity, or none."""
        return self._try("", self.placement.get("clusterAffinity") or {})

    def groups(self) -> Decision:
        """Decide for ordered groups: the first one that can be met, starting with the group used now."""
        listed = groups_of(self.placement)
        names = [name for name, _ in listed]
        start = names.index(self.current.group) if self.current.group in names else 0
        failed: Certain | None = None
        open_: list[Depends] = []
        for name, affinity in listed[start:]:
            found = self._try(name, affinity)
            if isinstance(found, Depends):
                open_.append(found)
                if found.may_fail:
                    continue
            elif found.problem:
                failed = failed or found
                continue
            return _joined(open_, found)
        if open_:
            return _joined(open_, failed)
        # The reason is that of the first group, and so is whether the current clusters are cleared.
        return replace(failed, group=self.current.group) if failed else Certain({})

    def _try(self, group: str, affinity: Object) -> Decision:
        choice = fit(
            self.clusters,
            self.placement,
            affinity,
            self.demand,
            self.scheduler,
            before=self.current.shares,
            evicting=self.current.evicting,
            group=group,
        )
        if not choice.chosen:
            problem = _nothing_fits(self.clusters, choice)
            return Certain({}, group, choice.refusals, problem, cleared=True)
        unknown = self._unknown(choice)
        if unknown is not None:
            return unknown
        tiers = overflows(affinity, self.scheduler.version) if group else []
        rooms = {cluster.name: room(cluster, self.demand, self.scheduler) for cluster in choice.chosen}
        candidates = ranked(self._candidate(one, affinity, tiers, rooms[one.name] or 0) for one in choice.chosen)
        overflowing = bool(tiers) and is_workload(self.demand, self.scheduler)
        try:
            if None in rooms.values() and self._asks_for_room(candidates, overflowing=overflowing):
                return self._by_unknown_room(choice, candidates, overflowing=overflowing)
            return self._decided(choice, candidates, overflowing=overflowing)
        except (NotSelectable, NotEnough) as error:
            return Certain(self.current.shares, group, choice.refusals, str(error))
        except TooMany:
            return self._open(choice, Why.COMBINATIONS, {}, may_fail=True)

    def _unknown(self, choice: Choice) -> Depends | None:
        """Return the decision where the replicas, or the clusters that fit, aren't known; else None."""
        if self.demand.interpreted:
            return self._open(choice, Why.INTERPRETER, {one.name: None for one in choice.chosen}, may_fail=True)
        if self.placement.get("workloadAffinity"):
            first = {one.name: self.demand.replicas for one in choice.chosen}
            return self._open(choice, Why.AFFINITY_OF_WORKLOADS, first, may_fail=True)
        return None

    def _candidate(self, cluster: ClusterFacts, affinity: Object, tiers: Sequence[Object], room_left: int) -> Candidate:
        places = [affinity, *tiers]
        tier = next((n for n, one in enumerate(places) if matches(cluster, one, self.scheduler.version)), 0)
        return Candidate(
            cluster,
            100 if cluster.name in self.current.shares else 0,
            room_left,
            self.current.shares.get(cluster.name) or 0,
            tier,
        )

    def _asks_for_room(self, candidates: Sequence[Candidate], *, overflowing: bool) -> bool:
        """Return whether the decision depends on room; if replicas stay as they are or become fewer, it doesn't."""
        if overflowing or needs_room(self.placement, candidates, self.demand.count):
            return True
        return by_room(self.placement) and (self.current.fresh or self._more(candidates) > 0)

    def _more(self, candidates: Sequence[Candidate]) -> int:
        """Return how many replicas are added to those that the clusters have."""
        return self.demand.count - sum(one.assigned for one in candidates)

    def _decided(self, choice: Choice, candidates: Sequence[Candidate], *, overflowing: bool) -> Decision:
        taken = select(candidates, self.placement, self.demand.count, self.scheduler)
        if not taken:
            raise NotSelectable("no clusters available to schedule")
        if not is_workload(self.demand, self.scheduler):
            return Certain({one.name: self.demand.replicas for one in taken}, choice.group, choice.refusals)
        found = assign(taken, self.placement, self.demand, self.current, self.scheduler, overflowing=overflowing)
        shares: dict[str, int | None] = dict(found.shares)
        if self.scheduler.empty_propagation:
            shares |= {one.name: 0 for one in taken if one.name not in shares}
        if not found.tied and not found.unordered:
            return Certain(shares, choice.group, choice.refusals)
        return self._tied(choice, taken, found, shares)

    def _tied(self, choice: Choice, taken: Sequence[Candidate], found: Assigned, shares: Shares) -> Depends:
        total = sum(count or 0 for count in shares.values())
        if found.unordered:
            bounds = {one.name: (0, self.demand.count) for one in taken}
        else:
            bounds = {name: (count or 0, count or 0) for name, count in shares.items()} | dict(found.tied)
        return Depends(bounds, Why.TIE, shares, choice.group, choice.refusals, total)

    def _by_unknown_room(self, choice: Choice, candidates: Sequence[Candidate], *, overflowing: bool) -> Depends:
        """Return the decision where the room of some clusters isn't known; `first` assumes that each has enough.

        Raises:
            NotSelectable: the constraints can't be met, regardless of room.
        """
        enough = [one if one.room else replace(one, room=max(self.demand.count, 1)) for one in candidates]
        try:
            first = first_of(self._decided(choice, ranked(enough), overflowing=overflowing))
        except NotEnough:
            first = {}
        found = self._open(choice, Why.CAPACITY, first, may_fail=True)
        if overflowing or self.current.fresh or needs_room(self.placement, candidates, self.demand.count):
            return found
        # Replicas are only added, none are removed.
        more = self._more(candidates)
        kept = {one.name: (one.assigned, one.assigned + more) for one in candidates}
        return replace(found, candidates={**found.candidates, **kept})

    def _open(self, choice: Choice, why: Why, first: Shares, *, may_fail: bool) -> Depends:
        """Return the decision where any of the clusters that fit may be chosen."""
        most = UNBOUNDED if self.demand.interpreted else self.demand.count
        bounds = {one.name: (0, most) for one in choice.chosen}
        bounds |= {name: (0, max(most, share or 0)) for name, share in self.current.shares.items() if may_fail}
        return Depends(bounds, why, first, choice.group, choice.refusals, may_fail=may_fail)


def _joined(open_: Sequence[Depends], last: Decision | None) -> Decision:
    """Return one decision for ordered groups, where it isn't known whether the first ones can be met."""
    found = [*open_, *([last] if last is not None and last not in open_ else [])]
    if len(found) == 1:
        return found[0]
    bounds = {name: (0, most) for name, (_, most) in _bounds(found).items()}
    end = found[-1]
    fails = end.may_fail if isinstance(end, Depends) else bool(end.problem)
    return replace(open_[0], candidates=bounds, total=None, may_fail=fails)


def _nothing_fits(clusters: Collection[ClusterFacts], choice: Choice) -> str:
    """Return why no cluster fits, in Karmada's own words."""
    counted: dict[str, int] = {}
    for refusal in choice.refusals.values():
        text = _TEXTS[refusal.bar].format(refusal.detail)
        counted[text] = counted.get(text, 0) + 1
    reasons = sorted(f"{count} cluster(s) {text}" for text, count in counted.items())
    return f"0/{len(clusters)} clusters are available: {', '.join(reasons) or 'no cluster exists'}."


_TEXTS = {
    "affinity": "did not match the placement cluster affinity constraint",
    "taint": "had untolerated taint {{{0}}}",
    "kind": "did not have the API resource",
    "field": "did not have {0} property",
    "eviction": "is in the process of eviction",
    "deletion": "is being deleted",
}
