"""What plays Karmada in a sandbox, the real programs or the stand-in: processes beside one cluster's API server."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from flotilla.kube.connection import Connection
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.definitions import serves_clusters
from flotilla.sandbox.processes import Process


@dataclass(frozen=True)
class Controllers(ABC):
    """Processes that are started and ended together."""

    cluster: SandboxCluster
    names: ClassVar[tuple[str, ...]]
    """The processes, in the order in which they start."""

    @property
    def folder(self) -> Path:
        """Logs, records and certificates."""
        return self.cluster.root / "karmada"

    @property
    @abstractmethod
    def title(self) -> str:
        """What outputs call it."""

    @abstractmethod
    def version(self) -> str:
        """Return the Karmada version that it is, or whose contract it keeps."""

    @abstractmethod
    def start(self, connection: Connection) -> None:
        """Start what doesn't run, and wait for it."""

    def running(self) -> bool:
        """Tell whether all of them run and Karmada's API answers."""
        if any(self.process(name).pid() is None for name in self.names):
            return False
        return serves_clusters(self.cluster.connection())

    def up(self) -> bool:
        """Start what doesn't run. False where everything ran already."""
        if self.running():
            return False
        self.start(self.cluster.connection())
        return True

    def down(self) -> None:
        """End the processes, in reverse order, and remove their files."""
        for name in reversed(self.names):
            self.process(name).stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def process(self, name: str) -> Process:
        """Return one of the processes."""
        return Process(name, self.folder)
