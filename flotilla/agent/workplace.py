"""Where an agent's tools work: one stack of one project, and whether they may change it."""

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
    """One stack."""

    project: Path
    stack: str
    engine: EngineName = EngineName.AUTO
    allow_changes: bool = False
    allow_guarded: bool = False
    """A plan's digest is enough for the changing tools where only guards refuse it, as it is for a person."""
    turn: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)
    """Held while the program runs: it has the process's environment to itself, and changes come one by one."""

    def setting(self, config_file: Path | None = None) -> Setting:
        """Return the stack's setting, or the one that a changed stack file would give."""
        read_only = not self.allow_changes
        return Setting(self.project.resolve(), self.stack, config_file=config_file, read_only=read_only)

    @contextmanager
    def taking_turn(self) -> Iterator[None]:
        """Wait until no other call runs the program.

        Raises:
            FlotillaError: another one runs for too long.
        """
        if not self.turn.acquire(timeout=_TURN_SECONDS):
            raise FlotillaError("another call still runs the program", hint="wait until it is done")
        try:
            yield
        finally:
            self.turn.release()

    def open(self, setting: Setting | None = None) -> Stack:
        """Open the stack, or what another setting makes of it."""
        return open_stack(self.engine, setting or self.setting())

    def control_plane(self) -> Connection:
        """Connect to Karmada."""
        return control_plane_of(self.setting(), self.engine)

    def access(self) -> FleetAccess:
        """Reach the fleet's clusters."""
        return access_of(self.setting(), self.engine)
