"""The stand-in as a part of the sandbox: its definitions and its process."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from flotilla.kube.connection import Connection
from flotilla.sandbox.controllers import Controllers
from flotilla.sandbox.definitions import prepare
from flotilla.sandbox.standin.admission import install_rules
from flotilla.sandbox.standin.crds import definitions

CONTRACT = "1.18"
"""The Karmada version whose contract the stand-in keeps."""


_PROCESS = "karmada-stand-in"


@dataclass(frozen=True)
class StandIn(Controllers):
    """The stand-in's process, with its definitions and its admission rules."""

    names = (_PROCESS,)

    @property
    def title(self) -> str:
        """The name in outputs."""
        return f"stand-in for Karmada {CONTRACT} (not Karmada)"

    def version(self) -> str:
        """Return the Karmada version whose contract the stand-in keeps."""
        return CONTRACT

    def start(self, connection: Connection) -> None:
        """Install the kinds and rules, and start the process."""
        prepare(connection, definitions())
        install_rules(connection)
        command = [sys.executable, "-m", "flotilla.sandbox.standin", f"--kubeconfig={self.cluster.kubeconfig}"]
        self.process(_PROCESS).start(command)
