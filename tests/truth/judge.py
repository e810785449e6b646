"""Compare the model with recorded decisions of real schedulers: `python -m tests.truth.judge FILE...`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flotilla.karmada.scheduling import (
    Certain,
    ClusterFacts,
    Current,
    Decision,
    Demand,
    Depends,
    Scheduler,
    decide,
    demand_of,
    facts_of,
)
from flotilla.karmada.scheduling.assignment import by_room
from flotilla.karmada.versions import Version
from tests.truth.records import load

Object = dict[str, Any]
OTHER_GROUP = "other group"
KNOWN: dict[str, Object] = {
    "all known": {},
    "UIDs unknown": {"uid": ""},
    "capacity unknown": {"with_room": False},
    "version unknown": {"with_version": False},
}
"""Which facts may be unknown, and the arguments of `verdicts` for each."""


@dataclass(frozen=True)
class Verdict:
    """One decision of a real scheduler (`answer`), and the model's decision for the same case."""

    case: str
    decision: Decision
    answer: Object
    wrong: str
    """The difference of both; empty if they agree."""
    by_room: bool
    """The replicas are divided by free capacity."""
    turn: int

    @property
    def certain(self) -> bool:
        """Whether the model is certain."""
        return isinstance(self.decision, Certain)

    @property
    def open(self) -> dict[str, tuple[int, int]]:
        """Minimum and maximum of the replicas of each cluster for which the model is not certain."""
        given = self.decision.candidates if isinstance(self.decision, Depends) else {}
        return {name: (least, most) for name, (least, most) in given.items() if least != most}

    @property
    def nearly(self) -> bool:
        """Whether the model is certain, or uncertain by only one replica in each cluster."""
        return all(most - least == 1 for least, most in self.open.values()) if self.open else self.certain


def verdicts(
    record: Object, *, uid: str | None = None, with_room: bool = True, with_version: bool = True
) -> Iterator[Verdict]:
    """Judge every decision of a record.

    Args:
        record: a record of `Gatherer.gather`.
        uid: used instead of the templates' UIDs; empty if unknown, as for a template that doesn't exist yet.
        with_room: whether the clusters' free capacity is known; a plan doesn't know it.
        with_version: whether Karmada's version is known; a plan knows it if the stack names it.
    """
    scheduler = Scheduler(Version.parse(record["version"]))
    for number, fleet in enumerate(record["fleets"]):
        states = [[_facts(one, with_room=with_room) for one in state] for state in fleet["states"]]
        for case in fleet["cases"]:
            for turn, step in enumerate(case.get("steps") or []):
                if not step or not (step.get("answer") or {}).get("scheduled"):
                    continue
                demand = demand_of(step["template"], scheduler)
                given = demand if uid is None else replace(demand, uid=uid)
                decision = decide(
                    states[step["state"]],
                    step["placement"],
                    given,
                    current=current_of(step["before"]),
                    scheduler=scheduler if with_version else None,
                )
                wrong = _differs(decision, step, demand)
                if not with_version and not decision.group and wrong == OTHER_GROUP:
                    wrong = ""  # versions name different groups, and the model names none
                yield Verdict(
                    f"{number}/{case['name']}", decision, step["answer"], wrong, by_room(step["placement"]), turn
                )


def _facts(cluster: Object, *, with_room: bool) -> ClusterFacts:
    facts = facts_of(cluster)
    return facts if with_room else replace(facts, capacity=None)


def current_of(before: Object | None) -> Current:
    """Return the scheduling of a template before a step."""
    if before is None:
        return Current()
    return Current(
        before["clusters"],
        before["group"],
        before["applied"],
        "" if before["scheduled"] == "True" else str(before["message"]),
        frozenset(before["evicting"]),
    )


def _differs(decision: Decision, step: Object, demand: Demand) -> str:
    answer = step["answer"]
    if (answer["replicas"], answer["requirements"] is not None) != (demand.count, demand.requests is not None):
        return f"asks for {answer['replicas']} {answer['requirements']}, the model for {demand}"
    shares = answer["clusters"]
    if not isinstance(decision, Certain):
        return "" if decision.allows(shares) else "not among the candidates"
    if {name: count or 0 for name, count in decision.shares.items()} != {n: c or 0 for n, c in shares.items()}:
        return "other shares"
    if bool(decision.problem) == (answer["scheduled"] == "True"):
        return "other success"
    if step["placement"].get("clusterAffinities") and decision.group != answer["group"]:
        return OTHER_GROUP
    return ""


def summary(found: list[Verdict]) -> str:
    """Count the answers."""
    total, certain = len(found), [one for one in found if one.certain]
    other = [one for one in found if not one.by_room]
    wrong = Counter(one.wrong for one in found if one.wrong)
    open_ = Counter(one.decision.why.name for one in found if isinstance(one.decision, Depends))
    share = 100 * sum(one.certain for one in other) / max(len(other), 1)
    nearly = 100 * sum(one.nearly for one in found) / max(total, 1)
    return (
        f"{total} decisions, certain {len(certain)} ({100 * len(certain) / max(total, 1):.1f} %; "
        f"{share:.1f} % of the {len(other)} not by capacity), but for one replica a cluster {nearly:.1f} %, "
        f"else by {dict(open_)}, wrong {sum(wrong.values())} {dict(wrong)}"
    )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        shown = {key: value[key] for key in ("clusters", "group", "scheduled", "message", "replicas")}
        return str(shown)
    return str(replace(value, refused={}))


def main(*files: str) -> None:
    """Judge the records in files, and print the errors of the model."""
    for file in files:
        record = load(Path(file))
        for known, given in KNOWN.items():
            found = list(verdicts(record, **given))
            print(f"{file}, {known}: {summary(found)}")
            for one in [one for one in found if one.wrong][:8]:
                print(
                    f"  {one.case} {one.turn}: {one.wrong}",
                    f"    model {_short(one.decision)}",
                    f"    truth {_short(one.answer)}",
                    sep="\n",
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
