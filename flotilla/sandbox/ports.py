"""Ports of loopback for the sandbox's servers: free now, and kept free until their servers start."""

from __future__ import annotations

import secrets
import socket
import sys

LOOPBACK = "127.0.0.1"
_SERVER_PORTS = range(20000, 32768)
# The sockets that keep the ports; they end with this process.
_keepers: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that are free, all different.

    They lie below the range that the kernel draws from for outgoing connections: one of those could take a port before
    its server starts. On Linux no other sandbox that starts at the same time is given them either, for as long as this
    process runs.
    """
    return sorted(_free_port() for _ in range(count))


def _free_port() -> int:
    while True:
        port = secrets.choice(_SERVER_PORTS)
        keeper = socket.socket()
        try:
            keeper.bind((LOOPBACK, port))
        except OSError:
            keeper.close()
            continue
        _keep(keeper)
        return port


def _keep(keeper: socket.socket) -> None:
    """Keep a port that was found free for its server.

    Linux lets a server that asks for SO_REUSEADDR, as all of Go's do, listen beside a socket that asks for it as well
    and doesn't listen. Whoever looks for a free port doesn't ask for it, and is refused. Elsewhere the server would be
    refused too, so that the port is let go.
    """
    if sys.platform == "linux":
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _keepers.append(keeper)
    else:
        keeper.close()
