"""A simulation of a stack: its plan, what the control plane says beside it, and what is assumed."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flotilla.deploy.access import control_plane_of
from flotilla.deploy.interface import EngineName, Setting
from flotilla.errors import FlotillaError
from flotilla.karmada.objects import BINDING_API, POLICY_API
from flotilla.karmada.simulation.asking import Assumptions, assumed_of
from flotilla.karmada.simulation.failover import Failover
from flotilla.karmada.simulation.losses import Loss, losses
from flotilla.karmada.simulation.outcome import Outcome, Verdict, outcomes
from flotilla.karmada.simulation.texts import ends_text, loss_text
from flotilla.karmada.simulation.upgrades import ChangedDecision, changed_decisions
from flotilla.karmada.simulation.world import Assumed, World
from flotilla.kube.connection import Connection, KindNotServed
from flotilla.kube.objects import Object
from flotilla.plan.simulated import Seen, unread_workloads, world_of
from flotilla.plan.steps import Result
from flotilla.stack.fleet import ControlPlane
from flotilla.stack.moving import KnownFailover, failover_of

_ANSWER_SECONDS = 5.0
NOTHING = Assumptions()


@dataclass(frozen=True)
class Simulated:
    """What becomes of a stack's workloads."""

    assumed: Assumed
    known: KnownFailover
    """What is known of this Karmada's failover."""
    notes: tuple[str, ...]
    """What is to be known of what the simulation goes by."""
    outcomes: tuple[Outcome, ...] = ()
    """Of every template; empty where nothing is assumed."""
    losses: tuple[Loss, ...] = ()
    """Of every cluster, region and zone, where that was asked."""
    each: bool = False
    """It was asked."""
    otherwise: tuple[ChangedDecision, ...] = ()
    """What another version of Karmada decides otherwise."""
    unread: tuple[str, ...] = ()
    """Workloads that aren't simulated: the engine doesn't show what they send."""

    @property
    def ending(self) -> list[str]:
        """What doesn't survive, or may not, a line each."""
        found = [f"{loss_text(loss)}: {ends_text(loss.ends)}" for loss in self.losses if loss.ends]
        found += [f"{loss_text(loss)}: perhaps {ends_text(loss.may_end)}" for loss in self.losses if loss.may_end]
        found += [ends_text([one]) for one in self.outcomes if one.verdict is Verdict.LOST or one.may_end]
        found += [f"perhaps {name}, which isn't simulated" for name in self.unread]
        return found

    @property
    def single_points(self) -> list[Loss]:
        """The losses that end something."""
        return [one for one in self.losses if one.single_point]

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        counts = Counter(str(one.verdict) for one in self.outcomes)
        points = [{"kind": one.kind, "name": one.name} for one in self.single_points]
        each = {"each": [one.to_json() for one in self.losses], "singlePointsOfFailure": points}
        return {
            "assumed": _assumed(self.assumed),
            "failover": self.known.text,
            "notes": list(self.notes),
            **({} if self.assumed.nothing else {"templates": [one.to_json() for one in self.outcomes]}),
            **({} if self.assumed.nothing else {"summary": dict(counts)}),
            **({"otherwise": [one.to_json() for one in self.otherwise]} if self.assumed.scheduler else {}),
            **(each if self.each else {}),
        }


def simulated(
    result: Result,
    seen: Seen,
    control_plane: ControlPlane,
    asked: Assumptions = NOTHING,
    *,
    each: bool = False,
    failover: bool | None = None,
) -> Simulated:
    """Return what becomes of a stack's workloads.

    Args:
        result: the stack's preview.
        seen: what its control plane says (`seen_of`).
        control_plane: as the stack declares it, with how it is installed (`Fleet.installed`).
        asked: what is assumed.
        each: the loss of every cluster, region and zone, too, on top of that.
        failover: it is on, or off, as somebody says who knows; None where nobody does.

    Raises:
        BadAssumption: what is assumed can't be read, or isn't in the fleet.
        FlotillaError: a template can't be read.
    """
    known = failover_of(control_plane, given=failover)

    def ways(release: str) -> tuple[Failover, ...]:
        return failover_of(control_plane, release=release, given=failover).ways

    unread = unread_workloads(result)
    try:
        world = world_of(result, seen, version=control_plane.version, failovers=known.ways)
        assumed = assumed_of(asked, world, ways)
        return Simulated(
            assumed,
            known,
            tuple(_notes(world, seen.unasked or result.unasked, unread, changes=bool(result.changes))),
            () if assumed.nothing else tuple(outcomes(world, assumed)),
            tuple(losses(world, assumed)) if each else (),
            each,
            tuple(changed_decisions(world, assumed.scheduler)) if assumed.scheduler else (),
            unread,
        )
    except ValueError as error:
        raise FlotillaError(f"a workload can't be simulated: {error}", hint="correct its template") from None


def _notes(world: World, unasked: str, unread: tuple[str, ...], *, changes: bool) -> list[str]:
    found = []
    if unread:
        found.append(f"not simulated, for the engine doesn't show what they send: {', '.join(unread)}")
    if unasked:
        found.append(f"the control plane was not asked ({unasked}): where workloads are is what the last `up` saw")
    if changes:
        found.append("the stack declares what isn't applied yet: this is what it is after `up`")
    if world.down:
        names = ", ".join(sorted(world.down))
        found.append(f"not ready, or not in the fleet, so that what is there doesn't count as running: {names}")
    return found


def _assumed(assumed: Assumed) -> dict[str, Any]:
    return {
        "without": sorted(assumed.without),
        "cordon": sorted(assumed.cordoned),
        "taints": [{"member": name, "taint": str(taint)} for name, taint in assumed.taints],
        "replicas": dict(assumed.replicas),
        "members": [one.name for one in assumed.joins],
        "karmada": str(assumed.scheduler.version) if assumed.scheduler else "",
    }


def seen_of(setting: Setting, engine: EngineName) -> Seen:
    """Return what a stack's control plane says; where it doesn't answer soon, that it doesn't."""
    try:
        connection = control_plane_of(setting, engine)
        connection.ready(doing="asking how workloads are scheduled", timeout=_ANSWER_SECONDS)
        bindings = [
            one for kind in ("ResourceBinding", "ClusterResourceBinding") for one in connection.list(BINDING_API, kind)
        ]
        return Seen(tuple(bindings), tuple(_taint_policies(connection)))
    except FlotillaError as error:
        return Seen(unasked=error.message)


def _taint_policies(connection: Connection) -> list[Object]:
    """Return the ClusterTaintPolicies; a Karmada before 1.14 has none."""
    with suppress(KindNotServed):
        return connection.list(POLICY_API, "ClusterTaintPolicy")
    return []
