"""Karmada's controllers in a sandbox, as processes next to an API server: the real programs, or the stand-in."""

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
    """A group of processes that are started and ended together."""

    cluster: SandboxCluster
    names: ClassVar[tuple[str, ...]]
    """The processes, in the order in which they start."""

    @property
    def folder(self) -> Path:
        """The folder of logs, records and certificates."""
        return self.cluster.root / "karmada"

    @property
    @abstractmethod
    def title(self) -> str:
        """The name in outputs."""

    @abstractmethod
    def version(self) -> str:
        """Return the version of Karmada, or the version whose contract the stand-in keeps."""

    @abstractmethod
    def start(self, connection: Connection) -> None:
        """Start the processes that don't run, and wait for them."""

    def running(self) -> bool:
        """Return whether all processes run and Karmada's API answers."""
        if any(self.process(name).pid() is None for name in self.names):
            return False
        return serves_clusters(self.cluster.connection())

    def up(self) -> bool:
        """Start the processes that don't run. Return False if all were running already."""
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
