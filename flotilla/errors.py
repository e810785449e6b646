"""The error hierarchy: every message says what was being done, and to which cluster and object."""

from __future__ import annotations

from typing import Any


class FlotillaError(Exception):
    """An error that the command prints as one line; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the hint apart, so that JSON output has a field for each."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.nothing_done = False
        """True if the requested operation was certainly not started.

        It is False for a request without an answer: the server may have carried it out.
        """

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class ClusterError(FlotillaError):
    """A cluster did not answer a request, or refused it."""

    whole_cluster = False
    """True if every request to this cluster would fail in the same way, so that more requests are useless."""


class SandboxError(FlotillaError):
    """The local fleet could not be started, stopped or found."""


class NotDone(FlotillaError):
    """A dynamic resource was created or changed, but did not reach the requested state in time.

    The embedded engine keeps the resource in the state. The next run therefore changes it instead of creating it again.
    """

    def __init__(self, message: str, *, id_: str, outs: dict[str, Any], hint: str = "") -> None:
        """Keep the resource's ID and its outputs, which the engine stores in the state."""
        super().__init__(message, hint=hint)
        self.id = id_
        self.outs = outs


class EngineError(FlotillaError):
    """A deployment could not be planned or carried out."""
