"""The stages of a move, so that no replica is removed before its successor is healthy. This is pure data.

A stage changes either the placement of the workload's policies or the replicas of its templates, never both, because
Karmada's controllers may see two changes in either order. Each stage has to finish before the next one begins. In
between, no cluster gets fewer replicas than it has to run: those of before the move until the new copies are healthy,
and those of after the move from then on.
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
    """The clusters of one template before and after a move."""

    ref: ObjectRef
    before: Shares
    after: Shares
    replicas: int | None = None
    """The template's own replicas; None for kinds without replicas."""
    live: int | None = None
    """Its current replicas: an interrupted move may have left more."""
    uid: str = ""
    known: Shares | None = None
    """Its clusters before an interrupted move: copies in other clusters may not be healthy yet. None without such a
    move."""

    @property
    def counted(self) -> bool:
        """Whether it has replicas, which Karmada divides or gives to each cluster."""
        return bool(self.replicas or self.live)

    @property
    def both(self) -> dict[str, int]:
        """The replicas that each cluster has to run at least until the new copies are healthy."""
        return {name: max(self.before.get(name) or 0, self.after.get(name) or 0) for name in self.names}

    @property
    def names(self) -> list[str]:
        """The clusters before and after the move."""
        return list(dict.fromkeys([*self.before, *self.after]))

    @property
    def leaving(self) -> set[str]:
        """The clusters that lose the copy, or some of its replicas."""
        return _fewer(self.after, self.before)

    @property
    def coming(self) -> set[str]:
        """The clusters that get a copy, or more replicas."""
        known = self.before if self.known is None else self.known
        sure = {name: min(count or 0, known[name] or 0) for name, count in self.before.items() if name in known}
        return _fewer(sure, self.after)


def _fewer(one: Shares, other: Shares) -> set[str]:
    """Return the clusters that have less in one division than in another."""
    return {name for name, count in other.items() if name not in one or (one[name] or 0) < (count or 0)}


class Until(StrEnum):
    """What ends the wait for a stage."""

    SCHEDULED = "scheduled"
    """Karmada has scheduled according to the stage."""
    HEALTHY = "healthy"
    """In addition, the new copies are healthy."""
    WRITTEN = "written"
    """No wait: this stage is the declaration, and the workload's rollout waits for it."""


@dataclass(frozen=True)
class Stage:
    """One state of the control plane during a move."""

    until: Until
    placement: Object
    """Karmada's Placement, for all policies of the workload."""
    replicas: Mapping[ObjectRef, int] = field(default_factory=dict)
    """The replicas of each template that has replicas."""


class NoWayError(Exception):
    """No stages guarantee that each replica has a successor before it is removed; the message says why."""


def moves(shifts: Iterable[Shift]) -> bool:
    """Return whether a copy leaves one cluster and another one comes; otherwise there is nothing to wait for."""
    return any(one.leaving and one.coming for one in shifts)


@dataclass(frozen=True)
class Way:
    """Everything that the stages of a move depend on."""

    shifts: Sequence[Shift]
    """The workload's templates."""
    after: Object
    """The declared placement."""
    clusters: Sequence[ClusterFacts]
    """Every cluster."""
    schedulers: Sequence[Scheduler]
    """The control plane's scheduler; several where its version isn't known: the stages then suit all of them."""

    def stages(self, before: Object) -> tuple[Stage, ...]:
        """Return the stages of a move; the last one is the declaration.

        Args:
            before: the placement by which the templates are scheduled.

        Raises:
            NoWayError: several templates divide their replicas so differently that no weights suit all of them.
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
        current, first = before, list[Stage]()
        if divides(before):
            needed = {one.ref: one.before for one in self.counted}
            kept = self._weights(needed, [_each(needed), *needed.values()], (live, raised))
            current = by_weight(_together(one.before for one in self.shifts), kept)
            first = [Stage(Until.SCHEDULED, current, live)]
        return [
            *first,
            Stage(Until.SCHEDULED, current, raised),
            Stage(Until.HEALTHY, by_weight(names, weights), raised),
            Stage(Until.SCHEDULED, then, raised),
            *self._lowered(then, raised),
        ]

    def ending(self) -> tuple[Stage, ...]:
        """Return the stages that end an interrupted move, if no new copies are needed any more.

        Raises:
            NoWayError: see `stages`.
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
        """Return the last stages: reset the replicas of the templates, then write the declared placement."""
        lowered = [Stage(Until.SCHEDULED, then, self._own)] if self._own != live else []
        return [*lowered, Stage(Until.WRITTEN, self.after, self._own)]

    def _then(self, raised: Mapping[ObjectRef, int]) -> Object:
        """Return a placement by which templates have their shares of after the move, with raised replicas or not."""
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
        """Return the first weights by which each template gets what it needs, for each of its numbers of replicas.

        Raises:
            NoWayError: no weights suit all templates.
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
        """Return the fewest replicas with which each cluster gets as many as it needs, before and after the move."""
        positive = {name: weight for name, weight in weights.items() if weight}
        least = sum(one.both.values())
        # This number is enough with any method of division: each cluster gets a multiple of its weight.
        times = max((-(-count // positive[name]) for name, count in one.both.items() if count), default=0)
        found = (n for n in range(least, sum(positive.values()) * times) if self._gets(one, n, positive, one.both))
        return next(found, max(least, sum(positive.values()) * times))

    def _tolerating(self, stages: Sequence[Stage], before: Object) -> tuple[Stage, ...]:
        """Return the stages with the tolerations of both placements: otherwise taints would exclude copies."""
        listed = [t for one in (before, self.after) for t in one.get("clusterTolerations") or []]
        once = [one for index, one in enumerate(listed) if one not in listed[:index]]
        if not once:
            return tuple(stages)
        more = {"clusterTolerations": with_default_tolerations(once)}
        return tuple(
            one if one.until is Until.WRITTEN else replace(one, placement={**one.placement, **more}) for one in stages
        )


def _each(shares: Mapping[ObjectRef, Shares]) -> Shares:
    """Return the greatest share of several templates in each cluster."""
    return {name: max(one.get(name) or 0 for one in shares.values()) for name in _together(shares.values())}


def _together(names: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for some in names for name in some))


def everywhere(names: Sequence[str]) -> Object:
    """Return the placement that gives each of some clusters a whole copy."""
    return {**_on(names), "replicaScheduling": {"replicaSchedulingType": "Duplicated"}}


def by_weight(names: Sequence[str], weights: Shares) -> Object:
    """Return the placement that divides replicas among clusters by weights; clusters without a weight get none."""
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
