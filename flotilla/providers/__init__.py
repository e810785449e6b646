"""The providers of the embedded engine: one to a file, all with the same small interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from flotilla.errors import FlotillaError
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Diff
from flotilla.state.values import Properties


@dataclass(frozen=True)
class Live:
    """A resource that a provider found or created. `id` is empty if it does not exist."""

    id: str
    outputs: Properties
    inputs: Properties = field(default_factory=dict)


@contextmanager
def nothing_done() -> Iterator[None]:
    """Mark errors of operations that only read: nothing was changed."""
    try:
        yield
    except FlotillaError as error:
        error.nothing_done = True
        raise


class Provider(Protocol):
    """Manages resources of one package. Values are plain: secrets are revealed, unknowns occur only in previews.

    Every method raises FlotillaError, whose message names the operation.
    """

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Return the inputs with the names and defaults that the provider adds."""
        ...

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Compare the state's inputs with new ones."""
        ...

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Raise the error with which a creation or an update would be refused, if known; return a warning, or ''."""
        ...

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Create the resource and wait until it is ready; `adopt` is the creation's token (see `creation_token`)."""
        ...

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Change the resource in place and wait until it is ready."""
        ...

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Delete the resource and wait until it is gone."""
        ...

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Read the resource; the id is empty if it no longer exists."""
        ...

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find the resource that an interrupted creation made; the id is empty if there is none."""
        ...

    def creation_token(self) -> str:
        """Return a new token, which marks the objects of one creation; the state keeps it until the creation ends."""
        ...


class InitializationError(Exception):
    """The resource exists but is not ready: the state keeps it, with the reason, and the next run continues."""

    def __init__(self, live: Live, reason: str) -> None:
        """Keep the resource for the state."""
        super().__init__(reason)
        self.live = live
        self.reason = reason
