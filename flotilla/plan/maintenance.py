"""Maintenance of members in a plan: which workloads leave, which come back, and which don't."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flotilla.counts import counted
from flotilla.karmada.cordons import DRAIN, maintenance_of, mode_of
from flotilla.karmada.scheduling import ClusterFacts, Scheduler, by_room, choose, replicas_of
from flotilla.karmada.status.expected import unready_reason
from flotilla.kube.objects import Object
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.rollouts import templates_in
from flotilla.plan.shifts import Shift
from flotilla.plan.steps import Step
from flotilla.plan.workloads import WorkloadPlan

_UNREADY = (
    "{name}: {why}: Karmada removes its copies once it answers again, and until then nobody can check the removal; new "
    "copies start elsewhere anyway"
)


@dataclass(frozen=True)
class Shifted:
    """A template's replicas that leave a member, or come back to it."""

    workload: str
    shift: Shift
    pending: Mapping[str, int] = field(default_factory=dict)
    """By cluster, the minimum of new replicas for which it has no room, by what its Cluster reports."""


@dataclass(frozen=True)
class MemberMaintenance:
    """The maintenance of a member, before and after a plan."""

    member: str
    before: str
    """The text on its Cluster: `drain: new kernel`; empty for none."""
    after: str
    leaving: tuple[Shifted, ...] = ()
    returning: tuple[Shifted, ...] = ()
    away: tuple[str, ...] = ()
    """Workloads that could run there again but stay where they are: Karmada divides only missing replicas."""
    in_later_group: tuple[str, ...] = ()
    """Like `away`, because they moved to a later group of their placement and Karmada goes back to no earlier group."""
    unready: str = ""
    """Why the member isn't Ready, if anything is to leave it."""

    @property
    def drained(self) -> bool:
        """Whether workloads leave it, or have left it."""
        return mode_of(self.after) == DRAIN

    @property
    def title(self) -> str:
        """What happens to the member's maintenance, in a line."""
        if not self.after:
            return f"{self.member} is no longer under maintenance (was {self.before})"
        return f"{self.member}: {self.after}" + ("" if self.before == self.after else f" (was {self.before or 'none'})")

    @property
    def lines(self) -> list[str]:
        """What moves, a line each."""
        found = [_UNREADY.format(name=self.member, why=self.unready)] if self.unready else []
        found += [f"{one.workload}: {one.shift.text_from(self.member)}{_pending(one)}" for one in self.leaving]
        found += [f"{one.workload}: {one.shift.text_to(self.member)}" for one in self.returning]
        found += [
            f"{name}: stays where it is, because Karmada divides only missing replicas by capacity; `flotilla uncordon "
            f"{self.member} --rebalance` divides it again"
            for name in self.away
        ]
        found += [
            f"{name}: stays where it is, because Karmada goes back to no earlier group of a placement; rename the "
            "groups, and Karmada begins with the first"
            for name in self.in_later_group
        ]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the maintenance in its JSON form."""
        return {
            "member": self.member,
            "before": self.before,
            "after": self.after,
            "leaving": [_json(one) for one in self.leaving],
            "returning": [_json(one) for one in self.returning],
            "away": list(self.away),
            "inLaterGroup": list(self.in_later_group),
            **({"unready": self.unready} if self.unready else {}),
        }

    def with_pending(self, pending: Mapping[str, Mapping[str, int]]) -> MemberMaintenance:
        """Return a copy with the replicas that have no room, by template and cluster."""
        leaving = (replace(one, pending=pending.get(one.shift.template, {})) for one in self.leaving)
        return replace(self, leaving=tuple(leaving))


def _pending(one: Shifted) -> str:
    texts = [f"{counted(count, 'replica')} in {name}" for name, count in sorted(one.pending.items())]
    return f"; without room, so pending: {', '.join(texts)}" if texts else ""


def _json(one: Shifted) -> dict[str, Any]:
    pending = {"pending": dict(one.pending)} if one.pending else {}
    return {"workload": one.workload, **one.shift.to_json(), **pending}


@dataclass(frozen=True)
class _Choosing:
    """The members after a plan, from which placements choose."""

    members: Collection[ClusterFacts]
    scheduler: Scheduler | None

    def chooses(self, cluster: str, placement: Object) -> bool:
        chosen = choose(self.members, placement, scheduler=self.scheduler).chosen
        return any(one.name == cluster for one in chosen)


def maintenance_plans(
    steps: Iterable[Step],
    workloads: Iterable[WorkloadPlan],
    members: Collection[ClusterFacts],
    clusters: Mapping[str, Object],
    scheduler: Scheduler | None = None,
) -> tuple[MemberMaintenance, ...]:
    """Return the members whose stack declares maintenance, before or after, with the workloads that move.

    Args:
        steps: the steps of the plan.
        workloads: the workloads' plans.
        members: the clusters after the plan, as placements match them.
        clusters: the control plane's Clusters, by name, as far as they are known.
        scheduler: the scheduler of the control plane, where it is known.
    """
    every, listed = list(steps), list(workloads)
    rollouts = {step.name.removesuffix("-rollout"): step for step in every if step.type == ROLLOUT_TYPE}
    found = []
    look = _Choosing(members, scheduler)
    for step in every:
        state = step.after
        if step.type != CLUSTER_TYPE or state is None:
            continue
        before, after = maintenance_of(step.before.plain) if step.before else "", maintenance_of(state.plain)
        if before or after:
            name = str((state.plain.get("metadata") or {}).get("name"))
            one = _of(name, before, after, listed)
            if mode_of(before) == DRAIN != mode_of(after):
                away = [plan for plan in listed if _stays_away(plan, rollouts.get(plan.name), name, look)]
                grouped = tuple(plan.name for plan in away if _has_groups(rollouts[plan.name]))
                one = replace(
                    one,
                    away=tuple(plan.name for plan in away if plan.name not in grouped),
                    in_later_group=grouped,
                )
            live = clusters.get(name) if one.leaving else None
            found.append(replace(one, unready=unready_reason(live)) if live else one)
    return tuple(sorted(found, key=lambda one: one.member))


def _of(name: str, before: str, after: str, workloads: list[WorkloadPlan]) -> MemberMaintenance:
    drained, was = mode_of(after) == DRAIN, mode_of(before) == DRAIN
    shifted = [Shifted(one.name, shift) for one in workloads for shift in one.shifts]
    return MemberMaintenance(
        name,
        before,
        after,
        tuple(one for one in shifted if drained and name in one.shift.gone),
        tuple(one for one in shifted if was and not drained and name in one.shift.come),
    )


def _has_groups(step: Step) -> bool:
    state = step.after
    return state is not None and bool((state.plain.get("placement") or {}).get("clusterAffinities"))


def _stays_away(plan: WorkloadPlan, step: Step | None, cluster: str, look: _Choosing) -> bool:
    """Return whether a workload may run in a cluster again but Karmada has no reason to move replicas back."""
    new, old = (step.after, step.before) if step else (None, None)
    if new is None or old is None:
        return False
    placements = [state.plain.get("placement") or {} for state in (old, new)]
    chosen = [look.chooses(cluster, placement) for placement in placements]
    replicated = any(replicas_of(one) for one in templates_in(new.plain))
    standing = by_room(placements[1]) or bool(placements[1].get("clusterAffinities"))
    if chosen != [False, True] or not replicated or not standing:
        return False
    comes = any(cluster in shift.come for shift in plan.shifts)
    return not comes and not any(cluster in one.candidates for one in plan.undecided)
