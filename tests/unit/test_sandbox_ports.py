"""Two sandboxes that start at the same time never choose the same port."""

import socket
import subprocess
import sys

import pytest

from flotilla.sandbox import ports


def test_ports_are_unique_and_in_the_servers_range():
    found = ports.free_ports(20)
    assert len(set(found)) == 20
    assert all(20000 <= port < 32768 for port in found)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a port for its server")
def test_reserved_port_is_given_only_to_its_server(monkeypatch):
    (port,) = ports.free_ports(1)
    monkeypatch.setattr(ports, "_SERVER_PORTS", [port])
    other = (
        "import random, flotilla.sandbox.ports as ports\n"
        f"found = iter(range({port}, 65536))\n"  # the next ports may be in use by others
        "ports.secrets.choice = lambda _: next(found)\n"
        "print(ports.free_ports(1))\n"
    )
    done = subprocess.run([sys.executable, "-c", other], check=True, capture_output=True, text=True, timeout=30)
    assert int(done.stdout.strip()[1:-1]) > port
    with socket.create_server((ports.LOOPBACK, port)), socket.create_connection((ports.LOOPBACK, port), timeout=5):
        pass
    with socket.create_server((ports.LOOPBACK, port)):
        pass  # its server uses it again after a restart
