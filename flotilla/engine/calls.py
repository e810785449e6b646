"""The SDK's calls to the engine, for a run that goes on past failed resources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pulumi.runtime.rpc_manager import RPCManager
from pulumi.runtime.stack import ResourceRegistrationFailed


class LenientCalls(RPCManager):
    """Lets a registration that waits for a failed resource come to nothing, as the failed one itself does.

    The SDK takes it for the program's own error, and ends the program with what others still register.
    """

    def __init__(self) -> None:
        """Begin with no call under way."""
        super().__init__()  # type: ignore[no-untyped-call]

    def do_rpc(self, name: str, rpc_function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a call; the outputs of what is not registered have been faulted by the SDK before."""

        async def lenient(*args: Any, **options: Any) -> Any:
            try:
                return await rpc_function(*args, **options)
            except ResourceRegistrationFailed:
                return None

        wrapped: Callable[..., Awaitable[Any]] = super().do_rpc(name, lenient)
        return wrapped
