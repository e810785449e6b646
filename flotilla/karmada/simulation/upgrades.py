"""What another version of Karmada decides otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.scheduling import (
    Certain,
    Current,
    Decision,
    Scheduler,
    Shares,
    agreed,
    choose,
    decide,
    first_of,
)
from flotilla.karmada.scheduling.decision import Why
from flotilla.karmada.simulation.settling import demand
from flotilla.karmada.simulation.world import Placed, World


@dataclass(frozen=True)
class Otherwise:
    """A template that another version would schedule otherwise, were it scheduled anew."""

    workload: str
    template: str
    now: Shares
    """By the version of today."""
    then: Shares
    fits: tuple[str, ...] = ()
    """Clusters that the placement chooses then, and doesn't today."""
    no_longer: tuple[str, ...] = ()
    """Clusters that it chooses today, and doesn't then."""
    open: Mapping[str, str] = field(default_factory=dict)
    """What decides where one of the two isn't certain: `now` and `then`."""

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "workload": self.workload,
            "template": self.template,
            "now": dict(self.now),
            "then": dict(self.then),
            **({"fits": list(self.fits)} if self.fits else {}),
            **({"noLonger": list(self.no_longer)} if self.no_longer else {}),
            **({"open": dict(self.open)} if self.open else {}),
        }


def otherwise(world: World, scheduler: Scheduler) -> list[Otherwise]:
    """Return the templates that another version schedules otherwise, if it schedules them anew.

    A new version doesn't schedule anew what it finds scheduled: it does with the next change of replicas or placement,
    and with a WorkloadRebalancer. Where today's version isn't known, nothing can be compared.
    """
    if world.scheduler is None:
        return []
    found = [_otherwise(world, placed, world.scheduler, scheduler) for placed in world.placed]
    return [one for one in found if one is not None]


def _otherwise(world: World, placed: Placed, now: Scheduler, then: Scheduler) -> Otherwise | None:
    old, new = _anew(world, placed, now), _anew(world, placed, then)
    fits = [
        [one.name for one in choose(world.clusters, placed.placement, scheduler=each).chosen] for each in (now, then)
    ]
    came = tuple(name for name in fits[1] if name not in fits[0])
    went = tuple(name for name in fits[0] if name not in fits[1])
    if not came and not went and _same(old, new):
        return None
    sides = {"now": old, "then": new}
    open_ = {side: one.why.value for side, one in sides.items() if not isinstance(one, Certain)}
    return Otherwise(placed.workload, placed.ref, first_of(old), first_of(new), came, went, open_)


def _anew(world: World, placed: Placed, scheduler: Scheduler) -> Decision:
    return decide(
        world.clusters, placed.placement, demand(world, placed, scheduler), current=Current(), scheduler=scheduler
    )


def _same(one: Decision, other: Decision) -> bool:
    """Return whether two versions decide the same, or leave open the same."""
    both = agreed([one, other], Why.VERSION)
    if isinstance(both, Certain):
        return True
    if isinstance(one, Certain) or isinstance(other, Certain):
        return False
    return (dict(one.candidates), one.total) == (dict(other.candidates), other.total)
