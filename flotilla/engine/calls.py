"""The SDK's calls to the engine, for a run that goes on past failed resources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from inspect import getclosurevars
from typing import Any

from pulumi.runtime.rpc_manager import RPCManager
from pulumi.runtime.stack import ResourceRegistrationFailed

from flotilla.state.urns import STACK_TYPE, name_of, own_type

Declared = tuple[str, str]
"""A resource as a program declares it: type and name."""

_PARTS = 3
"""Separators in a URN."""


class LenientCalls(RPCManager):
    """Ends a registration that waits for a failed resource without a result, as that of the failed one ends.

    The SDK takes it for the program's own error, and ends the program with what others still register.
    """

    def __init__(self, skipped: Callable[[set[Declared]], None] = lambda _: None) -> None:
        """Begin with no call under way; `skipped` gets what a registration that came to nothing was of."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._skipped = skipped

    def do_rpc(self, name: str, rpc_function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a call; the outputs of what is not registered have been faulted by the SDK before."""

        async def lenient(*args: Any, **options: Any) -> Any:
            try:
                return await rpc_function(*args, **options)
            except ResourceRegistrationFailed:
                self._skipped(set(_declared(rpc_function)))
                return None

        wrapped: Callable[..., Awaitable[Any]] = super().do_rpc(name, lenient)
        return wrapped


def _declared(call: Callable[..., Any]) -> Iterator[Declared]:
    """Yield what a registration is of, under its other names as well, and its parent.

    The SDK tells nobody: its call is a closure, which has the resource, and that is all there is to read it from.
    """
    known = getclosurevars(call).nonlocals
    type_, name, options = known.get("ty"), known.get("name"), known.get("opts")
    if not (isinstance(type_, str) and isinstance(name, str)):
        return
    yield type_, name
    for alias in getattr(options, "aliases", None) or ():
        if not isinstance(alias, str):
            other_type, other_name = (getattr(alias, key, None) for key in ("type_", "name"))
            yield _text(other_type) or type_, _text(other_name) or name
        elif alias.startswith("urn:") and alias.count("::") >= _PARTS:
            yield own_type(alias), name_of(alias)
    parent = getattr(options, "parent", None)
    if parent is not None and parent._type != STACK_TYPE:  # noqa: SLF001 - it has no other name for it
        yield parent._type, parent._name  # noqa: SLF001


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
