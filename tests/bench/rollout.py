"""Part of `make bench`: the requests of the wait for a rollout, for 20 templates on 50 members.

The API server is real. A second process simulates Karmada and the members: it writes a binding for each template, a
Work for each template and member, and the statuses of both. So the result doesn't depend on Karmada's speed, and
differences between two versions of Flotilla are due to Flotilla.
`python -m tests.bench.rollout 20 50` chooses the sizes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components import rollout
from flotilla.karmada.names import binding_name, execution_namespace
from flotilla.karmada.objects import BINDING_API, CLUSTER_API, WORK_API
from flotilla.karmada.propagation import deployment
from flotilla.karmada.status.written import Marks
from flotilla.kube.connection import Connection, connect
from flotilla.kube.objects import Object, ObjectRef
from flotilla.sandbox.binaries import ensure
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.definitions import prepare
from flotilla.sandbox.standin.crds import definitions
from tests.bench.program import requests_sent

BINDING_ID = "resourcebinding.karmada.io/permanent-id"
POLICY = {"propagationpolicy.karmada.io/name": "bench", "propagationpolicy.karmada.io/namespace": "default"}
POLICY_ID = {"propagationpolicy.karmada.io/permanent-id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "bench"))}
PLACEMENT = {"clusterAffinity": {}, "replicaScheduling": {"replicaSchedulingType": "Duplicated"}}
LOOKS = 5


def main(templates: int, members: int) -> int:
    """Start an API server, measure, and remove it."""
    with tempfile.TemporaryDirectory() as name:
        cluster = SandboxCluster("karmada", Path(name), ensure(lambda _: None))
        try:
            cluster.up(workloads=False, nodes=0)
            text = cluster.kubeconfig.read_text()
            karmada = connect(text, name="karmada")
            prepare(karmada, definitions())
            fill(karmada, templates, members)
            measure(cluster.kubeconfig, text, templates, members)
        finally:
            cluster.down()
    return 0


def declared(index: int) -> Object:
    """Return a template."""
    return deployment(
        f"web-{index:03}",
        namespace="default",
        image="nginx:1.27",
        replicas=2,
        ports=[],
        env={},
        resources={},
        labels={},
    )


def fill(karmada: Connection, templates: int, members: int) -> None:
    """Create the Clusters, which are Ready, and the templates, with the labels of the policy that claims them."""
    for index in range(members):
        name = f"bench-{index:03}"
        body = {"apiVersion": CLUSTER_API, "kind": "Cluster", "metadata": {"name": name}, "spec": {"syncMode": "Push"}}
        karmada.create(body, field_manager="bench")
        write_status(karmada, ObjectRef(CLUSTER_API, "Cluster", name), {"conditions": [condition("Ready")]})
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": execution_namespace(name)}}
        karmada.create(space, field_manager="bench")
    for index in range(templates):
        template = declared(index)
        meta = template["metadata"]
        claimed = {"labels": {**meta.get("labels", {}), **POLICY_ID}, "annotations": POLICY}
        karmada.create({**template, "metadata": {**meta, **claimed}}, field_manager="bench")


def condition(kind: str) -> Object:
    """Return a condition that is True."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"type": kind, "status": "True", "reason": "Done", "message": "", "lastTransitionTime": stamp}


def write_status(karmada: Connection, ref: ObjectRef, status: Object) -> None:
    """Write the status of an object, as its controller would do."""
    path = karmada.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace) + "/status"
    media = "application/merge-patch+json"
    karmada.request("PATCH", path, doing=f"writing the status of {ref}", body={"status": status}, media=media)


def measure(kubeconfig: Path, text: str, templates: int, members: int) -> None:
    """Wait for the rollout while the simulated Karmada carries it out; then wait for many at once."""
    looks: list[tuple[float, float]] = []
    poll = rollout.poll

    def counted(look, timeout, **options):
        def noted():
            began, cpu = time.monotonic(), time.thread_time()
            try:
                return look()
            finally:
                looks.append((time.monotonic() - began, time.thread_time() - cpu))

        return poll(noted, timeout, **options)

    rollout.poll = counted
    sent = requests_sent()
    karmada = [sys.executable, "-m", "tests.bench.rollout", "--karmada", str(kubeconfig), str(templates), str(members)]
    every = list(range(templates))
    began = time.monotonic()
    with subprocess.Popen(karmada) as simulated:
        wait(text, every, members)
        seconds = time.monotonic() - began
    assert simulated.returncode == 0
    print(f"a rollout of {templates} templates on {members} members")
    report("  while Karmada carries it out", seconds, sent, looks)
    for title, split in ((f"  {LOOKS} waits once all is done", [every] * LOOKS), ("", [[index] for index in every])):
        sent.clear()
        looks.clear()
        began = time.monotonic()
        with ThreadPoolExecutor(max_workers=1 if title else 16) as pool:
            list(pool.map(lambda part: wait(text, part, members), split))
        report(title or f"  {templates} waits at once, a template each", time.monotonic() - began, sent, looks)


def wait(text: str, indexes: list[int], members: int) -> None:
    """Wait as the Rollout resource does."""
    expected = {f"bench-{index:03}": {"id": str(index), "unanswered": ""} for index in range(members)}
    props = {
        "kubeconfig": text,
        "workload": "bench",
        "templates": [declared(index) for index in indexes],
        "placement": PLACEMENT,
        "overrideRules": [],
        "members": expected,
        "timeout": 600,
    }
    outs = rollout.wait(props, "bench", rollout.redivided(None, props), Marks())
    assert outs["settled"]
    assert all(len(where) == members for where in outs["scheduled"].values())


def report(title: str, seconds: float, sent: list, looks: list) -> None:
    """Print a line."""
    asked = Counter(method for name, method, _ in sent if name == "Karmada")
    requests = sum(asked.values())
    print(
        f"{title}: {seconds:.1f} s; {len(looks)} looks; {requests} requests, {requests / len(looks):.1f} a look; "
        f"a look takes {statistics.median(took for took, _ in looks) * 1000:.0f} ms, "
        f"{statistics.median(cpu for _, cpu in looks) * 1000:.0f} ms of it our own CPU"
    )


def carry_out(kubeconfig: str, templates: int, members: int) -> int:
    """Write what Karmada and the members would write; this runs in its own process."""
    karmada = connect(Path(kubeconfig).read_text(), name="karmada")
    names = [f"bench-{index:03}" for index in range(members)]
    for index in range(templates):
        template = karmada.get(ObjectRef("apps/v1", "Deployment", f"web-{index:03}", "default"))
        identity = {BINDING_ID: str(uuid.uuid4())}
        binding = bind(karmada, template, names, identity)
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda name: send(karmada, template, name, identity), names))  # noqa: B023 - used at once
        status = {"replicas": 2, "readyReplicas": 2}
        reports = [{"clusterName": n, "applied": True, "health": "Healthy", "status": status} for n in names]
        write_status(karmada, binding, {"conditions": [condition("Scheduled")], "aggregatedStatus": reports})
    return 0


def bind(karmada: Connection, template: Object, names: list[str], identity: dict[str, str]) -> ObjectRef:
    """Write the binding of a template, as the detector and the scheduler do."""
    meta = template["metadata"]
    ref = ObjectRef(BINDING_API, "ResourceBinding", binding_name("Deployment", meta["name"]), "default")
    resource = {"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "namespace": "default"}
    spec = {
        "resource": {**resource, "uid": meta["uid"]},
        "clusters": [{"name": name, "replicas": 2} for name in names],
        "replicas": 2,
        "placement": PLACEMENT,
    }
    labels = {**identity, **POLICY_ID}
    body = {"metadata": {"name": ref.name, "namespace": "default", "labels": labels, "annotations": POLICY}}
    body |= {"apiVersion": BINDING_API, "kind": "ResourceBinding", "spec": spec}
    karmada.create(body, field_manager="bench")
    write_status(karmada, ref, {"conditions": [condition("Scheduled")]})
    return ref


def send(karmada: Connection, template: Object, cluster: str, identity: dict[str, str]) -> None:
    """Write the Work of a template for a cluster, and that it is applied there."""
    name = f"{template['metadata']['name']}-{uuid.uuid5(uuid.NAMESPACE_DNS, cluster).hex[:10]}"
    manifest = {key: template[key] for key in ("apiVersion", "kind", "spec")}
    meta = {key: template["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    body = {
        "apiVersion": WORK_API,
        "kind": "Work",
        "metadata": {"name": name, "namespace": execution_namespace(cluster), "labels": identity},
        "spec": {"workload": {"manifests": [{**manifest, "metadata": meta}]}},
    }
    karmada.create(body, field_manager="bench")
    ref = ObjectRef(WORK_API, "Work", name, execution_namespace(cluster))
    write_status(karmada, ref, {"conditions": [condition("Applied")]})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--karmada"]:
        sys.exit(carry_out(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    sizes = [int(text) for text in sys.argv[1:3]]
    sys.exit(main(*(sizes or [20, 50])))
