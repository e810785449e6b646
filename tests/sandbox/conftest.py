"""What tests run on: one real cluster (API server, controllers, simulated nodes and pods), or a fleet of them."""

import os
import uuid
from contextlib import ExitStack

import pytest

from flotilla.kube.objects import ObjectRef
from tests.contract.fleet import cluster_in, fleet_in, programs
from tests.contract.main_job import run, verbs  # noqa: F401 - fixtures of the contract


@pytest.fixture(scope="session", autouse=True)
def rare_collections():
    """Let the servers of tests collect garbage rarely: they live for minutes, and memory is cheaper than CPU here."""
    with pytest.MonkeyPatch.context() as patch:
        if "GOGC" not in os.environ:
            patch.setenv("GOGC", "400")
        yield


@pytest.fixture(scope="session")
def binaries():
    return programs()


class Servers:
    """The servers of one worker. What a file asks for takes the place of what the file before it had.

    Every API server takes six of the kernel's few inotify instances (128 on many machines), so that three workers can
    have a fleet each, and not a cluster beside it.
    """

    def __init__(self) -> None:
        self._name = ""
        self._servers = None
        self._stack = ExitStack()

    def get(self, name, start):
        """Return the servers of this name; others are ended before these are started."""
        if name != self._name:
            self.end()
            self._servers = self._stack.enter_context(start())
            self._name = name
        return self._servers

    def end(self):
        self._name = ""
        self._stack.close()


@pytest.fixture(scope="session")
def servers():
    made = Servers()
    yield made
    made.end()


@pytest.fixture(scope="module")
def cluster(servers, binaries, tmp_path_factory):
    return servers.get("cluster", lambda: cluster_in(tmp_path_factory.mktemp("sandbox"), "member1", binaries, nodes=2))


@pytest.fixture
def connection(cluster):
    return cluster.connection()


@pytest.fixture
def namespace(connection):
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    connection.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, field_manager="test")
    yield name
    connection.delete(ObjectRef("v1", "Namespace", name), propagation="Background")


@pytest.fixture(scope="module")
def fleet(servers, binaries, tmp_path_factory):
    """A fleet on the stand-in."""
    return servers.get("fleet", lambda: fleet_in(tmp_path_factory.mktemp("stand-in"), stand_in=True))
