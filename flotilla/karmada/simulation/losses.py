"""The loss of each cluster, region and zone, and which of these are single points of failure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from flotilla.karmada.scheduling import ClusterFacts, Decision, Depends
from flotilla.karmada.simulation.outcome import Outcome, Verdict, outcomes_from, starts
from flotilla.karmada.simulation.world import Assumed, World


@dataclass(frozen=True)
class Loss:
    """The consequences of losing a cluster, a region or a zone."""

    kind: str
    """cluster, region or zone."""
    name: str
    clusters: tuple[str, ...]
    """The clusters that are lost."""
    outcomes: tuple[Outcome, ...]

    @property
    def ends(self) -> tuple[Outcome, ...]:
        """Templates of which nothing runs any more."""
        return tuple(one for one in self.outcomes if one.verdict is Verdict.LOST and one.certain)

    @property
    def may_end(self) -> tuple[Outcome, ...]:
        """Templates of which possibly nothing runs any more: only Karmada knows."""
        return tuple(one for one in self.outcomes if one.may_end and one not in self.ends)

    @property
    def single_point(self) -> bool:
        """Whether a template ends with it."""
        return bool(self.ends)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; templates without changes are left out."""
        return {
            "kind": self.kind,
            "name": self.name,
            "clusters": list(self.clusters),
            "singlePointOfFailure": self.single_point,
            "lost": [one.template for one in self.ends],
            "mayBeLost": [one.template for one in self.may_end],
            "templates": [one.to_json() for one in self.outcomes if one.verdict is not Verdict.SAME],
        }


def losses(world: World, assumed: Assumed | None = None) -> list[Loss]:
    """Return the consequences of losing each cluster, region and zone, one at a time, in addition to assumptions.

    A cluster in several zones is lost with a zone only if that is its last one.
    """
    given = assumed or Assumed()
    every = [one for one in (*world.clusters, *given.joins) if one.name not in given.without]
    begun = starts(world)
    return [
        Loss(kind, name, names, tuple(outcomes_from(world, replace(given, without=given.without | set(names)), begun)))
        for kind, name, names in domains(every)
    ]


def domains(clusters: Iterable[ClusterFacts]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return everything that may be lost at once: kind, name, and clusters."""
    listed = sorted(clusters, key=lambda one: one.name)
    found: list[tuple[str, str, tuple[str, ...]]] = [("cluster", one.name, (one.name,)) for one in listed]
    regions = sorted({one.region for one in listed} - {""})
    zones = sorted({zone for one in listed for zone in one.zones})
    found += [("region", name, tuple(one.name for one in listed if one.region == name)) for name in regions]
    found += [("zone", name, tuple(one.name for one in listed if set(one.zones) == {name})) for name in zones]
    return [one for one in found if one[2]]


def all_in_one(decision: Decision, *, replicas: int | None = None) -> list[str]:
    """Return the clusters of which exactly one will have all copies of a template; empty where two may have some.

    Args:
        decision: where Karmada schedules a template.
        replicas: the total of divided replicas; None where they aren't divided.
    """
    if not isinstance(decision, Depends):
        running = [name for name, count in decision.shares.items() if count != 0]
        return running if len(running) == 1 else []
    names = list(decision.candidates)
    return names if len(names) == 1 or replicas == 1 else []
