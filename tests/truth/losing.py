"""Let clusters of random fleets fail, taint or cordon them, and collect the reactions of a real Karmada.

The Clusters are only objects, as in tests/truth/gather.py: a failed cluster is one whose status says so.
"""

from __future__ import annotations

import json
import random
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flotilla.karmada.cordons import CORDON
from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.scheduling import Certain, Current, Decision, Depends, Scheduler, Taint, allows, facts_of
from flotilla.karmada.simulation.failover import NOT_READY, Failover
from flotilla.karmada.simulation.outcome import judged
from flotilla.karmada.simulation.world import Assumed, Placed, World
from flotilla.karmada.versions import Version
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import is_true
from tests.pull_members import cluster_ref, report
from tests.truth import cases
from tests.truth.gather import Gatherer, _binding, _decision, _slim_template
from tests.truth.records import _small_cluster, _small_template

Object = dict[str, Any]

_TAINT = {"key": "site", "value": "gone", "effect": "NoExecute"}
_TAINT_POLICIES_SINCE = Version(1, 14)
UNREADY_EVICTS: Object = {
    "apiVersion": POLICY_API,
    "kind": "ClusterTaintPolicy",
    "metadata": {"name": "unready-evicts"},
    "spec": {
        "addOnConditions": [{"conditionType": "Ready", "operator": "In", "statusValues": ["False", "Unknown"]}],
        "removeOnConditions": [{"conditionType": "Ready", "operator": "In", "statusValues": ["True"]}],
        "taints": [{"key": NOT_READY, "effect": "NoExecute"}],
    },
}
_LEAST_SECONDS, _QUIET_SECONDS, _MOST_SECONDS = 5.0, 4.0, 45.0
_BUSIEST = 6
_EVICTION_SECONDS = 12
"""--failover-eviction-timeout plus --cluster-monitor-period, for versions up to 1.13."""
_FLAGS = {
    "karmada-controller-manager": (
        "--feature-gates=PropagationPolicyPreemption=true,Failover=true",
        "--enable-no-execute-taint-eviction=true",
        "--resource-eviction-rate=100",
        "--failover-eviction-timeout=3s",
    ),
    "karmada-webhook": (
        "--allow-no-execute-taint-policy=true",
        "--default-not-ready-toleration-seconds=2",
        "--default-unreachable-toleration-seconds=2",
    ),
}
"""Flags that enable failover and make it quick; a flag is used only if the program knows it."""


def with_failover(programs: Path, folder: Path) -> Path:
    """Return a folder with scripts that start Karmada's programs with failover enabled."""
    folder.mkdir()
    for one in programs.iterdir():
        if one.name not in _FLAGS:
            (folder / one.name).symlink_to(one)
    for name, flags in _FLAGS.items():
        done = subprocess.run([str(programs / name), "--help"], capture_output=True, text=True, check=False, timeout=60)
        known = " ".join(flag for flag in flags if flag.partition("=")[0] in done.stdout + done.stderr)
        script = folder / name
        script.write_text(
            f'#!/bin/sh\ncase "$1" in version|--help) exec {programs / name} "$@";; esac\n'
            f'exec {programs / name} "$@" {known}\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder


class LossGatherer(Gatherer):
    """A control plane with fleets in which clusters fail."""

    def gather(self, fleets: int, count: int, keep: Callable[[Object], None]) -> Object:
        """Return `fleets` fleets with `count` templates each, before and after failures; call `keep` after each."""
        if Version.parse(self.version) >= _TAINT_POLICIES_SINCE:
            self.api.create(UNREADY_EVICTS, field_manager="loser")
        return super().gather(fleets, count, keep)

    def _fleet(self, number: int, count: int) -> Object:
        rnd = self.rnd
        wanted = cases.fleet(rnd, self.names, models=number % 4 == 3)
        asked = [cases.case(rnd, f"l{number}-{place}", self.names) for place in range(count)]
        self._each(self._make, wanted)
        state = self._tainted()
        if Version.parse(self.version) < _TAINT_POLICIES_SINCE:
            time.sleep(_EVICTION_SECONDS)  # clusters that are not ready at the beginning get their NoExecute taint
            state = self._clusters()
        self._each(self._start, asked)
        before = self._settled(asked)
        if self._clusters() != state:
            state = []  # a lease expired on a busy machine: decisions in this time are omitted
        assumed = assumption(rnd, wanted, list(before.values()))
        self._happen(assumed, wanted)
        after, still = self._reacted(assumed, state)
        found = []
        for case in asked:
            name = _binding(case)
            if still and "refused" not in case and name in before and name in after:
                one = {"template": _slim_template(case["object"]), "placement": case["stored"]}
                found.append({**one, "before": _decision(before[name]), "after": _decision(after[name])})
        self._each(self._end, asked)
        return {"clusters": state, "assumed": assumed, "cases": found}

    def _happen(self, assumed: Object, wanted: list[Object]) -> None:
        status = {one["metadata"]["name"]: one["status"] for one in wanted}
        for name in assumed["down"]:
            given = status[name]
            report(self.api, name, {**given, "conditions": {**given["conditions"], "Ready": False}})
        for name, taint in [(n, _TAINT) for n in assumed["taint"]] + [(n, _cordon()) for n in assumed["cordon"]]:
            self._taint(name, taint)

    def _taint(self, name: str, taint: Object) -> None:
        for _ in range(5):
            found = self.api.get(cluster_ref(name))
            taints = [*(found["spec"].get("taints") or []), taint]
            try:
                self.api.patch(
                    cluster_ref(name),
                    {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "spec": {"taints": taints}},
                )
            except ApiError:
                time.sleep(0.3)
            else:
                return

    def _reacted(self, assumed: Object, state: list[Object]) -> tuple[dict[str, Object], bool]:
        """Return the bindings when they don't change any more, and whether all other clusters are unchanged."""
        begun = quiet = time.monotonic()
        late = assumed["down"] and Version.parse(self.version) < _TAINT_POLICIES_SINCE
        least = _LEAST_SECONDS + (_EVICTION_SECONDS if late else 0)
        mark, found = "", {}
        while time.monotonic() - begun < _MOST_SECONDS:
            time.sleep(0.7)
            found = self._bindings()
            new = json.dumps({name: _decision(one) for name, one in found.items()}, sort_keys=True)
            if new != mark:
                mark, quiet = new, time.monotonic()
            if (
                time.monotonic() - begun > least
                and time.monotonic() - quiet > _QUIET_SECONDS
                and not _has_reverted_evictions(found)
            ):
                break
        touched = {*assumed["down"], *assumed["taint"], *assumed["cordon"]}

        def others(clusters: list[Object]) -> list[Object]:
            return [one for one in clusters if one["metadata"]["name"] not in touched]

        return found, bool(state) and others(self._clusters()) == others(state)


def _has_reverted_evictions(bindings: dict[str, Object]) -> bool:
    """Return whether a binding contains a cluster from which it is being evicted.

    The scheduler may write a decision for an older binding, and so revert an eviction of the taint manager. The taint
    manager repeats it after at most 10 s.
    """
    found = [_decision(one) or {} for one in bindings.values()]
    return any(set(one["clusters"]) & set(one["evicting"]) for one in found if one)


def _cordon() -> Object:
    return {"key": CORDON.key, "effect": CORDON.effect}


def assumption(rnd: random.Random, fleet: list[Object], bindings: list[Object]) -> Object:
    """Return which clusters fail (mostly), are tainted or cordoned, chosen from those with the most templates."""
    used = Counter(one["name"] for binding in bindings for one in binding["spec"].get("clusters") or [])
    ready = [one["metadata"]["name"] for one in fleet if one["status"]["conditions"]["Ready"]]
    busiest = sorted(ready, key=lambda name: (-used[name], name))[:_BUSIEST]
    picked = rnd.sample(busiest, min(4, len(busiest)))
    kind = rnd.random()
    down = picked[: 1 if kind < 0.5 else 2 if kind < 0.7 else 3 if kind < 0.75 else 0]
    left = picked[len(down) :]
    taint = left[:1] if kind >= 0.75 and kind < 0.95 else []
    cordon = left[1:2] if kind >= 0.85 or kind < 0.15 else []
    return {"down": sorted(down), "taint": taint, "cordon": cordon}


# -- judging ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """Karmada's decision for a template after failures (`answer`), and the simulation's decision."""

    case: str
    decision: Decision
    answer: Object
    wrong: str
    touched: bool
    """Whether the template had a copy in a cluster that failed or was tainted."""
    moved: bool

    @property
    def certain(self) -> bool:
        """Whether the simulation is certain."""
        return isinstance(self.decision, Certain)


def save(record: Object, file: Path) -> None:
    """Write the part of a record that is judged: templates that are or were in an affected cluster.

    Templates whose eviction was not complete are omitted.
    """
    fleets = []
    for fleet in record["fleets"]:
        touched = {name for names in fleet["assumed"].values() for name in names}
        kept = [
            {**case, "template": _small_template(case["template"])}
            for case in fleet["cases"]
            if touched & {*case["before"]["clusters"], *case["after"]["clusters"]}
            and not set(case["after"]["clusters"]) & set(case["after"]["evicting"])
        ]
        if kept:
            fleets.append({**fleet, "clusters": [_small_cluster(one) for one in fleet["clusters"]], "cases": kept})
    head = {key: value for key, value in record.items() if key != "fleets"}
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in fleets)
    file.write_text(f'{json.dumps(head)[:-1]}, "fleets": [\n{lines}\n]}}\n')


def world_of(record: Object, fleet: Object) -> World:
    """Return a recorded fleet in the form that simulations use."""
    version = Version.parse(record["version"])
    policies = (UNREADY_EVICTS,) if version >= _TAINT_POLICIES_SINCE else ()
    placed = []
    for case in fleet["cases"]:
        was = case["before"]
        current = Current(
            was["clusters"],
            was["group"],
            was["applied"],
            "" if was["scheduled"] == "True" else str(was["message"]),
            frozenset(was["evicting"]),
        )
        name = case["template"]["metadata"]["name"]
        placed.append(Placed(name, f"{case['template']['kind']} {name}", case["template"], case["placement"], current))
    return World(
        tuple(facts_of(one) for one in fleet["clusters"]),
        tuple(placed),
        Scheduler(version),
        (Failover.of(version, gate=True),),
        conditions={
            one["metadata"]["name"]: {c["type"]: c["status"] for c in one["status"]["conditions"]}
            for one in fleet["clusters"]
        },
        taint_policies=policies,
        down=frozenset(one["metadata"]["name"] for one in fleet["clusters"] if not is_true(one, "Ready")),
    )


def assumed_of(fleet: Object) -> Assumed:
    """Return the assumptions of a simulation for what happened to a fleet."""
    given = fleet["assumed"]
    taint = Taint(_TAINT["key"], _TAINT["value"], _TAINT["effect"])
    return Assumed(
        frozenset(given["down"]), frozenset(given["cordon"]), tuple((name, taint) for name in given["taint"])
    )


def verdicts(record: Object, *, with_room: bool = True, uid: str | None = None) -> Iterator[Judged]:
    """Compare Karmada's decision for every template with the simulation.

    Args:
        record: a record of `LossGatherer.gather`.
        with_room: whether the clusters' free capacity is known.
        uid: used instead of the templates' UIDs; empty if unknown.
    """
    for number, fleet in enumerate(record["fleets"]):
        world, assumed = world_of(record, fleet), assumed_of(fleet)
        touched = {*fleet["assumed"]["down"], *fleet["assumed"]["taint"]}
        for placed, case in zip(world.placed, fleet["cases"], strict=True):
            given = placed
            if uid is not None:
                meta = {**placed.template["metadata"], "uid": uid}
                given = replace(placed, template={**placed.template, "metadata": meta})
            by_now, ever = judged(world, assumed, given)
            settled = by_now if with_room else ever
            was, answer = case["before"], case["after"]
            wrong = "" if allows(settled.decision, answer["clusters"]) else "other clusters or replicas"
            went = {*answer["evicting"]} - {*was["evicting"]}
            if not wrong and isinstance(settled.decision, Certain) and went != set(settled.evicted):
                wrong = "taken away from other clusters"
            yield Judged(
                f"{number}/{placed.workload}",
                settled.decision,
                answer,
                wrong,
                bool(touched & set(was["clusters"])),
                was["clusters"] != answer["clusters"],
            )


def summary(found: list[Judged]) -> str:
    """Count the answers."""
    certain = sum(one.certain for one in found)
    open_: dict[str, int] = {}
    for one in found:
        if isinstance(one.decision, Depends):
            open_[one.decision.why.name] = open_.get(one.decision.why.name, 0) + 1
    wrong = [one for one in found if one.wrong]
    return (
        f"{len(found)} templates, {sum(one.touched for one in found)} in a cluster that failed or was tainted, "
        f"{sum(one.moved for one in found)} scheduled otherwise then; certain {certain}, depends {open_}, "
        f"wrong {len(wrong)}"
    )
