"""Part of `make bench`: compare the status of 200 members with kubectl and karmadactl listing the clusters.

Members are simulated: the script creates Clusters in pull mode and writes their status once, as an agent would. All
clients connect through one relay before real Karmada's API server, in one run. The relay counts the transmitted bytes,
including TLS.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlparse

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.sandbox.fleet import Sandbox
from flotilla.sandbox.karmada import find_karmada
from tests.bench.members import NGINX, REPOSITORY
from tests.contract.fleet import copy_program

RUNS = 5
CLUSTER_API = "cluster.karmada.io/v1alpha1"


class Relay:
    """Forwards connections to a server on loopback, and counts the bytes in both directions."""

    def __init__(self, server: str) -> None:
        self.bytes = 0
        self.connections = 0
        self._target = (urlparse(server).hostname, urlparse(server).port)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._socket.accept()
            self.connections += 1
            server = socket.create_connection(self._target)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.bytes += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side closed the connection


def main() -> int:
    """Start a sandbox, simulate members, measure, and remove it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=200)
    count = parser.parse_args().members
    programs = find_karmada(None)
    if programs is None:
        print("\nstatus against karmadactl: left out, for it needs Karmada's programs: set KARMADA_BIN")
        return 0
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        copy_program(project)
        sandbox = Sandbox(project)
        try:
            sandbox.up(lambda _: None, members=1, karmada_bin=programs)
            measure(project, project / ".flotilla" / "sandbox" / "kubeconfigs" / "karmada.yaml", programs, count)
        finally:
            sandbox.down(lambda _: None)
    return 0


def measure(folder: Path, kubeconfig: Path, programs: Path, count: int) -> None:
    """Print a line for each client."""
    document = kubeconfigs.select(kubeconfigs.load(kubeconfig.read_text()))
    simulate(Connection(document, name="karmada"), count, kubeconfig)
    relay = Relay(kubeconfigs.server(document))
    document["clusters"][0]["cluster"]["server"] = relay.url
    file = folder / "relayed.yaml"
    kubeconfigs.write(file, document)
    flotilla = [sys.executable, "-m", "flotilla.cli.main"]
    ways = {
        "flotilla clusters --json": [*flotilla, "clusters", f"--kubeconfig={file}", "--json"],
        "flotilla status --json": [*flotilla, "status", f"--kubeconfig={file}", "--json"],
        "kubectl get clusters -o json": ["kubectl", f"--kubeconfig={file}", "get", "clusters", "-o", "json"],
        "kubectl get clusters,rb,work -A -o json": [
            "kubectl",
            f"--kubeconfig={file}",
            "get",
            "clusters,resourcebindings,clusterresourcebindings,works",
            "-A",
            "-o",
            "json",
        ],
        "karmadactl get clusters": [str(programs / "karmadactl"), "get", "clusters", f"--kubeconfig={file}"],
    }
    print(f"{count} members; the median of {RUNS} runs\n")
    print(f"{'':42} seconds  requests  bytes on the wire")
    for title, command in ways.items():
        seconds, sent, requests = [], [], 0
        for _ in range(RUNS):
            before, began = relay.bytes, time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
            seconds.append(time.monotonic() - began)
            if done.returncode:
                print(f"{title}: {done.stderr.strip()[-300:]}")
                break
            time.sleep(0.2)
            sent.append(relay.bytes - before)
        else:
            requests = count_requests(command, file)
            print(f"{title:42} {statistics.median(seconds):7.2f} {requests:9} {statistics.median(sent):18,.0f}")


def count_requests(command: list[str], file: Path) -> int:
    """Count requests: Flotilla's connection counts its own; kubectl and karmadactl log theirs at verbosity 6."""
    if command[0] == sys.executable:
        from flotilla.observe.fleet import fleet_status
        from flotilla.observe.members import members_of

        connection = Connection(kubeconfigs.select(kubeconfigs.load(file.read_text())), name="karmada")
        (fleet_status if "status" in command else members_of)(connection)
        return connection.traffic.requests
    reported = subprocess.run([*command, "-v=6"], capture_output=True, text=True, check=False).stderr
    return len(re.findall(r'(?:"GET|verb="GET|GET https)', reported))


def simulate(karmada: Connection, count: int, kubeconfig: Path) -> None:
    """Create members that report Ready, and nginx on all of them."""
    ready = {"type": "Ready", "status": "True", "reason": "ClusterReady", "message": "cluster is healthy and ready"}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for index in range(count):
        name = f"member-{index:03}"
        spec = {"syncMode": "Pull", "apiEndpoint": f"https://10.0.{index // 250}.{index % 250}:6443", "region": "north"}
        body = {"apiVersion": CLUSTER_API, "kind": "Cluster", "metadata": {"name": name}, "spec": spec}
        live = karmada.create({**body, "metadata": {"name": name, "labels": {"site": "edge"}}}, field_manager="bench")
        quantities = {"cpu": "96", "memory": "768Gi", "pods": "330"}
        live["status"] = {
            "kubernetesVersion": "v1.37.2",
            "conditions": [{**ready, "lastTransitionTime": now}],
            "apiEnablements": [
                {"groupVersion": "apps/v1", "resources": [{"name": "deployments", "kind": "Deployment"}]}
            ],
            "nodeSummary": {"totalNum": 3, "readyNum": 3},
            "resourceSummary": {"allocatable": quantities, "allocated": {"cpu": "12", "pods": "40"}},
        }
        path = f"{karmada.resource(CLUSTER_API, 'Cluster').path(name)}/status"
        karmada.request("PUT", path, doing=f"writing the status of {name}", body=live)
    subprocess.run(
        ["kubectl", f"--kubeconfig={kubeconfig}", "apply", "-f", "-"],
        input=NGINX.replace("{clusterAffinity: {clusterNames: [member1, member2]}}", "{clusterAffinity: {}}"),
        text=True,
        check=True,
        capture_output=True,
        env=os.environ,
    )
    deadline = time.monotonic() + 120
    while (
        len(karmada.list("work.karmada.io/v1alpha1", "Work", labels="resourcebinding.karmada.io/permanent-id")) < count
    ):
        if time.monotonic() > deadline:
            raise TimeoutError("not every member has its Work")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
