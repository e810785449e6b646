"""The error hierarchy: every message says what was being done, and to which cluster and object."""

from __future__ import annotations


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
    """Whatever is asked of this cluster comes to the same: asking again for another object is of no use."""


class SandboxError(FlotillaError):
    """The local fleet could not be started, stopped or found."""


class EngineError(FlotillaError):
    """A deployment could not be planned or carried out."""
