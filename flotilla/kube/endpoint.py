"""What the blocking and the asyncio connection have in common: whom they talk to, and what they know of it."""

from __future__ import annotations

import copy
from typing import Self

from flotilla.kube.operations import Operations
from flotilla.kube.wire import Peer, Traffic


class Endpoint:
    """An API server, at its address or at a path of another one's."""

    def __init__(self, name: str, server: str) -> None:
        """Take what errors call it, and its URL."""
        self.traffic = Traffic()
        self._base = ""
        self._meet(name, server)

    def _meet(self, name: str, server: str, known: Operations | None = None) -> None:
        self.name, self.server = name, server
        self._peer = Peer(name, server)
        self._steps = known.named_as(self._peer) if known else Operations(self._peer)

    def below(self, path: str, *, name: str) -> Self:
        """Return a connection to the API server that this one serves at a path: a member, through a proxy.

        It shares this one's credentials, sockets, bound and count of traffic.
        """
        other = copy.copy(self)
        other._base = self._base + path  # noqa: SLF001 - one of ours
        other._meet(name, self.server.rstrip("/") + path)  # noqa: SLF001
        return other

    def called(self, name: str) -> Self:
        """Return this very connection as errors call it: one cluster may be host and member, and they say which.

        It shares all that `below` shares, and what has been discovered.
        """
        other = copy.copy(self)
        other._meet(name, self.server, self._steps)  # noqa: SLF001 - one of ours
        return other
