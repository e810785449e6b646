"""Which decisions another version of Karmada makes differently."""

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
class ChangedDecision:
    """A template that another version would schedule differently, if it scheduled the template again."""

    workload: str
    template: str
    now: Shares
    """The decision of the current version."""
    then: Shares
    fits: tuple[str, ...] = ()
    """Clusters that the other version's placement chooses, and the current one's doesn't."""
    no_longer: tuple[str, ...] = ()
    """Clusters that the current version's placement chooses, and the other one's doesn't."""
    open: Mapping[str, str] = field(default_factory=dict)
    """What a decision depends on if it isn't certain; the keys are `now` and `then`."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "workload": self.workload,
            "template": self.template,
            "now": dict(self.now),
            "then": dict(self.then),
            **({"fits": list(self.fits)} if self.fits else {}),
            **({"noLonger": list(self.no_longer)} if self.no_longer else {}),
            **({"open": dict(self.open)} if self.open else {}),
        }


def changed_decisions(world: World, scheduler: Scheduler) -> list[ChangedDecision]:
    """Return the templates that another version schedules differently, if it schedules them again.

    A new version doesn't reschedule what is scheduled already: it does so with the next change of replicas or
    placement, and with a WorkloadRebalancer. If the current version isn't known, nothing can be compared.
    """
    if world.scheduler is None:
        return []
    found = [_changed_decision(world, placed, world.scheduler, scheduler) for placed in world.placed]
    return [one for one in found if one is not None]


def _changed_decision(world: World, placed: Placed, now: Scheduler, then: Scheduler) -> ChangedDecision | None:
    old, new = _fresh_decision(world, placed, now), _fresh_decision(world, placed, then)
    fits = [
        [one.name for one in choose(world.clusters, placed.placement, scheduler=each).chosen] for each in (now, then)
    ]
    came = tuple(name for name in fits[1] if name not in fits[0])
    went = tuple(name for name in fits[0] if name not in fits[1])
    if not came and not went and _same(old, new):
        return None
    sides = {"now": old, "then": new}
    open_ = {side: one.why.value for side, one in sides.items() if not isinstance(one, Certain)}
    return ChangedDecision(placed.workload, placed.ref, first_of(old), first_of(new), came, went, open_)


def _fresh_decision(world: World, placed: Placed, scheduler: Scheduler) -> Decision:
    return decide(
        world.clusters, placed.placement, demand(world, placed, scheduler), current=Current(), scheduler=scheduler
    )


def _same(one: Decision, other: Decision) -> bool:
    """Return whether two versions make the same decision, or leave the same choices open."""
    both = agreed([one, other], Why.VERSION)
    if isinstance(both, Certain):
        return True
    if isinstance(one, Certain) or isinstance(other, Certain):
        return False
    return (dict(one.candidates), one.total) == (dict(other.candidates), other.total)
