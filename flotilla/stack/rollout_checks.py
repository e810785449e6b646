"""Checks `rollout` against members and workloads; parts without any effect are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flotilla.karmada.versions import Version
from flotilla.kube.objects import ref_of
from flotilla.stack.fleet import facts, may_run_in
from flotilla.stack.members import Member
from flotilla.stack.problems import Problem
from flotilla.stack.rollout_strategy import RolloutStrategy, RolloutWave
from flotilla.stack.workloads import Workload


@dataclass(frozen=True)
class StrategyUse:
    """One `rollout` of the stack file, with the workloads to which it applies."""

    path: str
    """Its place in the stack file."""
    strategy: RolloutStrategy
    workloads: tuple[tuple[int, Workload], ...]
    """The workloads by position in the file; a workload with policies is there as its parts."""

    @property
    def of_the_stack(self) -> bool:
        """Whether it is the stack's own `rollout`, for workloads without this key."""
        return self.path == "rollout"


def strategies(workloads: Iterable[tuple[int, Workload]], rollout: RolloutStrategy | None) -> list[StrategyUse]:
    """Return every `rollout` of a stack file with its workloads; the stack's own is included even without workloads.

    Args:
        workloads: the valid workloads, by position in the file.
        rollout: the stack's own rollout strategy.
    """
    found: dict[str, list[tuple[int, Workload]]] = {"rollout": []} if rollout else {}
    for index, workload in workloads:
        if workload.rollout:
            path = "rollout" if workload.rollout is rollout else f"workloads[{index}].rollout"
            found.setdefault(path, []).append((index, workload))
    return [
        StrategyUse(path, rollout if path == "rollout" and rollout else _of(users), tuple(users))
        for path, users in found.items()
    ]


def _of(users: list[tuple[int, Workload]]) -> RolloutStrategy:
    found = users[0][1].rollout
    if found is None:
        raise ValueError("this workload has no rollout")
    return found


def check_rollouts(
    workloads: list[tuple[int, Workload]],
    rollout: RolloutStrategy | None,
    known: set[str],
    members: list[Member] | None,
    version: Version | None = None,
) -> list[Problem]:
    """Check what every `rollout` says about members, and whether other keys of its workloads conflict with it.

    Args:
        workloads: the valid workloads, by position in the file.
        rollout: the stack's own rollout strategy, which applies to workloads without this key.
        known: the names of all members, valid or not.
        members: the members; None where some are invalid: then choices can't be checked.
        version: Karmada's version; None (not known) means the newest.
    """
    problems: list[Problem] = []
    for use in strategies(workloads, rollout):
        problems += [problem for index, one in use.workloads for problem in _conflicts(index, one, use)]
        chosen = {
            member.name: member
            for member in members or ()
            if any(may_run_in(facts(member), one.placement, version) for _, one in use.workloads)
        }
        nobody = members is None or not use.workloads
        problems += _check_waves(use, known, None if nobody else chosen)
    return problems


def _check_waves(use: StrategyUse, known: set[str], chosen: Mapping[str, Member] | None) -> Iterator[Problem]:
    whose = "no placement of its workloads chooses" if use.of_the_stack else "the placement doesn't choose"
    for number, wave in enumerate(use.strategy.waves):
        path = f"{use.path}.waves[{number}]"
        for position, name in enumerate(wave.clusters):
            where, seen = f"{path}.clusters[{position}]", f'"{name}"'
            if name not in known:
                yield Problem(
                    where,
                    "is not a member of this stack",
                    "the wave would lack this cluster",
                    f"use one of {', '.join(sorted(known)) or '(there are no members)'}, or add it to members",
                    seen,
                )
            elif chosen is not None and name not in chosen:
                yield Problem(
                    where,
                    f"is in a wave but {whose} it",
                    "it would have no effect",
                    "add it to the placement or remove it here",
                    seen,
                )
            elif chosen is not None and (first := _first_by_labels(use.strategy.waves[:number], chosen[name])):
                yield Problem(
                    where,
                    f"is in wave {first} already, by its labels",
                    "it would get a change earlier than this wave says",
                    "remove it here, or write this wave before that one",
                    seen,
                )
        if wave.labels and chosen is not None and not any(_has(wave, one) for one in chosen.values()):
            yield Problem(
                f"{path}.labels",
                "matches no member of a placement of its workloads" if use.of_the_stack else _NO_MATCH,
                "the wave would have no cluster",
                "label a member so that it matches, or remove the wave",
            )


_NO_MATCH = "matches no member that the placement chooses"


def _first_by_labels(waves: Iterable[RolloutWave], member: Member) -> int:
    """Return the number of the first wave whose labels a member has; 0 for none."""
    return next((number for number, wave in enumerate(waves, 1) if wave.labels and _has(wave, member)), 0)


def _has(wave: RolloutWave, member: Member) -> bool:
    labels = facts(member).labels
    return all(labels.get(key) == value for key, value in wave.labels.items())


def _conflicts(index: int, workload: Workload, use: StrategyUse) -> Iterator[Problem]:
    """Yield a problem for each key of a workload that conflicts with changes in waves."""
    out = f"write `rollout: false` in workloads[{index}]" if use.of_the_stack else "remove this `rollout`"
    beside = "the stack's `rollout`" if use.of_the_stack else "`rollout`"
    given = workload.given
    where = f"workloads[{index}]"
    sender = f"{where}.policies ({ref_of(given.sender)})" if given else ""
    suspend = workload.suspend
    if suspend and (suspend.everywhere or suspend.clusters):
        yield Problem(
            sender or f"{where}.suspend",
            f"suspends dispatching beside {beside}, which uses the same field of Karmada's policies",
            "permanently suspended clusters could not be distinguished from those of later waves",
            f"end the suspension, or {out}",
        )
    if workload.activation:
        yield Problem(
            sender or f"{where}.activation",
            f"has the activation {workload.activation.value} beside {beside}",
            "Karmada would act on the suspension of a later wave only after the change has reached all clusters",
            f"remove the activation, or {out}",
        )
    for one in given.followers if given else ():
        yield Problem(
            f"{where}.policies",
            f"no policy selects {ref_of(one)}, which follows others (propagateDeps), beside {beside}",
            "Karmada doesn't suspend what follows: it would change in all clusters at the same time",
            f"let a policy select it, or {out}",
        )
