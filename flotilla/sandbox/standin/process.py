"""The stand-in as a part of the sandbox: its definitions, its one process."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.definitions import prepare, serves_clusters
from flotilla.sandbox.processes import Process
from flotilla.sandbox.standin.admission import guard
from flotilla.sandbox.standin.crds import definitions

CONTRACT = "1.18"
"""The Karmada version whose contract the stand-in keeps."""


@dataclass(frozen=True)
class StandIn:
    """The same face as `KarmadaProcesses`."""

    cluster: SandboxCluster

    @property
    def folder(self) -> Path:
        """Its log and record."""
        return self.cluster.root / "karmada"

    @property
    def title(self) -> str:
        """What outputs call it."""
        return f"stand-in for Karmada {CONTRACT} (not Karmada)"

    def version(self) -> str:
        """Return the version whose contract it keeps."""
        return CONTRACT

    def running(self) -> bool:
        """Tell whether it runs and its API answers."""
        if self._process.pid() is None:
            return False
        return serves_clusters(self.cluster.connection())

    def up(self) -> bool:
        """Start it. False where it ran already."""
        if self.running():
            return False
        connection = self.cluster.connection()
        prepare(connection, definitions())
        guard(connection)
        command = [sys.executable, "-m", "flotilla.sandbox.standin", f"--kubeconfig={self.cluster.kubeconfig}"]
        self._process.start(command)
        return True

    def down(self) -> None:
        """End it and remove its files."""
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _process(self) -> Process:
        return Process("karmada-stand-in", self.folder)
