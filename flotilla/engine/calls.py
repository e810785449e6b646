"""The SDK's calls to the engine, in a run that continues after failed resources."""

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
    """Ends the registrations that wait for a failed resource without a result, and without an error.

    The SDK would treat each as an error of the program, and would end the program before it registers the rest.
    """

    def __init__(self, skipped: Callable[[set[Declared]], None] = lambda _: None) -> None:
        """Start without calls; `skipped` receives the resources whose registration was ended."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._skipped = skipped

    def do_rpc(self, name: str, rpc_function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a call. The SDK has already failed the outputs of a resource that is not registered."""

        async def lenient(*args: Any, **options: Any) -> Any:
            try:
                return await rpc_function(*args, **options)
            except ResourceRegistrationFailed:
                self._skipped(set(_declared(rpc_function)))
                return None

        wrapped: Callable[..., Awaitable[Any]] = super().do_rpc(name, lenient)
        return wrapped


def _declared(call: Callable[..., Any]) -> Iterator[Declared]:
    """Yield the resource of a registration, also under its aliases, and its parent.

    The SDK does not pass them on. Its call is a closure, and only the closure's variables name the resource.
    """
    variables = getclosurevars(call).nonlocals
    type_, name, options = variables.get("ty"), variables.get("name"), variables.get("opts")
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
    if parent is not None and parent._type != STACK_TYPE:  # noqa: SLF001 - no public name
        yield parent._type, parent._name  # noqa: SLF001


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
