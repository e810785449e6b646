"""The `kind` command: clusters whose nodes are containers on this machine.

Source: kind's commands (https://kind.sigs.k8s.io/docs/user/quick-start). KIND_EXPERIMENTAL_PROVIDER sets the runtime.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flotilla.errors import FlotillaError
from flotilla.kube import children

_SLACK_SECONDS = 600  # for pulling images, in addition to the wait for the nodes
_QUICK_SECONDS = 120


class KindError(FlotillaError):
    """The command is missing or failed; the message contains its own error text."""


@dataclass(frozen=True)
class Kind:
    """The command with one container runtime: docker, podman or nerdctl."""

    runtime: str = "docker"

    def create(self, name: str, config: dict[str, Any], *, wait: int) -> str:
        """Create a cluster and return its kubeconfig; the user's own kubeconfig file is not changed.

        Raises:
            KindError: a cluster of that name exists already, or the command failed (it then removes what it created).
        """
        if name in self.clusters():
            raise KindError(
                f"a kind cluster {name} exists already, and this stack did not create it",
                hint=f"rename yours, or remove it: kind delete cluster --name {name}",
            )
        with tempfile.TemporaryDirectory(prefix="flotilla-kind-") as folder:
            file, kubeconfig = Path(folder) / "config.yaml", Path(folder) / "kubeconfig"
            file.write_text(yaml.safe_dump(config))
            arguments = (f"--config={file}", f"--kubeconfig={kubeconfig}", f"--wait={wait}s")
            self._run("create", "cluster", f"--name={name}", *arguments, seconds=wait + _SLACK_SECONDS)
        return self.kubeconfig(name)

    def clusters(self) -> list[str]:
        """Return the names of all kind clusters of the runtime."""
        return self._run("get", "clusters").split()

    def kubeconfig(self, name: str) -> str:
        """Return a cluster's kubeconfig, for clients on this machine."""
        return self._run("get", "kubeconfig", f"--name={name}")

    def delete(self, name: str) -> None:
        """Delete a cluster; it is no error if it does not exist."""
        with tempfile.TemporaryDirectory(prefix="flotilla-kind-") as folder:
            kubeconfig = Path(folder) / "kubeconfig"
            self._run("delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}", seconds=_SLACK_SECONDS)

    def _run(self, *arguments: str, seconds: float = _QUICK_SECONDS) -> str:
        program = shutil.which("kind")
        if program is None:
            raise KindError("the kind command isn't on the PATH", hint="install kind 0.24 or newer: kind.sigs.k8s.io")
        environment = children.environment(KIND_EXPERIMENTAL_PROVIDER=self.runtime)
        doing = f"kind {arguments[0]} {arguments[1]}"
        try:
            result = subprocess.run(
                [program, *arguments], capture_output=True, text=True, check=False, timeout=seconds, env=environment
            )
        except subprocess.TimeoutExpired:
            raise KindError(f"{doing} took longer than {seconds:.0f} s", hint=f"is {self.runtime} running?") from None
        if result.returncode:
            said = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or [result.stderr.strip()]
            raise KindError(f"{doing}: {said[-1].removeprefix('ERROR: ')}", hint=f"is {self.runtime} running?")
        return result.stdout
