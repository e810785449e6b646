"""Collect the decisions of a real Karmada for random fleets (tests/live/test_scheduler_truth.py).

The Clusters are in pull mode and have no agent (tests/pull_members.py), so they can have any labels, fields,
taints, kinds and capacity. An answer is the decision in the ResourceBinding when it doesn't change any more.
"""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flotilla.karmada.names import binding_name
from flotilla.karmada.objects import BINDING_API, CLUSTER_API, POLICY_API
from flotilla.karmada.scheduling import Taint
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import ObjectRef, is_true
from flotilla.sandbox.standin.scheduler import APPLIED
from tests.pull_members import beating, cluster_ref, join, report
from tests.truth import cases

Object = dict[str, Any]

_MANAGER = "scheduler-truth"
_SETTLE_SECONDS, _QUIET_SECONDS = 40, 1.0
_UNSEEN_SECONDS = 10
"""How long to wait for changes of a binding without a result: it failed, or the scheduler is not yet done."""


class Gatherer:
    """A control plane with a fleet whose Clusters change, and the decisions that Karmada makes for it."""

    def __init__(self, api: Connection, seed: int, version: str) -> None:
        self.api = api
        self.rnd = random.Random(seed)
        self.names = [f"s{seed}-{place:02}" for place in range(cases.CLUSTERS)]
        self.seed, self.version = seed, version
        self._pool = ThreadPoolExecutor(8)

    def gather(self, fleets: int, count: int, keep: Callable[[Object], None]) -> Object:
        """Return `fleets` fleets with `count` cases each; `keep` is called with the result after each fleet."""
        result: Object = {"seed": self.seed, "version": self.version, "fleets": []}
        with beating(self.api, self.names):
            for number in range(fleets):
                result["fleets"].append(self._fleet(number, count))
                keep(result)
        return result

    def _fleet(self, number: int, count: int) -> Object:
        rnd = self.rnd
        wanted = cases.fleet(rnd, self.names, models=number % 4 == 3)
        changes = cases.changes(rnd, wanted)
        asked = [cases.case(rnd, f"f{number}-{place}", self.names) for place in range(count)]
        self._each(self._make, wanted)
        states = [self._tainted()]
        self._each(self._start, asked)
        answers = self._settled(asked)
        still = self._clusters() == states[-1]
        for case in asked:
            case["steps"] = [self._step(case, answers, 0, None)] if still else []
        for turn in range(max(len(case["then"]) for case in asked)):
            if turn == 0 and number % 2:
                for name, patch in changes.items():
                    self.api.patch(cluster_ref(name), patch)
            now = self._tainted()
            if now != states[-1]:
                states.append(now)
            affected = [case for case in asked if len(case["then"]) > turn and "refused" not in case]
            before = self._bindings()
            self._each(lambda case, turn=turn: self._change(case, turn), affected)
            answers = self._settled(affected)
            # Karmada taints a Cluster whose lease expired on a busy machine: decisions in this time are omitted.
            still = self._clusters() == states[-1]
            for case in affected:
                if still and "refused" not in case:
                    was = _decision(before.get(_binding(case)))
                    case["steps"].append(self._step(case, answers, len(states) - 1, was))
        self._each(self._end, asked)
        for case in asked:
            del case["then"], case["template"], case["placement"]
        return {"states": states, "cases": asked}

    # -- clusters ---------------------------------------------------------------------------------

    def _make(self, wanted: Object) -> None:
        name = wanted["metadata"]["name"]
        found = self.api.find(cluster_ref(name))
        if found is None:
            join(self.api, {"metadata": wanted["metadata"], "spec": wanted["spec"]})
        else:
            gone = dict.fromkeys(found["metadata"].get("labels") or {})
            labels = {**gone, **wanted["metadata"]["labels"]}
            self.api.patch(cluster_ref(name), {"metadata": {"labels": labels}, "spec": wanted["spec"]})
        # The fleet before this one may have had a capacity, and this one none.
        report(self.api, name, {"resourceSummary": None, **wanted["status"]})

    def _tainted(self) -> list[Object]:
        """Wait until Karmada has tainted exactly the Clusters that aren't ready; return all Clusters."""
        time.sleep(4)
        end = time.monotonic() + _SETTLE_SECONDS
        found = self._clusters()
        while any(is_true(one, "Ready") == _has_condition_taint(one) for one in found) and time.monotonic() < end:
            time.sleep(1)
            found = self._clusters()
        return found

    def _clusters(self) -> list[Object]:
        return [_slim(one) for one in self.api.list(CLUSTER_API, "Cluster")]

    # -- cases ------------------------------------------------------------------------------------

    def _start(self, case: Object) -> None:
        policy = {
            "apiVersion": POLICY_API,
            "kind": "PropagationPolicy",
            "metadata": {"name": case["name"], "namespace": "default"},
            "spec": {"resourceSelectors": [_selector(case)], "placement": case["placement"]},
        }
        try:
            made = self.api.create(policy, field_manager=_MANAGER)
        except ApiError as error:
            case["refused"] = str(error)[:300]
            return
        case["stored"] = made["spec"]["placement"]
        case["object"] = self.api.create(case["template"], field_manager=_MANAGER)

    def _change(self, case: Object, turn: int) -> None:
        step = case["then"][turn]
        if "placement" in step:
            ref = ObjectRef(POLICY_API, "PropagationPolicy", case["name"], "default")
            patch = [{"op": "replace", "path": "/spec/placement", "value": step["placement"]}]
            try:
                case["stored"] = self.api.patch(ref, patch, kind="json")["spec"]["placement"]
            except ApiError as error:
                case.setdefault("skipped", []).append(str(error)[:300])
        if "replicas" in step:
            scaled = cases.scaled(case["object"], step["replicas"])
            if scaled["spec"] != case["object"]["spec"]:
                spec = {"spec": scaled["spec"]}
                case["object"] = self.api.patch(_ref(case), spec)

    def _end(self, case: Object) -> None:
        self.api.delete(ObjectRef(POLICY_API, "PropagationPolicy", case["name"], "default"), propagation="Background")
        if "object" in case:
            self.api.delete(_ref(case), propagation="Background")
        case.pop("object", None)
        case.pop("stored", None)

    def _step(self, case: Object, answers: dict[str, Object], state: int, before: Object | None) -> Object:
        if "refused" in case:
            return {}
        binding = answers.get(_binding(case))
        return {
            "state": state,
            "template": _slim_template(case["object"]),
            "placement": copy.deepcopy(case["stored"]),
            "before": before,
            "answer": _decision(binding),
        }

    # -- answers ----------------------------------------------------------------------------------

    def _bindings(self) -> dict[str, Object]:
        listed = self.api.list(BINDING_API, "ResourceBinding", namespace="default")
        return {one["metadata"]["name"]: one for one in listed}

    def _settled(self, asked: list[Object]) -> dict[str, Object]:
        """Return the bindings when each has a decision for the current case, or has not changed for some seconds."""
        wanted = {_binding(case): case for case in asked if "object" in case}
        since: dict[str, tuple[Any, float]] = {}
        end = time.monotonic() + _SETTLE_SECONDS
        found: dict[str, Object] = {}
        while time.monotonic() < end:
            found = self._bindings()
            now = time.monotonic()
            waiting = 0
            for name, case in wanted.items():
                binding = found.get(name)
                if binding is None or not _is_current(binding, case):
                    waiting += 1
                    continue
                mark = (binding["metadata"]["generation"], json.dumps(_decision(binding), sort_keys=True))
                if since.get(name, (None, 0))[0] != mark:
                    since[name] = (mark, now)
                observed = (binding.get("status") or {}).get("schedulerObservedGeneration")
                done = observed == binding["metadata"]["generation"] and _condition(binding)
                if now - since[name][1] < (_QUIET_SECONDS if done else _UNSEEN_SECONDS):
                    waiting += 1
            if not waiting:
                break
            time.sleep(0.5)
        return found

    def _each(self, do: Callable[[Any], Any], items: list[Any]) -> None:
        list(self._pool.map(do, items))


def _is_current(binding: Object, case: Object) -> bool:
    """Return whether the binding has the current placement and template."""
    spec = binding["spec"]
    version = int(spec["resource"].get("resourceVersion") or 0)
    return spec.get("placement") == case["stored"] and version >= int(case["object"]["metadata"]["resourceVersion"])


def _decision(binding: Object | None) -> Object | None:
    """Return the scheduling decision in a binding; None without a binding."""
    if binding is None:
        return None
    spec, status = binding["spec"], binding.get("status") or {}
    scheduled = _condition(binding) or {}
    return {
        "replicas": spec.get("replicas", 0),
        "requirements": spec.get("replicaRequirements"),
        "components": len(spec.get("components") or []),
        "clusters": {one["name"]: one.get("replicas") for one in spec.get("clusters") or []},
        "group": status.get("schedulerObservingAffinityName", ""),
        "scheduled": scheduled.get("status"),
        "reason": scheduled.get("reason"),
        "message": scheduled.get("message"),
        "evicting": [task.get("fromCluster") for task in spec.get("gracefulEvictionTasks") or []],
        "applied": json.loads((binding["metadata"].get("annotations") or {}).get(APPLIED) or "null"),
    }


def _condition(binding: Object) -> Object | None:
    listed = (binding.get("status") or {}).get("conditions") or []
    return next((one for one in listed if one["type"] == "Scheduled"), None)


def _has_condition_taint(cluster: Object) -> bool:
    return any(Taint(taint["key"]).of_condition for taint in cluster["spec"].get("taints") or [])


def _slim(cluster: Object) -> Object:
    """Return a Cluster with only the fields that scheduling may read."""
    meta, spec, status = cluster["metadata"], cluster["spec"], cluster.get("status") or {}
    kept = ("syncMode", "provider", "region", "zone", "zones", "taints")
    modelled = bool((status.get("resourceSummary") or {}).get("allocatableModelings"))
    conditions = [{"type": one["type"], "status": one["status"]} for one in status.get("conditions") or []]
    return {
        "metadata": {key: meta[key] for key in ("name", "labels", "deletionTimestamp") if meta.get(key)},
        "spec": {key: spec[key] for key in (*kept, *(("resourceModels",) if modelled else ())) if spec.get(key)},
        "status": {
            "conditions": conditions,
            **{key: status[key] for key in ("apiEnablements", "resourceSummary") if status.get(key)},
        },
    }


def _slim_template(obj: Object) -> Object:
    meta = {key: obj["metadata"][key] for key in ("name", "namespace", "uid")}
    return {**{key: obj[key] for key in ("apiVersion", "kind", "spec") if key in obj}, "metadata": meta}


def _selector(case: Object) -> Object:
    return {"apiVersion": case["template"]["apiVersion"], "kind": case["template"]["kind"], "name": case["name"]}


def _ref(case: Object) -> ObjectRef:
    return ObjectRef(case["object"]["apiVersion"], case["object"]["kind"], case["name"], "default")


def _binding(case: Object) -> str:
    return binding_name((case.get("object") or case["template"])["kind"], case["name"])
