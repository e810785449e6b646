"""By which stages a workload moves, so that no replica goes before its successor is healthy. Pure data.

A stage changes either the placement of the workload's policies or the replicas of its templates, never both: Karmada's
controllers may see two changes in either order. Each is waited for before the next one. On the way no cluster gets
fewer replicas than it has to run: those of before until the copies that come are healthy, those of after from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from flotilla.karmada.scheduling import ClusterFacts, Scheduler, Shares, divides
from flotilla.karmada.scheduling.defaults import with_default_tolerations
from flotilla.karmada.scheduling.division import divide_by_weight, static_weights
from flotilla.kube.objects import Object, ObjectRef

Weights = Mapping[str, int]


@dataclass(frozen=True)
class Shift:
    """Where one template runs before a move, and where after it."""

    ref: ObjectRef
    before: Shares
    after: Shares
    replicas: int | None = None
    """The template's own; None for kinds without."""
    live: int | None = None
    """Those that it has now: a move that broke off has left it with more."""
    uid: str = ""
    known: Shares | None = None
    """Where it ran before a move that broke off: what is elsewhere now may not be healthy yet. None without one."""

    @property
    def counted(self) -> bool:
        """Karmada divides its replicas, or gives all of them to each cluster."""
        return bool(self.replicas or self.live)

    @property
    def both(self) -> dict[str, int]:
        """What each cluster has to run at least until the copies that come are healthy."""
        return {name: max(self.before.get(name) or 0, self.after.get(name) or 0) for name in self.names}

    @property
    def names(self) -> list[str]:
        """The clusters of before and of after."""
        return list(dict.fromkeys([*self.before, *self.after]))

    @property
    def leaving(self) -> set[str]:
        """The clusters that lose the copy, or a part of its replicas."""
        return _fewer(self.after, self.before)

    @property
    def coming(self) -> set[str]:
        """The clusters that get a copy, or more replicas."""
        known = self.before if self.known is None else self.known
        sure = {name: min(count or 0, known[name] or 0) for name, count in self.before.items() if name in known}
        return _fewer(sure, self.after)


def _fewer(one: Shares, other: Shares) -> set[str]:
    """Return the clusters that have less by one division than by another."""
    return {name for name, count in other.items() if name not in one or (one[name] or 0) < (count or 0)}


class Until(StrEnum):
    """How long a stage is waited for."""

    SCHEDULED = "scheduled"
    """Until Karmada has scheduled by it."""
    HEALTHY = "healthy"
    """Until the copies that come are healthy, too."""
    WRITTEN = "written"
    """Not at all: it is what is declared, and the workload's rollout waits for it."""


@dataclass(frozen=True)
class Stage:
    """One state of the control plane on the way."""

    until: Until
    placement: Object
    """Karmada's Placement, for all policies of the workload."""
    replicas: Mapping[ObjectRef, int] = field(default_factory=dict)
    """The replicas of each template that has any."""


class NoWayError(Exception):
    """There are no stages by which no replica goes before its successor is there; says why."""


def moves(shifts: Iterable[Shift]) -> bool:
    """Return whether something leaves one cluster and comes to another: else there is nothing to wait for."""
    return any(one.leaving and one.coming for one in shifts)


@dataclass(frozen=True)
class Way:
    """What the stages of a move depend on."""

    shifts: Sequence[Shift]
    """The workload's templates."""
    after: Object
    """The placement that is declared."""
    clusters: Sequence[ClusterFacts]
    """Every cluster."""
    schedulers: Sequence[Scheduler]
    """The control plane's; several where its version isn't known: what is done is right for each of them."""

    def stages(self, before: Object) -> tuple[Stage, ...]:
        """Return the stages of a move; the last one is what is declared.

        Args:
            before: the placement by which the templates are scheduled.

        Raises:
            NoWayError: several templates divide their replicas so differently that no weights are right for all.
        """
        return self._tolerating(self._stages(before), before)

    def _stages(self, before: Object) -> list[Stage]:
        names = _together(one.names for one in self.shifts)
        live = {one.ref: one.live or 0 for one in self.counted}
        if not self.counted or not (divides(before) or divides(self.after)):
            wide = everywhere(names)
            return [Stage(Until.HEALTHY, wide, live), *self._lowered(wide, live)]
        weights = {name: max(one.both.get(name, 0) for one in self.counted) for name in names}
        raised = {one.ref: self._enough(one, weights) for one in self.counted}
        then = self._then(raised)
        held, first = before, list[Stage]()
        if divides(before):
            needed = {one.ref: one.before for one in self.counted}
            kept = self._weights(needed, [_each(needed), *needed.values()], (live, raised))
            held = by_weight(_together(one.before for one in self.shifts), kept)
            first = [Stage(Until.SCHEDULED, held, live)]
        return [
            *first,
            Stage(Until.SCHEDULED, held, raised),
            Stage(Until.HEALTHY, by_weight(names, weights), raised),
            Stage(Until.SCHEDULED, then, raised),
            *self._lowered(then, raised),
        ]

    def ending(self) -> tuple[Stage, ...]:
        """Return the stages that end a move which broke off, where nothing has to come any more.

        Raises:
            NoWayError: as for `stages`.
        """
        live = {one.ref: one.live or 0 for one in self.counted}
        if live == self._own:
            return (Stage(Until.WRITTEN, self.after, live),)
        then = self._then(live)
        return self._tolerating([Stage(Until.SCHEDULED, then, live), *self._lowered(then, live)], self.after)

    @property
    def counted(self) -> list[Shift]:
        """The templates that have replicas."""
        return [one for one in self.shifts if one.counted]

    @property
    def _own(self) -> dict[ObjectRef, int]:
        return {one.ref: one.replicas or 0 for one in self.counted}

    def _lowered(self, then: Object, live: Mapping[ObjectRef, int]) -> list[Stage]:
        """Return the last stages: templates get the replicas back that they had, then policies what is declared."""
        lowered = [Stage(Until.SCHEDULED, then, self._own)] if self._own != live else []
        return [*lowered, Stage(Until.WRITTEN, self.after, self._own)]

    def _then(self, raised: Mapping[ObjectRef, int]) -> Object:
        """Return a placement by which templates have what they have after the move, raised or not."""
        names = _together(one.after for one in self.shifts)
        if not divides(self.after):
            return everywhere(names)
        needed = {one.ref: one.after for one in self.counted}
        staying = [one for one in self.clusters if one.name in names]
        declared = [static_weights(staying, self.after["replicaScheduling"], one) for one in self.schedulers]
        tried = [_each(needed), *needed.values(), *declared]
        return by_weight(names, self._weights(needed, tried, (raised, self._own)))

    def _weights(
        self, needed: Mapping[ObjectRef, Shares], tried: Iterable[Shares], totals: Sequence[Mapping[ObjectRef, int]]
    ) -> Weights:
        """Return the first weights by which each template gets what it needs, by each of its numbers of replicas.

        Raises:
            NoWayError: none of them is right for all.
        """
        for shares in tried:
            weights = {name: count for name, count in shares.items() if count}
            each = ((one, total[one.ref]) for one in self.counted for total in totals)
            if all(self._gets(one, replicas, weights, needed[one.ref]) for one, replicas in each):
                return weights
        raise NoWayError("its templates divide their replicas so differently that no weights suit all of them")

    def _gets(self, one: Shift, replicas: int, weights: Weights, needed: Shares) -> bool:
        """Return whether each cluster certainly gets as many replicas as it needs."""
        for scheduler in self.schedulers:
            found = divide_by_weight(replicas, weights, scheduler, uid=one.uid)
            least = {**found.shares, **{name: low for name, (low, _) in found.tied.items()}}
            if any(least.get(name, 0) < (count or 0) for name, count in needed.items()):
                return False
        return True

    def _enough(self, one: Shift, weights: Weights) -> int:
        """Return the fewest replicas of which each cluster gets as many as it needs, before and after."""
        positive = {name: weight for name, weight in weights.items() if weight}
        least = sum(one.both.values())
        # So many are enough by any method of division: each cluster gets a multiple of its weight.
        times = max((-(-count // positive[name]) for name, count in one.both.items() if count), default=0)
        found = (n for n in range(least, sum(positive.values()) * times) if self._gets(one, n, positive, one.both))
        return next(found, max(least, sum(positive.values()) * times))

    def _tolerating(self, stages: Sequence[Stage], before: Object) -> tuple[Stage, ...]:
        """Return the stages with what either placement tolerates: else a cluster's taints would keep copies out."""
        listed = [t for one in (before, self.after) for t in one.get("clusterTolerations") or []]
        once = [one for index, one in enumerate(listed) if one not in listed[:index]]
        if not once:
            return tuple(stages)
        more = {"clusterTolerations": with_default_tolerations(once)}
        return tuple(
            one if one.until is Until.WRITTEN else replace(one, placement={**one.placement, **more}) for one in stages
        )


def _each(shares: Mapping[ObjectRef, Shares]) -> Shares:
    """Return the most that any of several templates has in each cluster."""
    return {name: max(one.get(name) or 0 for one in shares.values()) for name in _together(shares.values())}


def _together(names: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for some in names for name in some))


def everywhere(names: Sequence[str]) -> Object:
    """Return the placement that gives each of some clusters a whole copy."""
    return {**_on(names), "replicaScheduling": {"replicaSchedulingType": "Duplicated"}}


def by_weight(names: Sequence[str], weights: Shares) -> Object:
    """Return the placement that divides replicas over clusters by weights; those without a weight get none."""
    listed = [
        {"targetCluster": {"clusterNames": [name]}, "weight": weight} for name, weight in weights.items() if weight
    ]
    scheduling = {
        "replicaSchedulingType": "Divided",
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"staticWeightList": listed},
    }
    return {**_on(names), "replicaScheduling": scheduling}


def _on(names: Sequence[str]) -> Object:
    return {"clusterAffinity": {"clusterNames": list(names)}}
