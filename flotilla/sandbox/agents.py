"""Runs the real agents of pull-mode members as processes, since the sandbox's simulated pods run no program.

For the agent's Deployment, this module does what a kubelet would do: it starts the program with the Deployment's
arguments, the mounted Secret and a token of its account, starts it again after each change, and ends it with the
Deployment.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from flotilla.errors import FlotillaError
from flotilla.karmada.joining.agent import ACCOUNT, DEPLOYMENT, KUBECONFIG_SECRET
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef
from flotilla.sandbox.ports import LOOPBACK, free_ports
from flotilla.sandbox.processes import Process

_PAUSE_SECONDS = 1.0
_TOKEN_SECONDS = 7 * 24 * 3600


@dataclass
class Agents:
    """The agents of all members."""

    program: Path
    kubeconfigs: Path
    """The folder with the members' kubeconfigs."""
    folder: Path
    """The folder of logs and of the files that the agents mount."""
    running: dict[str, str] = field(default_factory=dict)
    """For each member, a digest of the arguments and files with which its agent was started."""

    def reconcile(self) -> None:
        """Bring every member's agent up to date."""
        for file in sorted(self.kubeconfigs.glob("member*.yaml")):
            try:
                self._member(file.stem, file)
            except FlotillaError as error:
                sys.stdout.write(f"{time.strftime('%H:%M:%S')} {file.stem}: {error.message}\n")
                sys.stdout.flush()

    def stop(self) -> None:
        """End all agents."""
        for member in list(self.running):
            self._process(member).stop()

    def _member(self, member: str, file: Path) -> None:
        document = kubeconfigs.select(kubeconfigs.load(file.read_text()))
        connection = Connection(document, name=member, timeout=5.0)
        found = connection.list("apps/v1", "Deployment", labels=f"app={DEPLOYMENT}")
        wanted = [d for d in found if d["spec"].get("replicas", 1) and not d["metadata"].get("deletionTimestamp")]
        process = self._process(member)
        if not wanted:
            if self.running.pop(member, None):
                process.stop()
            return
        deployment = wanted[0]
        namespace = deployment["metadata"]["namespace"]
        secret = connection.get(ObjectRef("v1", "Secret", KUBECONFIG_SECRET, namespace))
        state = json.dumps([deployment["spec"]["template"], secret["data"]], sort_keys=True)
        digest = hashlib.sha256(state.encode()).hexdigest()
        if self.running.get(member) == digest and process.pid() is not None:
            return
        if not self.program.exists():
            raise FlotillaError(f"{self.program} isn't there: this sandbox runs no agent")
        process.stop()
        process.start(self._command(member, deployment, secret, connection, document))
        self.running[member] = digest

    def _command(
        self, member: str, deployment: Object, secret: Object, connection: Connection, document: dict[str, Any]
    ) -> list[str]:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        mounted = self._private(f"{member}-karmada", base64.b64decode(secret["data"][KUBECONFIG_SECRET]).decode())
        own = self._private(f"{member}-member", self._as_account(connection, document, deployment))
        metrics, health = free_ports(2)
        replaced = {
            f"{container['volumeMounts'][0]['mountPath']}/{KUBECONFIG_SECRET}": str(mounted),
            "$(POD_IP)": LOOPBACK,
            "0.0.0.0": LOOPBACK,  # noqa: S104 - karmadactl's Deployments contain it, and it is replaced
            "=:8080": f"={LOOPBACK}:8080",
            "8080": str(metrics),
            "10357": str(health),
        }
        arguments = [*container["command"][1:], *(container.get("args") or [])]
        for old, new in replaced.items():
            arguments = [argument.replace(old, new) for argument in arguments]
        return [str(self.program), f"--kubeconfig={own}", *arguments]

    def _as_account(self, connection: Connection, document: dict[str, Any], deployment: Object) -> str:
        """Return a kubeconfig of the member with only the rights of the agent's account."""
        namespace = deployment["metadata"]["namespace"]
        path = f"{connection.resource('v1', 'ServiceAccount').path(ACCOUNT, namespace)}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }
        token = connection.request("POST", path, body=request, doing=f"a token for {ACCOUNT}")["status"]["token"]
        return yaml.safe_dump({**document, "users": [{**document["users"][0], "user": {"token": token}}]})

    def _private(self, name: str, text: str) -> Path:
        file = self.folder / f"{name}.yaml"
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def _process(self, member: str) -> Process:
        return Process(f"agent-{member}", self.folder)


def main() -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description="runs karmada-agent for the sandbox's pull-mode members")
    for name in ("program", "kubeconfigs", "folder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    agents = Agents(options.program, options.kubeconfigs, options.folder)
    while not stop.is_set():
        agents.reconcile()
        stop.wait(_PAUSE_SECONDS)
    agents.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
