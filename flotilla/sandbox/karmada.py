"""Karmada's real components, as processes next to the sandbox's API server for Karmada."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml

from flotilla.errors import SandboxError
from flotilla.kube import children
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.sandbox.certificates import serving_certificate
from flotilla.sandbox.controllers import Controllers
from flotilla.sandbox.definitions import SYSTEM_NAMESPACE, allow_proxy, apply, prepare, serves_clusters
from flotilla.sandbox.ports import LOOPBACK, free_ports
from flotilla.sandbox.processes import Process, wait_until
from flotilla.sandbox.webhooks import webhook_configurations

AGGREGATED = "karmada-aggregated-apiserver"
CONTROLLERS = "karmada-controller-manager"
SCHEDULER = "karmada-scheduler"
WEBHOOK = "karmada-webhook"
PROGRAMS = (AGGREGATED, CONTROLLERS, SCHEDULER, WEBHOOK)
AGENT = "karmada-agent"
"""The program that only pull-mode members need; it may be missing."""
_AGENTS = "karmada-agents"
_START_SECONDS = 60


def find_karmada(given: Path | None) -> Path | None:
    """Return the folder of Karmada's programs: the given one, KARMADA_BIN, or one on the PATH.

    Raises:
        SandboxError: the given folder doesn't have all of them.
    """
    named = given or (Path(os.environ["KARMADA_BIN"]) if os.environ.get("KARMADA_BIN") else None)
    if named is None:
        found = shutil.which(CONTROLLERS)
        if not found or not all(shutil.which(program) for program in PROGRAMS):
            return None
        named = Path(found).resolve().parent
    missing = [program for program in PROGRAMS if not (named / program).exists()]
    if not (named / "crds").is_dir():
        missing.append("crds/ (the CustomResourceDefinitions of that version)")
    if missing:
        raise SandboxError(
            f"{named} has no {', '.join(missing)}",
            hint="give a folder with Karmada's four programs and its CRDs in crds/",
        )
    return named.resolve()


@dataclass(frozen=True)
class KarmadaProcesses(Controllers):
    """Karmada's four programs, each started after the one before is ready, and the runner of pull-mode agents."""

    programs: Path
    names = (*PROGRAMS, _AGENTS)

    @property
    def title(self) -> str:
        """The name in outputs."""
        return f"Karmada {self.version()}"

    def version(self) -> str:
        """Return Karmada's version as the program prints it, such as 1.18.2."""
        found = re.search(r'GitVersion:"v?([0-9.]+)', self._written_by(CONTROLLERS, "version"))
        if not found:
            raise SandboxError(f"{self.programs / CONTROLLERS} doesn't say its version")
        return found[1]

    def start(self, connection: Connection) -> None:
        """Start the programs that don't run, each after the one before it is ready."""
        ports = self._ports()
        prepare(connection, self._definitions())
        allow_proxy(connection)
        self._start_aggregated(connection, ports["aggregated"])
        self._start_webhook(connection, ports)
        self._start_controllers(ports)
        self._start_agents()

    def _ports(self) -> dict[str, int]:
        """Return the ports. They are chosen once and kept after a restart, since objects of the API name them."""
        file = self.folder / "ports.json"
        if not file.exists():
            names = ("aggregated", "webhook", "webhook-metrics", "webhook-health")
            more = ("controllers-metrics", "controllers-health", "scheduler-metrics", "scheduler-health")
            self.folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(dict(zip(names + more, free_ports(8), strict=True))))
        return dict(json.loads(file.read_text()))

    def _definitions(self) -> list[Object]:
        files = sorted((self.programs / "crds").glob("*.yaml"))
        return [d for file in files for d in yaml.safe_load_all(file.read_text()) if d]

    def _start_aggregated(self, connection: Connection, port: int) -> None:
        host = f"{AGGREGATED}.{SYSTEM_NAMESPACE}.svc"
        certificate = serving_certificate(self.folder / "pki" / "aggregated", [host, "localhost", LOOPBACK])
        # The API server connects to an aggregated one by the Service's name; the external name leads to localhost.
        apply(
            connection,
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": AGGREGATED, "namespace": SYSTEM_NAMESPACE},
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            },
        )
        apply(
            connection,
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": "v1alpha1.cluster.karmada.io"},
                "spec": {
                    "group": "cluster.karmada.io",
                    "version": "v1alpha1",
                    "groupPriorityMinimum": 2000,
                    "versionPriority": 10,
                    "caBundle": certificate.ca_bundle,
                    "service": {"name": AGGREGATED, "namespace": SYSTEM_NAMESPACE, "port": port},
                },
            },
        )
        kubeconfig = self.cluster.kubeconfig
        process = self._start(
            AGGREGATED,
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--etcd-servers=http://{LOOPBACK}:{self.cluster.etcd_port}",
            f"--tls-cert-file={certificate.certificate}",
            f"--tls-private-key-file={certificate.key}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={port}",
        )

        def available() -> bool:
            return serves_clusters(connection)

        wait_until(available, seconds=_START_SECONDS, doing="waiting for Karmada's aggregated API", process=process)

    def _start_webhook(self, connection: Connection, ports: dict[str, int]) -> None:
        certificate = serving_certificate(self.folder / "pki" / "webhook", ["localhost", LOOPBACK])
        process = self._start(
            WEBHOOK,
            f"--kubeconfig={self.cluster.kubeconfig}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={ports['webhook']}",
            f"--cert-dir={certificate.folder}",
            f"--metrics-bind-address={LOOPBACK}:{ports['webhook-metrics']}",
            f"--health-probe-bind-address={LOOPBACK}:{ports['webhook-health']}",
        )
        trust = ssl.create_default_context(cafile=str(certificate.folder / "ca.crt"))
        _wait_healthy(process, f"https://{LOOPBACK}:{ports['webhook']}/readyz", trust)
        for configuration in webhook_configurations(f"https://{LOOPBACK}:{ports['webhook']}", certificate.ca_bundle):
            apply(connection, configuration)

    def _start_controllers(self, ports: dict[str, int]) -> None:
        # Upstream disables this by default, and `preemption: Always` has no effect then. Here it is enabled for trials.
        gates = "--feature-gates=PropagationPolicyPreemption=true"
        for name, key, more in ((CONTROLLERS, "controllers", (gates,)), (SCHEDULER, "scheduler", ())):
            process = self._start(
                name,
                f"--kubeconfig={self.cluster.kubeconfig}",
                "--leader-elect=false",
                *more,
                *self._address_flags(name, ports[f"{key}-metrics"], ports[f"{key}-health"]),
            )
            _wait_healthy(process, f"http://{LOOPBACK}:{ports[f'{key}-health']}/healthz")

    def _start_agents(self) -> None:
        process = self.process(_AGENTS)
        if process.pid() is None:
            folder = self.folder / "agents"
            places = {
                "program": self.programs / AGENT,
                "kubeconfigs": self.cluster.kubeconfig.parent,
                "folder": folder,
            }
            arguments = [f"--{name}={place}" for name, place in places.items()]
            process.start([sys.executable, "-m", "flotilla.sandbox.agents", *arguments])

    def _written_by(self, name: str, argument: str) -> str:
        """Run one of the programs with an argument with which it only prints and ends; return its output."""
        command = [str(self.programs / name), argument]
        environment = children.environment()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
        return done.stdout + done.stderr

    def _address_flags(self, name: str, metrics: int, health: int) -> list[str]:
        """Return the flags for both addresses; they changed in 1.12, so the program's help is read first."""
        if "--health-probe-bind-address" in self._written_by(name, "--help"):
            return [
                f"--metrics-bind-address={LOOPBACK}:{metrics}",
                f"--health-probe-bind-address={LOOPBACK}:{health}",
            ]
        flags = [f"--bind-address={LOOPBACK}", f"--secure-port={health}"]
        if name == CONTROLLERS:
            flags.append(f"--metrics-bind-address={LOOPBACK}:{metrics}")
        return flags

    def _start(self, name: str, *arguments: str) -> Process:
        process = self.process(name)
        if process.pid() is None:
            process.start([str(self.programs / name), *arguments])
        return process


def _wait_healthy(process: Process, url: str, trust: ssl.SSLContext | None = None) -> None:
    def healthy() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2, context=trust):  # noqa: S310 - loopback
                return True
        except OSError:
            return False

    wait_until(healthy, seconds=_START_SECONDS, doing=f"waiting for {process.name}", process=process)
