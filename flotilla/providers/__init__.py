"""What the engine can deploy, one provider to a file, all behind one small interface."""

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
    """What a provider found or made. `id` is empty where there is nothing."""

    id: str
    outputs: Properties
    inputs: Properties = field(default_factory=dict)


@contextmanager
def nothing_done() -> Iterator[None]:
    """Mark errors of what only looks: nothing was begun yet."""
    try:
        yield
    except FlotillaError as error:
        error.nothing_done = True
        raise


class Provider(Protocol):
    """Manages resources of one package. Values are plain: secrets revealed, unknowns only in previews.

    Every method raises FlotillaError with what was being done.
    """

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Return the inputs with names and defaults that the provider fills in."""
        ...

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Compare the state's inputs with new ones."""
        ...

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Raise what a creation or an update would be refused for, as far as it is known; return a warning, or ''."""
        ...

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Create the resource and wait until it is ready; `adopt` is the token of a creation that broke off."""
        ...

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Change the resource in place and wait until it is ready."""
        ...

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Delete the resource and wait until it is gone."""
        ...

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Read the resource; an empty id where it is gone."""
        ...

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find what a creation that broke off has made; an empty id where it made nothing."""
        ...

    def creation_token(self) -> str:
        """Return what marks objects of the creation that begins now, kept in the state until it is done."""
        ...


class InitializationError(Exception):
    """The resource exists but is not ready: the state keeps it, with the reason, and the next run goes on."""

    def __init__(self, live: Live, reason: str) -> None:
        """Keep what was made."""
        super().__init__(reason)
        self.live = live
        self.reason = reason
