"""A simulation of a stack: from its plan, the current data of the control plane, and assumptions."""

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
    """The result of a simulation."""

    assumed: Assumed
    known: KnownFailover
    """The known settings of this Karmada's failover."""
    notes: tuple[str, ...]
    """Remarks on the data that the simulation uses."""
    outcomes: tuple[Outcome, ...] = ()
    """The outcome for each template; empty if nothing is assumed."""
    losses: tuple[Loss, ...] = ()
    """The effects of losing each cluster, region and zone, if they were requested."""
    each: bool = False
    """Whether `losses` were requested."""
    otherwise: tuple[ChangedDecision, ...] = ()
    """The decisions that differ in another version of Karmada."""
    unread: tuple[str, ...] = ()
    """Workloads that aren't simulated, because the engine doesn't show their objects."""

    @property
    def ending(self) -> list[str]:
        """One line for each part that doesn't survive, or may not survive."""
        found = [f"{loss_text(loss)}: {ends_text(loss.ends)}" for loss in self.losses if loss.ends]
        found += [f"{loss_text(loss)}: perhaps {ends_text(loss.may_end)}" for loss in self.losses if loss.may_end]
        found += [ends_text([one]) for one in self.outcomes if one.verdict is Verdict.LOST or one.may_end]
        found += [f"perhaps {name}, which isn't simulated" for name in self.unread]
        return found

    @property
    def single_points(self) -> list[Loss]:
        """The losses that end a workload."""
        return [one for one in self.losses if one.single_point]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data."""
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
    """Simulate a stack's workloads.

    Args:
        result: the stack's preview.
        seen: the data of its control plane (`seen_of`).
        control_plane: the declared control plane, with its installation (`Fleet.installed`).
        asked: the assumptions.
        each: simulate the loss of every cluster, region and zone too, in addition to the assumptions.
        failover: whether failover is enabled, as given by the user; None if the user doesn't say.

    Raises:
        BadAssumption: an assumption can't be read, or names something that isn't in the fleet.
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
        found.append(f"not simulated, because the engine doesn't show their objects: {', '.join(unread)}")
    if unasked:
        found.append(f"the control plane was not asked ({unasked}): workloads are where the last `up` saw them")
    if changes:
        found.append("the stack has changes that aren't applied yet: this is the result after `up`")
    if world.down:
        names = ", ".join(sorted(world.down))
        found.append(f"not ready, or not in the fleet, so that copies there don't count as running: {names}")
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
    """Return the data of a stack's control plane; if it doesn't answer soon, only the reason."""
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
    """Return the ClusterTaintPolicies; before Karmada 1.14 there are none."""
    with suppress(KindNotServed):
        return connection.list(POLICY_API, "ClusterTaintPolicy")
    return []
