"""Clusters in pull mode without an agent: the tests write what the agent would write, so they choose the status."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from flotilla.karmada.names import CLUSTER_NAMESPACE, execution_namespace
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef
from tests.background import repeating

_MANAGER = "agent-of-tests"
_BEAT_SECONDS = 5
_LEASE_SECONDS = 40
_NAMESPACE_SECONDS = 20


def cluster_ref(name: str) -> ObjectRef:
    """Return the reference of a member's Cluster."""
    return ObjectRef(CLUSTER_API, "Cluster", name)


def join(api: Connection, cluster: Object) -> Object:
    """Create a Cluster with an unreachable address from metadata and spec; return the created object."""
    name = cluster["metadata"]["name"]
    spec = {**cluster["spec"], "syncMode": "Pull", "apiEndpoint": f"https://{name}.invalid:6443", "id": name}
    body = {"apiVersion": CLUSTER_API, "kind": "Cluster", "metadata": cluster["metadata"], "spec": spec}
    made = api.create(body, field_manager=_MANAGER)
    end = time.monotonic() + _NAMESPACE_SECONDS
    while api.find(ObjectRef("v1", "Namespace", execution_namespace(name))) is None:
        assert time.monotonic() < end, f"Karmada has made no namespace for the Works of {name}"
        time.sleep(0.1)
    renew(api, name)
    return made


def report(api: Connection, name: str, status: Object) -> None:
    """Write fields of a Cluster's status; `conditions` maps types to bools. Other fields stay unchanged."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    written = [
        {"type": kind, "status": str(value), "reason": "Test", "message": "", "lastTransitionTime": now}
        for kind, value in status["conditions"].items()
    ]
    body = {"status": {"kubernetesVersion": "v1.31.0", **status, "conditions": written}}
    path = f"{api.resource(CLUSTER_API, 'Cluster').path()}/{name}/status"
    api.request("PATCH", path, doing="writing a status", body=body, media="application/merge-patch+json")


def renew(api: Connection, name: str) -> None:
    """Renew a Cluster's lease; without it, Karmada considers the Cluster unreachable (util.NamespaceClusterLease)."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease: Object = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": CLUSTER_NAMESPACE},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": now},
    }
    api.apply(lease, field_manager=_MANAGER, force=True)


@contextmanager
def beating(api: Connection, names: list[str]) -> Iterator[None]:
    """Renew the Clusters' leases until the block ends."""

    def beat(name: str) -> None:
        with suppress(ApiError):  # the next renewal is before the lease expires
            renew(api, name)

    with ThreadPoolExecutor(4) as pool, repeating(lambda: list(pool.map(beat, names)), every=_BEAT_SECONDS):
        yield
