"""The common part of the blocking and the asyncio connection: the server's name and URL, and discovery."""

from __future__ import annotations

import copy
from typing import Self

from flotilla.kube.operations import Operations
from flotilla.kube.wire import Peer, Traffic


class Endpoint:
    """An API server, at its own address or below a path of another API server (a proxy)."""

    def __init__(self, name: str, server: str) -> None:
        """Keep the server's name in errors, and its URL."""
        self.traffic = Traffic()
        self._base = ""
        self._set_peer(name, server)

    def _set_peer(self, name: str, server: str, known: Operations | None = None) -> None:
        self.name, self.server = name, server
        self._peer = Peer(name, server)
        self._steps = known.named_as(self._peer) if known else Operations(self._peer)

    def below(self, path: str, *, name: str) -> Self:
        """Return a connection to the API server that this server proxies at a path, such as a member's.

        It shares the credentials, sockets, bound on requests and traffic counts of this connection.
        """
        other = copy.copy(self)
        other._base = self._base + path  # noqa: SLF001 - one of ours
        other._set_peer(name, self.server.rstrip("/") + path)  # noqa: SLF001
        return other

    def called(self, name: str) -> Self:
        """Return this connection under another name, so that errors of a cluster that is host and member say which.

        It shares what `below` shares, and the results of discovery.
        """
        other = copy.copy(self)
        other._set_peer(name, self.server, self._steps)  # noqa: SLF001 - one of ours
        return other
