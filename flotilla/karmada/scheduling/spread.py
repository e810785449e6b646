"""Which of the clusters that fit are selected, by spread constraints (pkg/scheduler/core/spreadconstraint)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flotilla.karmada.scheduling.facts import ClusterFacts, Object, Scheduler

_UNIT = 1000
_MOST_GROUPS = 16
"""With more regions than this, not all combinations are tried here."""


@dataclass(frozen=True)
class Candidate:
    """A cluster that fits, with what spread constraints and division depend on."""

    cluster: ClusterFacts
    score: int = 0
    """100 where the cluster has the template already, else 0."""
    room: int = 0
    """How many more replicas it has room for."""
    assigned: int = 0
    """How many replicas it has now."""
    tier: int = 0
    """0 where the group itself chooses it, else its position among the affinities that the group overflows to."""

    @property
    def name(self) -> str:
        """The name of the cluster."""
        return self.cluster.name

    @property
    def whole(self) -> int:
        """How many replicas it can have in all: its current ones and its room."""
        return self.room + self.assigned


class NotSelectable(Exception):
    """No set of clusters meets the constraints; the message is Karmada's own."""


class TooMany(Exception):
    """There are more combinations than are tried here: only Karmada knows which one it takes."""


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return clusters in Karmada's order: by tier, then those with the template, then by total room, then by name."""
    return sorted(candidates, key=lambda one: (*_level(one), -one.whole, one.name))


def constraints_of(placement: Object) -> dict[str, Object]:
    """Return a placement's spread constraints by field; empty where Karmada ignores them.

    Karmada ignores them where replicas are divided by static weight. A constraint by label has the empty name as its
    key: no version up to 1.18 supports it.
    """
    if ignores_spread(placement.get("replicaScheduling") or {}):
        return {}
    return {str(one.get("spreadByField") or ""): one for one in placement.get("spreadConstraints") or []}


def ignores_spread(scheduling: Object) -> bool:
    """Return whether a ReplicaSchedulingStrategy makes Karmada ignore spread constraints."""
    if scheduling.get("replicaSchedulingType") != "Divided":
        return False
    if scheduling.get("replicaDivisionPreference") != "Weighted":
        return False
    preference = scheduling.get("weightPreference")
    return preference is None or bool(preference.get("staticWeightList") and not preference.get("dynamicWeight"))


def needs_room(placement: Object, candidates: Sequence[Candidate], replicas: int) -> bool:
    """Return whether the selection among ranked clusters depends on their room for this number of replicas."""
    found = constraints_of(placement)
    if "region" in found or "cluster" not in found:
        return bool(found)
    most = _most(found["cluster"])
    if _divided(placement) and sum(one.assigned for one in candidates[:most]) < replicas:
        return True
    return 0 < most < len(candidates) and _level(candidates[most - 1]) == _level(candidates[most])


def _level(candidate: Candidate) -> tuple[int, int]:
    """Return the sort key before room: clusters of one level are selected by their room."""
    return candidate.tier, -candidate.score


def select(candidates: Sequence[Candidate], placement: Object, replicas: int, scheduler: Scheduler) -> list[Candidate]:
    """Return the selected clusters, in Karmada's order.

    Args:
        candidates: the clusters that fit, ranked.
        placement: the declared placement.
        replicas: the template's replicas; 0 for kinds without.
        scheduler: the control plane's scheduler.

    Raises:
        NotSelectable: the constraints can't be met.
        TooMany: there are too many regions to try all combinations.
    """
    found = constraints_of(placement)
    if not found:
        return list(candidates)
    if "region" in found:
        return _by_region(candidates, found, placement, replicas, scheduler)
    if "cluster" in found:
        return _by_cluster(candidates, found["cluster"], replicas if _divided(placement) else None)
    raise NotSelectable("just support cluster and region spread constraint")


def _divided(placement: Object) -> bool:
    return bool((placement.get("replicaScheduling") or {}).get("replicaSchedulingType") == "Divided")


def _least(constraint: Object) -> int:
    return int(constraint.get("minGroups") or 0)


def _most(constraint: Object) -> int:
    """Return the upper bound. A missing bound is 0, and Karmada then selects no cluster at all."""
    return int(constraint.get("maxGroups") or 0)


def _by_cluster(candidates: Sequence[Candidate], constraint: Object, replicas: int | None) -> list[Candidate]:
    if len(candidates) < _least(constraint):
        raise NotSelectable("the number of feasible clusters is less than spreadConstraint.MinGroups")
    count = min(len(candidates), _most(constraint))
    taken, rest = list(candidates[:count]), list(candidates[count:])
    if replicas is None:
        return taken
    place = count - 1
    # From the last to the first, each is exchanged for the one with the most room, until there is enough room.
    while sum(one.whole for one in taken) < replicas and place >= 0:
        better = max(rest, key=lambda one: one.whole, default=None)
        if better is not None and better.whole > taken[place].whole:
            where = rest.index(better)
            taken[place], rest[where] = rest[where], taken[place]
        place -= 1
    if not taken or sum(one.whole for one in taken) < replicas:
        raise NotSelectable(f"no enough resource when selecting {count} clusters")
    return taken


# -- by region --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Region:
    name: str
    clusters: tuple[Candidate, ...]
    weight: int

    @property
    def value(self) -> int:
        return len(self.clusters)


def _by_region(
    candidates: Sequence[Candidate],
    found: Mapping[str, Object],
    placement: Object,
    replicas: int,
    scheduler: Scheduler,
) -> list[Candidate]:
    by_region, by_cluster = found["region"], found.get("cluster") or {}
    members: dict[str, list[Candidate]] = {}
    for one in candidates:
        if one.cluster.region:
            members.setdefault(one.cluster.region, []).append(one)
    if len(members) < _least(by_region):
        raise NotSelectable("the number of feasible region is less than spreadConstraint.MinGroups")
    regions = [
        _Region(name, tuple(ones), _weight(ones, found, placement, replicas, scheduler))
        for name, ones in members.items()
    ]
    chosen = _select_regions(regions, _least(by_region), _most(by_region), _least(by_cluster))
    if not chosen:
        raise NotSelectable("the number of clusters is less than the cluster spreadConstraint.MinGroups")
    taken = [region.clusters[0] for region in chosen]
    rest = ranked(one for region in chosen for one in region.clusters[1:])
    more = min(len(rest) + len(taken), _most(by_cluster)) - len(taken)
    return taken + rest[: max(more, 0)]


def _weight(
    clusters: Sequence[Candidate],
    found: Mapping[str, Object],
    placement: Object,
    replicas: int,
    scheduler: Scheduler,
) -> int:
    """Return the weight of a region: the higher, the better."""
    if not scheduler.since(12):
        return clusters[0].score
    if not _divided(placement):
        valid = [one for one in clusters if one.whole >= replicas]
        return len(valid) * _UNIT + sum(one.score for one in valid) // len(valid) if valid else 0
    least = max(_least(found["region"]), 1)
    target = math.ceil(replicas / least)
    needed = max(_least(found.get("cluster") or {}), least)
    total = scores = count = 0
    for one in clusters:
        total, scores, count = total + one.whole, scores + one.score, count + 1
        if count >= needed and total >= target:
            break
    if total < target:
        return total * _UNIT + scores // len(clusters)
    return target * _UNIT + scores // count


def _select_regions(regions: Sequence[_Region], least: int, most: int, clusters: int) -> tuple[_Region, ...]:
    """Return the best set of regions that has enough clusters; empty where there is none."""
    if len(regions) > _MOST_GROUPS:
        raise TooMany
    order = sorted(regions, key=lambda one: (one.value, -one.weight, one.name))
    paths = list(_paths(order, least, most, clusters))
    if not paths:
        return ()
    # By weight, then by the number of clusters, then in the order in which they were found.
    found = [tuple(sorted(path, key=lambda one: (-one.weight, one.name))) for path in paths]
    found.sort(key=lambda path: (-sum(one.weight for one in path), -sum(one.value for one in path)))
    best = found[0]
    for path in found[1:]:
        if len(path) < len(best) and best[: len(path)] == path:
            best = path
    return best


def _paths(
    order: Sequence[_Region], least: int, most: int, clusters: int, path: tuple[_Region, ...] = ()
) -> Iterable[tuple[_Region, ...]]:
    if sum(one.value for one in path) >= clusters and least <= len(path) <= most:
        yield path
        return
    if len(path) >= most:
        return
    for place, one in enumerate(order):
        yield from _paths(order[place + 1 :], least, most, clusters, (*path, one))
