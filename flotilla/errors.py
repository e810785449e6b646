"""The error hierarchy: every message says what was being done, and to which cluster and object."""

from __future__ import annotations

from typing import Any


class FlotillaError(Exception):
    """An error that the command prints as one line; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message for people and the hint apart, so that machines get both."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.nothing_done = False
        """What was asked for was certainly not begun: a request that got no answer may have been carried out."""

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class ClusterError(FlotillaError):
    """A cluster could not be asked, or refused what was asked."""

    whole_cluster = False
    """Every request to this cluster fails in the same way: there is no use in asking for other objects."""


class SandboxError(FlotillaError):
    """The local fleet could not be started, stopped or found."""


class NotDone(FlotillaError):
    """What a dynamic resource made or changed exists, but isn't what was asked for in time.

    The embedded engine keeps it in the state, so that whatever comes next, also the way back, is done as a change.
    """

    def __init__(self, message: str, *, id_: str, outs: dict[str, Any], hint: str = "") -> None:
        """Keep the resource's ID and outputs, for the state."""
        super().__init__(message, hint=hint)
        self.id = id_
        self.outs = outs


class EngineError(FlotillaError):
    """A deployment could not be planned or carried out."""
