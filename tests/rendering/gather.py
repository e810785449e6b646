"""Collect the Works that a real Karmada writes for random templates.

The Clusters are in pull mode and have no agent (tests/pull_members.py); the Works are read in their namespaces.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX
from flotilla.karmada.objects import POLICY_API, WORK_API
from flotilla.karmada.rendering.marks import BINDING_ID_LABELS
from flotilla.karmada.status.snapshot import binding_ref
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.karmada import KarmadaProcesses
from tests.pull_members import beating, join, report
from tests.rendering import cases

CLUSTERS = 4
BATCH = 60
_QUIET_SECONDS = 6.0
_BATCH_SECONDS = 120.0
_MANAGER = "truth"
_STATUS: Object = {
    "conditions": {"Ready": True, "CompleteAPIEnablements": True},
    "nodeSummary": {"totalNum": 3, "readyNum": 3},
    "resourceSummary": {"allocatable": {"cpu": "64", "memory": "256Gi", "pods": "330"}, "allocated": {"cpu": "1"}},
}


@contextmanager
def karmada_in(folder: Path, programs: Path, binaries: Any) -> Iterator[tuple[Connection, str]]:
    """Run an API server with Karmada's programs and no members; yield a connection and Karmada's version."""
    cluster = SandboxCluster("karmada", folder, binaries)
    karmada = KarmadaProcesses(cluster, programs)
    try:
        cluster.up(workloads=False)
        karmada.up()
        yield cluster.connection(), karmada.version()
    finally:
        with contextlib.suppress(Exception):
            karmada.down()
        cluster.down()


def gather(connection: Connection, seed: int, count: int) -> Object:
    """Return `count` cases with the bindings and Works that Karmada made.

    Returns:
        `clusters` and `everywhere` (policies that select every template), as the API has them, and `cases`: each with
        `template`, `overrides` and `binding` as the API has them, and `works`, the Work by cluster.
    """
    rnd = random.Random(seed)  # noqa: S311 - it chooses cases, no secrets
    names = [f"m{seed}-{letter}" for letter in "abcdefgh"[:CLUSTERS]]
    _apply_definitions(connection)
    fleet = [join(connection, cluster) for cluster in cases.clusters(rnd, names)]
    everywhere = [_create(connection, _everywhere(names))]
    for name in names:
        report(connection, name, {**_STATUS, "apiEnablements": cases.served()})
    found: list[Object] = []
    with beating(connection, names):
        time.sleep(4)
        made = [cases.case(rnd, number, names) for number in range(count)]
        for start in range(0, count, BATCH):
            found += _batch(connection, made[start : start + BATCH])
            print(f"{len(found)} cases", flush=True)  # noqa: T201 - progress of minutes
    fleet = [_clean(connection.get(ref_of(one))) for one in fleet]
    return {"seed": seed, "clusters": fleet, "everywhere": [_clean(p) for p in everywhere], "cases": found}


def _everywhere(names: list[str]) -> Object:
    """Return a policy without selectors, so it selects every template."""
    rule = {
        "targetCluster": {"clusterNames": names[:1]},
        "overriders": {"annotationsOverrider": [{"operator": "add", "value": {"example.org/everywhere": "yes"}}]},
    }
    metadata = {"name": "m-everywhere"}
    return {
        "apiVersion": POLICY_API,
        "kind": "ClusterOverridePolicy",
        "metadata": metadata,
        "spec": {"overrideRules": [rule]},
    }


def _apply_definitions(connection: Connection) -> None:
    for definition in cases.definitions():
        _create(connection, definition)
    for kind, (api, _, _) in cases.CUSTOM.items():
        for _ in range(100):
            if not connection.unserved(api, cases.SERVED.get(kind, kind)):
                break
            time.sleep(0.2)


def _batch(connection: Connection, batch: list[Object]) -> list[Object]:
    """Create the objects of the cases, wait until nothing changes any more, and read the results."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda case: _prepare(connection, case), batch))
        time.sleep(2)
        list(pool.map(lambda case: _propagate(connection, case), batch))
        known: Any = None
        quiet_since = end = time.monotonic()
        end += _BATCH_SECONDS
        while time.monotonic() < end:
            now = list(pool.map(lambda case: _seen(connection, case), batch))
            if now != known:
                known, quiet_since = now, time.monotonic()
            elif time.monotonic() - quiet_since > _QUIET_SECONDS:
                break
            time.sleep(1)
        found = list(pool.map(lambda case: _answer(connection, case), batch))
        list(pool.map(lambda case: _remove(connection, case), batch))
    return found


def _prepare(connection: Connection, case: Object) -> None:
    namespace = case["template"]["metadata"].get("namespace")
    if namespace:
        labels = {"namespace.karmada.io/skip-auto-propagation": "true"}
        _create(
            connection, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        )
        with contextlib.suppress(ApiError):  # the control plane may create it itself
            _create(
                connection,
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}},
            )
        if case["template"].get("type") == "kubernetes.io/service-account-token":
            name = case["template"]["metadata"]["annotations"]["kubernetes.io/service-account.name"]
            _create(
                connection,
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
            )
    kept = []
    for policy in case["overrides"]:
        try:
            kept.append(_create(connection, policy))
        except ApiError as error:
            case.setdefault("refused", []).append({"policy": policy, "message": str(error)})
    case["overrides"] = kept


def _propagate(connection: Connection, case: Object) -> None:
    try:
        case["made"] = _create(connection, case["template"])
    except ApiError as error:
        case["unmade"] = str(error)
        return
    _create(connection, case["policy"])


def _binding_ref(case: Object) -> ObjectRef:
    return binding_ref(ref_of(case["template"]))


def _works(connection: Connection, binding: Object | None) -> dict[str, Object]:
    if binding is None:
        return {}
    key = BINDING_ID_LABELS[binding["kind"]]
    identity = (binding["metadata"].get("labels") or {}).get(key)
    works = connection.list(WORK_API, "Work", labels=f"{key}={identity}") if identity else []
    return {work["metadata"]["namespace"].removeprefix(EXECUTION_NAMESPACE_PREFIX): work for work in works}


def _seen(connection: Connection, case: Object) -> Any:
    if "unmade" in case:
        return None
    binding = connection.find(_binding_ref(case))
    works = _works(connection, binding)
    return (binding or {}).get("spec"), {name: work["spec"] for name, work in works.items()}


def _answer(connection: Connection, case: Object) -> Object:
    found = {"number": case["number"], "refused": case.get("refused") or []}
    if "unmade" in case:
        return {**found, "unmade": case["unmade"]}
    binding = connection.find(_binding_ref(case))
    template = connection.find(ref_of(case["made"]))
    if template is None:
        return {**found, "unmade": "it was deleted"}
    works = _works(connection, binding)
    events = [] if binding is None else _events(connection, case)
    return {
        **found,
        "declared": case["template"],
        "template": _clean(template),
        "overrides": [_clean(policy) for policy in case["overrides"]],
        "binding": None if binding is None else _clean(binding),
        "works": {name: _clean(work) for name, work in sorted(works.items())},
        "events": events,
    }


def _events(connection: Connection, case: Object) -> list[str]:
    namespace = case["template"]["metadata"].get("namespace") or "default"
    events = connection.list("v1", "Event", namespace=namespace)
    about = (case["template"]["metadata"]["name"], _binding_ref(case).name)
    return sorted(
        {
            f"{event.get('reason')}: {event.get('message')}"
            for event in events
            if (event.get("involvedObject") or {}).get("name") in about and event.get("type") == "Warning"
        }
    )


def _remove(connection: Connection, case: Object) -> None:
    """Delete the template and the policies of a case, which could affect the next batches."""
    gone = [case["policy"], *case["overrides"], *([case["made"]] if "made" in case else [])]
    for obj in gone:
        with contextlib.suppress(ApiError):
            connection.delete(ref_of(obj), propagation="Background")


def _create(connection: Connection, obj: Object) -> Object:
    return {**obj, **connection.create(obj, field_manager=_MANAGER)}


def _clean(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}
