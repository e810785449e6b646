"""Kill runs at random moments; after each, one clean run must complete the work without leftovers.

`python -m tests.bench.kills 100` (make kills) chooses the number; the test suite does a few of them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from components.kubernetes_object import KubernetesObject
from flotilla.engine.stack import EmbeddedStack
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.state.config import Project

COUNT = 20
REPOSITORY = Path(__file__).parents[2]


def stack(folder: Path, kubeconfig: Path, namespace: str) -> EmbeddedStack:
    """Return a stack of ConfigMaps, each of which depends on the one before."""

    def program() -> None:
        provider = k8s.Provider("cluster", kubeconfig=kubeconfig.read_text(), cluster_identifier="m")
        last: list[KubernetesObject] = []
        for index in range(COUNT):
            manifest = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"c{index:02}", "namespace": namespace},
                "data": {"index": str(index)},
            }
            opts = pulumi.ResourceOptions(provider=provider, depends_on=last)
            last = [KubernetesObject(f"c{index:02}", manifest, opts)]

    (folder / "Pulumi.yaml").write_text("name: kills\nruntime: python\n")
    return EmbeddedStack(Project.load(folder), "test", folder, program=program, report=print)


class Subject:
    """One stack whose verbs run in their own processes."""

    def __init__(self, folder: Path, kubeconfig: Path, namespace: str) -> None:
        self._folder = folder
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        document = kubeconfigs.select(kubeconfigs.load(kubeconfig.read_text()))
        self._connection = Connection(document, name="member")

    def kill(self, verb: str, *, after: float) -> None:
        """Start a run and kill it with SIGKILL, like a power failure."""
        process = subprocess.Popen(
            self._command(verb), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=REPOSITORY
        )
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def complete(self, verb: str) -> None:
        """Run a verb to its end; raise AssertionError if it fails."""
        done = subprocess.run(self._command(verb), capture_output=True, text=True, check=False, cwd=REPOSITORY)
        if done.returncode:
            raise AssertionError(f"{verb} after a kill: {done.stdout}{done.stderr}")

    def objects(self) -> list[str]:
        """Return the names of the objects in the cluster."""
        items = self._connection.list("v1", "ConfigMap", namespace=self._namespace)
        return sorted(o["metadata"]["name"] for o in items if o["metadata"]["name"].startswith("c"))

    def state(self) -> list[str]:
        """Return the names of the objects in the state."""
        snapshot = stack(self._folder, self._kubeconfig, self._namespace).snapshot()
        snapshot.check()
        assert not snapshot.pending
        return sorted(r.name for r in snapshot.resources if r.type.startswith("kubernetes:"))

    def expected(self) -> list[str]:
        """Return the names that cluster and state have after an `up`."""
        return [f"c{index:02}" for index in range(COUNT)]

    def _command(self, verb: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "tests.bench.kills",
            verb,
            str(self._folder),
            str(self._kubeconfig),
            self._namespace,
        ]


def main(runs: int) -> int:
    """Start a cluster, and kill `runs` ups and destroys."""
    from flotilla.sandbox.binaries import ensure
    from flotilla.sandbox.clusters import SandboxCluster

    os.environ.setdefault("PULUMI_CONFIG_PASSPHRASE", "kills")
    with tempfile.TemporaryDirectory() as folder:
        cluster = SandboxCluster("member1", Path(folder), ensure(print))
        try:
            cluster.up(workloads=True)
            subject = Subject(Path(folder), cluster.kubeconfig, "default")
            partial = {"up": 0, "destroy": 0}
            for _ in range(runs):
                for verb, wanted in (("up", subject.expected()), ("destroy", [])):
                    subject.kill(verb, after=random.uniform(0.6, 1.6))  # noqa: S311 - a moment, not a secret
                    partial[verb] += 0 < len(subject.objects()) < COUNT
                    subject.complete(verb)
                    assert subject.objects() == wanted == subject.state()
        finally:
            cluster.down()
    print(
        f"{runs} killed ups ({partial['up']} of them partway), {runs} killed destroys ({partial['destroy']} partway):"
    )
    print("after each, one clean run: nothing lost, nothing left, state and cluster agree")
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _, verb, folder_, kubeconfig_, namespace_ = sys.argv
        result = getattr(stack(Path(folder_), Path(kubeconfig_), namespace_), verb)()
        sys.exit(bool(result.failures))
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
