"""Servers for tests: one real cluster (API server, controllers, simulated nodes and pods), or a fleet of them."""

import os
import uuid

import pytest

from flotilla.kube.objects import ObjectRef
from tests.contract.fleet import cluster_in, fleet_in, programs
from tests.contract.main_job import run, verbs  # noqa: F401 - fixtures of the contract
from tests.sandbox.servers import Servers

_CPU_SAVING = {
    "GOGC": "400",  # the servers run for minutes, and CPU is scarcer than memory
    "GOMAXPROCS": "1",  # with more, idle Go programs use CPU to look for work on each core
    "ETCD_UNSAFE_NO_FSYNC": "true",  # a test's data needn't survive a power failure
}
_MEMBERS = 2


@pytest.fixture(scope="session", autouse=True)
def saving_servers():
    """Make the servers of tests save CPU, because a dozen of them share few cores; keep variables that are set."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _CPU_SAVING.items():
            if name not in os.environ:
                patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def binaries():
    return programs()


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
    """A namespace for one test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    connection.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, field_manager="test")
    yield name
    connection.delete(ObjectRef("v1", "Namespace", name), propagation="Background")


@pytest.fixture(scope="module")
def fleet(servers, binaries, tmp_path_factory, request):
    """A fleet on the stand-in: two members, and one more if a test uses the fixture `third_member`."""

    def start():
        return fleet_in(tmp_path_factory.mktemp("stand-in"), members=_MEMBERS, stand_in=True)

    started = servers.get("fleet", start, failed=request.session.testsfailed)
    yield started
    started.shrink(_MEMBERS)
