"""The stack on which an agent's tools work, and whether they may change it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flotilla.deploy.access import access_of, control_plane_of
from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting, Stack
from flotilla.errors import FlotillaError
from flotilla.kube.connection import Connection
from flotilla.observe.access import FleetAccess

_TURN_SECONDS = 120.0


@dataclass(frozen=True)
class Workplace:
    """One stack of one project, with the rights of the tools."""

    project: Path
    stack: str
    engine: EngineName = EngineName.AUTO
    allow_changes: bool = False
    allow_guarded: bool = False
    """The changing tools may apply a plan that only guards refuse, if they have its digest, like a person."""
    turn: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)
    """Locked while the program runs: the program uses the process's environment, and only one change may run."""

    def setting(self, config_file: Path | None = None) -> Setting:
        """Return the stack's setting; with `config_file`, the setting with that file as the stack file."""
        read_only = not self.allow_changes
        return Setting(self.project.resolve(), self.stack, config_file=config_file, read_only=read_only)

    @contextmanager
    def taking_turn(self) -> Iterator[None]:
        """Wait until no other call runs the program, and keep others waiting until the context ends.

        Raises:
            FlotillaError: another call still runs the program after `_TURN_SECONDS`.
        """
        if not self.turn.acquire(timeout=_TURN_SECONDS):
            raise FlotillaError("another call still runs the program", hint="wait until it is done")
        try:
            yield
        finally:
            self.turn.release()

    def open(self, setting: Setting | None = None) -> Stack:
        """Return the stack, with its own setting or with another one."""
        return open_stack(self.engine, setting or self.setting())

    def control_plane(self) -> Connection:
        """Return the connection to Karmada."""
        return control_plane_of(self.setting(), self.engine)

    def access(self) -> FleetAccess:
        """Return access to the fleet's clusters."""
        return access_of(self.setting(), self.engine)
