"""Chooses free ports on loopback for the sandbox's servers, and reserves them until the servers start."""

from __future__ import annotations

import secrets
import socket
import sys

LOOPBACK = "127.0.0.1"
_SERVER_PORTS = range(20000, 32768)
# The sockets that reserve the ports; they are closed when this process ends.
_keepers: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Return different free ports on loopback.

    They are below the range from which the kernel takes ports for outgoing connections; otherwise such a connection
    could take a port before its server starts. On Linux, another sandbox that starts at the same time does not get
    these ports either, as long as this process runs.
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
    """Reserve a free port for its server.

    On Linux, a server with SO_REUSEADDR (all Go servers set it) can listen on a port that another socket with
    SO_REUSEADDR has bound, if that socket doesn't listen. A process that looks for a free port doesn't set the option,
    so its bind fails. On other systems the server's bind would fail too, so the port is not reserved there.
    """
    if sys.platform == "linux":
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _keepers.append(keeper)
    else:
        keeper.close()
