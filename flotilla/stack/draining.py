"""Decides which workloads leave the drained members and which stay, and returns the placements for Karmada.

A drain changes placements (docs/decisions/maintenance.md): a workload that can run elsewhere gets a placement that
excludes the drained members. The stack file doesn't change, so its placement applies again when the drain ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flotilla.karmada.scheduling import ClusterFacts, Scheduler, choose, matches
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.stack.fleet import facts, may_run_in
from flotilla.stack.maintenance import Duplicated
from flotilla.stack.members import Member
from flotilla.stack.placement import Affinity, Placement, ReplicaStrategy, SpreadField
from flotilla.stack.problems import Problem
from flotilla.stack.specs import affinity_of, placement_of
from flotilla.stack.workloads import Workload

_NOWHERE = (
    "duplicated: it has a copy in every cluster of its placement, so it can't move (`duplicated: remove` deletes the "
    "copy)"
)
_ITS_OWN = "its own policies place it, and Flotilla doesn't change these: exclude the member there"


@dataclass(frozen=True)
class Staying:
    """A workload that stays in a drained member."""

    workload: str
    member: str
    why: str

    def __str__(self) -> str:
        return f"workload {self.workload}: stays in {self.member}, which is drained: {self.why}"


@dataclass(frozen=True)
class Drained:
    """The result of the drains for a stack's workloads."""

    workloads: tuple[Workload, ...]
    """The workloads with the placements for Karmada."""
    staying: tuple[Staying, ...] = ()
    problems: tuple[Problem, ...] = ()


def drained(workloads: Sequence[tuple[int, Workload]], members: Sequence[Member], version: Version | None) -> Drained:
    """Return a stack's workloads with placements that exclude the drained members.

    Args:
        workloads: the workloads, each with its position in the file.
        members: every member that a placement may choose.
        version: Karmada's version, which decides the meaning of `zones`; None (not known) means the newest.
    """
    if not any(member.drained for member in members):
        return Drained(tuple(workload for _, workload in workloads))
    if all(member.drained for member in members):
        return Drained((), (), (_nothing_left(members),))
    found: list[Workload] = []
    staying: list[Staying] = []
    problems: list[Problem] = []
    for index, workload in workloads:
        case = _Case(workload, members, version or SUPPORTED.newest)
        changed, stays, problem = case.decide(f"workloads[{index}].placement")
        found.append(changed)
        staying += stays
        problems += problem
    return Drained(tuple(found), tuple(staying), tuple(problems))


def _nothing_left(members: Sequence[Member]) -> Problem:
    one = len(members) == 1
    return Problem(
        "members",
        f"{'the only member' if one else 'every member'} is drained ({', '.join(member.name for member in members)})",
        "no cluster would be left to run anything",
        "add a member first"
        if one
        else "remove `maintenance` from one of them, or use cordon: the workloads there stay",
    )


@dataclass(frozen=True)
class _Case:
    """One workload, and the members that it may choose."""

    workload: Workload
    members: Sequence[Member]
    version: Version

    def decide(self, path: str) -> tuple[Workload, list[Staying], list[Problem]]:
        """Return the workload with its placement, the members in which it stays, and the problem if it can't decide."""
        placement = self.workload.placement
        asked = [m for m in self.members if m.drained and may_run_in(facts(m), placement, self.version)]
        if not asked:
            return self.workload, [], []
        if self.workload.given:
            return self.workload, self._staying(asked, lambda _: _ITS_OWN), []
        leaving = asked if self._moves(asked) else [m for m in asked if _removes(m)]
        kept = self._staying([m for m in asked if m not in leaving], lambda _: _NOWHERE)
        if not leaving:
            return self.workload, kept, []
        if not self._unmet(leaving):
            return self._without(leaving), kept, []
        single = {member.name: self._unmet([member]) for member in leaving}
        if len(leaving) > 1 and not all(single.values()):
            return self.workload, kept, [self._undecided(path, leaving)]
        return self.workload, kept + self._staying(leaving, lambda member: single[member.name]), []

    def _staying(self, members: Iterable[Member], why: Callable[[Member], str]) -> list[Staying]:
        return [Staying(self.workload.name, member.name, why(member)) for member in members]

    def _moves(self, members: Sequence[Member]) -> bool:
        """Return whether copies elsewhere replace those that leave: new copies, or more replicas in the others."""
        placement = self.workload.placement
        if placement.replicas is not ReplicaStrategy.DUPLICATED or any(one.max_groups for one in placement.spread):
            return True
        before = {one.name for one in self._chosen(placement, tainted=False)}
        return not {one.name for one in self._chosen(without(placement, members, self.version))} <= before

    def _chosen(self, placement: Placement, *, tainted: bool = True) -> tuple[ClusterFacts, ...]:
        known = self.members if tainted else [m.model_copy(update={"maintenance": None}) for m in self.members]
        clusters = [facts(member) for member in known]
        return choose(clusters, placement_of(placement), scheduler=Scheduler(self.version)).chosen

    def _without(self, members: Sequence[Member]) -> Workload:
        placement = without(self.workload.placement, members, self.version)
        return self.workload.model_copy(update={"placement": placement})

    def _unmet(self, members: Sequence[Member]) -> str:
        """Return the part of the placement that can't be met without some members; empty if all of it can be met."""
        placement = without(self.workload.placement, members, self.version)
        # Only these drained members are in question: the others count as if they weren't drained.
        known = [m.model_copy(update={"maintenance": None}) if m.drained else m for m in self.members]
        clusters = [facts(member) for member in known]
        choice = choose(clusters, placement_of(placement), scheduler=Scheduler(self.version))
        if not choice.chosen and choice.refused:
            tainted = ", ".join(f"{name} has {taint}" for name, taint in choice.refused.items())
            return f"its placement chooses no other cluster that takes it ({tainted})"
        if not choice.chosen:
            return "its placement chooses no other cluster"
        for one in placement.spread:
            if one.by and (left := len(_groups(choice.chosen, one.by))) < one.min_groups:
                return f"its spread wants at least {one.min_groups} by {one.by.value}, and {left} would be left"
        return ""

    def _undecided(self, path: str, members: Sequence[Member]) -> Problem:
        names = ", ".join(member.name for member in members)
        return Problem(
            path,
            f"can't be met without any of the drained members ({names}): {self._unmet(members)}",
            "Flotilla can't decide in which of them the workload stays",
            "drain one after the other, or choose more members",
        )


def _removes(member: Member) -> bool:
    return member.maintenance is not None and member.maintenance.duplicated is Duplicated.REMOVE


def without(placement: Placement, members: Sequence[Member], version: Version) -> Placement:
    """Return a placement that excludes these members, by name, wherever it would choose them."""
    known = [facts(member) for member in members]

    def changed(affinity: Affinity) -> dict[str, tuple[str, ...]]:
        wanted = affinity_of(affinity)
        names = [one.name for one in known if matches(one, wanted, version)]
        return {"exclude": (*affinity.exclude, *names)} if names else {}

    if not placement.groups:
        return placement.model_copy(update=changed(placement))
    groups = [
        group.model_copy(
            update={
                **changed(group),
                "overflow": tuple(one.model_copy(update=changed(one)) for one in group.overflow),
            }
        )
        for group in placement.groups
    ]
    return placement.model_copy(update={"groups": tuple(groups)})


def _groups(clusters: Iterable[ClusterFacts], by: SpreadField) -> set[str]:
    """Return the groups (by provider, region, ...) of the clusters; a cluster without the field is in no group."""
    found: set[str] = set()
    for one in clusters:
        values: dict[SpreadField, tuple[str, ...]] = {
            SpreadField.CLUSTER: (one.name,),
            SpreadField.PROVIDER: (one.provider,),
            SpreadField.REGION: (one.region,),
            SpreadField.ZONE: one.zones,
        }
        found |= {value for value in values[by] if value}
    return found
