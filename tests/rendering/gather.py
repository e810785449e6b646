"""Asks a real Karmada what it writes into Works, and keeps its answers.

Clusters are in pull mode and have no agent: what is read are the Works in their namespaces. Their status and their
leases are written from here.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.karmada import KarmadaProcesses
from tests.rendering import cases

CLUSTERS = 4
BATCH = 60
_QUIET_SECONDS = 6.0
_BATCH_SECONDS = 120.0
_BEAT_SECONDS = 8.0
_MANAGER = "truth"
_BINDINGS = "work.karmada.io/v1alpha2"
_WORKS = "work.karmada.io/v1alpha1"
_CLUSTER = "cluster.karmada.io/v1alpha1"


@contextmanager
def karmada_in(folder: Path, programs: Path, binaries: Any) -> Iterator[tuple[Connection, str]]:
    """Run one API server with Karmada's programs and no members; yields a connection and Karmada's version."""
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
    """Return `count` cases with what Karmada made of them.

    Returns:
        `clusters` and `everywhere` (the policies that mean every template), as the API has them, and `cases`: each with
        `template`, `overrides` and `binding` as the API has them, and `works`, the Work by cluster.
    """
    rnd = random.Random(seed)  # noqa: S311 - it chooses cases, no secrets
    names = [f"m{seed}-{letter}" for letter in "abcdefgh"[:CLUSTERS]]
    _apply_definitions(connection)
    fleet = [
        _create(connection, {"apiVersion": _CLUSTER, "kind": "Cluster", **c})
        for c in _with_address(cases.clusters(rnd, names), seed)
    ]
    everywhere = [_create(connection, _everywhere(names))]
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(connection, names, stop), daemon=True)
    beating.start()
    try:
        time.sleep(4)
        made = [cases.case(rnd, number, names) for number in range(count)]
        found = []
        for start in range(0, count, BATCH):
            found += _batch(connection, made[start : start + BATCH])
            print(f"{len(found)} cases", flush=True)  # noqa: T201 - progress of minutes
    finally:
        stop.set()
        beating.join()
    fleet = [_clean(connection.get(ref_of(one))) for one in fleet]
    return {"seed": seed, "clusters": fleet, "everywhere": [_clean(p) for p in everywhere], "cases": found}


def _with_address(clusters: list[Object], seed: int) -> list[Object]:
    for one in clusters:
        name = one["metadata"]["name"]
        one["spec"] |= {"apiEndpoint": f"https://{name}.invalid:6443", "id": f"{seed}-{name}"}
    return clusters


def _everywhere(names: list[str]) -> Object:
    """Return a policy without selectors: it means every template."""
    rule = {
        "targetCluster": {"clusterNames": names[:1]},
        "overriders": {"annotationsOverrider": [{"operator": "add", "value": {"example.org/everywhere": "yes"}}]},
    }
    metadata = {"name": "m-everywhere"}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
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
    """Make the cases' objects, wait until nothing changes any more, and read them."""
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
        with contextlib.suppress(ApiError):  # a control plane may make it by itself
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
    template = case["template"]
    namespace = template["metadata"].get("namespace") or ""
    kind = "ResourceBinding" if namespace else "ClusterResourceBinding"
    return ObjectRef(_BINDINGS, kind, f"{template['metadata']['name']}-{template['kind'].lower()}", namespace)


def _works(connection: Connection, binding: Object | None) -> dict[str, Object]:
    if binding is None:
        return {}
    labels = binding["metadata"].get("labels") or {}
    key = next((key for key in labels if key.endswith("binding.karmada.io/permanent-id")), None)
    if key is None:
        return {}
    works = connection.list(_WORKS, "Work", labels=f"{key}={labels[key]}")
    return {work["metadata"]["namespace"].removeprefix("karmada-es-"): work for work in works}


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
    """Remove what the next batches could stumble over: all that isn't in the case's namespace, and its policy."""
    gone = [case["policy"], *case["overrides"], *([case["made"]] if "made" in case else [])]
    for obj in gone:
        with contextlib.suppress(ApiError):
            connection.delete(ref_of(obj), propagation="Background")


def _create(connection: Connection, obj: Object) -> Object:
    return {**obj, **connection.create(obj, field_manager=_MANAGER)}


def _clean(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}


def _beat(connection: Connection, names: list[str], stop: threading.Event) -> None:
    """Write the Clusters' status and renew their leases, as their agents would."""
    while True:
        for name in names:
            with contextlib.suppress(ApiError):
                _renew(connection, name)
        if stop.wait(_BEAT_SECONDS):
            return


def _renew(connection: Connection, name: str) -> None:
    now = dt.datetime.now(dt.UTC)
    lease = ObjectRef("coordination.k8s.io/v1", "Lease", name, f"karmada-es-{name}")
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    body = {
        "apiVersion": lease.api_version,
        "kind": lease.kind,
        "metadata": {"name": name, "namespace": lease.namespace},
    }
    try:
        connection.patch(lease, {"spec": spec})
    except ApiError:
        connection.create({**body, "spec": spec}, field_manager=_MANAGER)
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {"type": kind, "status": "True", "reason": "Test", "message": "", "lastTransitionTime": moment}
        for kind in ("Ready", "CompleteAPIEnablements")
    ]
    status = {
        "kubernetesVersion": "v1.31.0",
        "apiEnablements": cases.served(),
        "conditions": conditions,
        "nodeSummary": {"totalNum": 3, "readyNum": 3},
        "resourceSummary": {"allocatable": {"cpu": "64", "memory": "256Gi", "pods": "330"}, "allocated": {"cpu": "1"}},
    }
    path = f"/apis/{_CLUSTER}/clusters/{name}/status"
    connection.request(
        "PATCH", path, doing="writing a Cluster's status", body={"status": status}, media="application/merge-patch+json"
    )
