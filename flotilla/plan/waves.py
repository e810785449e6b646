"""The plan of a rollout: the waves in which a change reaches clusters, and the course of one that is under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flotilla.karmada.waves.division import Wave
from flotilla.karmada.waves.record import Phase, Record
from flotilla.karmada.waves.strategy import Gate, OnFailure


class Course(StrEnum):
    """What happens to a change that is under way."""

    GOES_ON = "goes-on"
    """The declaration is the same: the change continues where it stopped."""
    BEGINS_AGAIN = "begins-again"
    """The declaration has changed: a new change begins with the first wave."""
    BACK = "goes-back"
    """The declaration is the one that all clusters ran before: clusters that have the change get it back."""
    REPEATS = "repeats"
    """The change was reverted, and the declaration is still the same: it goes through all waves again."""
    AT_ONCE = "at-once"
    """The workload has no waves any more: the change reaches all remaining clusters at once."""
    UNCERTAIN = "uncertain"
    """The declaration has values that are known only during the deployment."""


@dataclass(frozen=True)
class UnderWay:
    """A change in waves that an earlier run has begun."""

    course: Course
    record: Record
    next: int = 0
    """The number of the wave with which it continues."""
    last: int = 0
    """The number of the last wave."""

    @property
    def text(self) -> str:
        """What happens to the change, and what it waits for, in one line."""
        record = self.record
        left, have = _names(record.held_back), _have(record.reached)
        if self.course is Course.GOES_ON and not self.next:
            said = "goes on: every wave has passed"
        elif self.course is Course.GOES_ON:
            said = f"goes on: wave {self.next} of {self.last} ({f'{have} it already' if have else _NOBODY})"
        elif self.course is Course.BEGINS_AGAIN:
            said = f"begins again with wave {self.next}: the declaration has changed"
            said += f" ({have} the former one)" if have else f" ({_NOBODY})"
        elif self.course is Course.BACK:
            said = f"the former declaration is back: {'; '.join(self._back())}"
        elif self.course is Course.REPEATS:
            said = "was reverted: goes through the waves again"
        elif self.course is Course.AT_ONCE:
            said = f"no waves any more: the change that is under way reaches {left or 'no other cluster'} at once"
        else:
            said = f"a change is under way ({f'{have} it' if have else _NOBODY}); whether it goes on is known at `up`"
        return "; ".join([said, *self._stopped()])

    @property
    def as_before(self) -> tuple[str, ...]:
        """The clusters that have always run the version before the change."""
        other = {*self.record.reached, *self.record.touched}
        return tuple(sorted({name for _, names in self.record.waves for name in names} - other))

    def _back(self) -> list[str]:
        """Return texts with the clusters that get the former version back, and those that have always run it."""
        other, same = sorted({*self.record.reached, *self.record.touched}), self.as_before
        found = [f"{_names(other)} {'get' if other[1:] else 'gets'} it back"] if other else []
        return [*found, *([f"{_names(same)} never had the change"] if same else [])]

    def _stopped(self) -> list[str]:
        """Return why it doesn't continue by itself, or what stopped it."""
        record = self.record
        if self.course in (Course.AT_ONCE, Course.UNCERTAIN):
            return []
        if record.aborted:
            return [f"{record.aborted} asked to revert it"]
        if record.paused:
            return [f"paused by {record.paused}: `flotilla rollout resume {record.workload}`"]
        if self.course is not Course.GOES_ON or not record.why:
            return []
        stopped = {Phase.FAILED: f"it stopped: {record.why}", Phase.APPROVAL: record.why}
        return [stopped[record.phase]] if record.phase in stopped else []

    def to_json(self) -> dict[str, Any]:
        """Return the change in its JSON form."""
        record = self.record
        return {
            "course": str(self.course),
            "phase": str(record.phase),
            **({"wave": self.next, "of": self.last} if self.next else {}),
            "reached": list(record.reached),
            "left": list(record.held_back),
            **({"why": record.why} if record.why else {}),
            **({"paused": record.paused} if record.paused else {}),
            **({"abort": record.aborted} if record.aborted else {}),
            "text": self.text,
        }


@dataclass(frozen=True)
class RolloutPlan:
    """The waves in which a change reaches the clusters of a workload."""

    waves: tuple[Wave, ...] = ()
    """Empty where the workload has no waves any more."""
    gate: Gate = field(default_factory=Gate)
    on_failure: OnFailure = OnFailure.STOP
    ahead: bool = False
    """Its CustomResourceDefinitions go to all clusters before the first wave."""
    under_way: UnderWay | None = None
    unread: str = ""
    """Why it isn't known whether a change is under way."""

    @property
    def lines(self) -> list[str]:
        """The plan as lines of text."""
        found = [f"rollout: {'; '.join(_wave_text(wave, self.waves) for wave in self.waves)}"] if self.waves else []
        if self.ahead:
            found.append("before: its CustomResourceDefinitions go to all clusters")
        if self.waves:
            found.append(f"after each: {', '.join(_gate_texts(self.gate))}")
            found.append(f"if a wave fails: {self.on_failure}")
        if self.under_way:
            found.append(self.under_way.text)
        if self.unread:
            found.append(f"whether a change is under way isn't known: {self.unread}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the plan in its JSON form."""
        gate = {
            **({"healthySeconds": _number(self.gate.healthy_seconds)} if self.gate.healthy_seconds else {}),
            **({"maxUnavailable": self.gate.max_unavailable} if self.gate.max_unavailable else {}),
            **({"checks": [dict(check) for check in self.gate.checks]} if self.gate.checks else {}),
        }
        return {
            "waves": [
                {
                    "number": wave.number,
                    "clusters": list(wave.clusters),
                    **({"approve": [str(one) for one in wave.approve]} if wave.approve else {}),
                    **({"atATime": len(wave.batches[0])} if wave.batches[1:] else {}),
                    **({"rest": True} if wave.rest else {}),
                }
                for wave in self.waves
            ],
            **({"gate": gate} if gate else {}),
            **({"onFailure": str(self.on_failure)} if self.waves else {}),
            **({"definitionsAhead": True} if self.ahead else {}),
            **({"underWay": self.under_way.to_json()} if self.under_way else {}),
            **({"unread": self.unread} if self.unread else {}),
            "text": self.lines,
        }


# -- texts --------------------------------------------------------------------------------------------------------


_NOBODY = "no cluster has it yet"


def _wave_text(wave: Wave, waves: Sequence[Wave]) -> str:
    said = [f"approval {' and '.join(map(str, wave.approve))}"] if wave.approve else []
    said += [f"{len(wave.batches[0])} at a time"] if wave.batches[1:] else []
    beside = f" ({', '.join(said)})" if said else ""
    name = f"wave {wave.number}" if not wave.rest else "then the rest" if waves[1:] else "the rest"
    return f"{name}{beside}: {', '.join(wave.clusters)}"


def _gate_texts(gate: Gate) -> list[str]:
    most = gate.max_unavailable
    return [
        f"healthy for {_number(gate.healthy_seconds)} s" if gate.healthy_seconds else "healthy",
        *([f"at most {most} of its clusters not"] if most else []),
        *map(_check_text, gate.checks),
    ]


def _check_text(check: Mapping[str, Any]) -> str:
    if command := check.get("command"):
        return f"{command[0]} passes"
    if where := check.get("prometheus"):
        return f"a query of {where} passes"
    return f"{check.get('of')} is {check.get('condition')}={check.get('status')}"


def _names(clusters: Iterable[str]) -> str:
    return ", ".join(clusters)


def _have(clusters: Sequence[str]) -> str:
    return f"{_names(clusters)} {'have' if clusters[1:] else 'has'}" if clusters else ""


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
