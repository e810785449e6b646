"""One real cluster for the whole run: an API server, controllers, simulated nodes and pods."""

import uuid

import pytest

from flotilla.errors import SandboxError
from flotilla.kube.objects import ObjectRef
from flotilla.sandbox.binaries import ensure
from flotilla.sandbox.clusters import SandboxCluster
from tests.contract.fleet import fleet_in
from tests.contract.main_job import run  # noqa: F401 - a fixture of the contract


@pytest.fixture(scope="session")
def binaries():
    try:
        return ensure(print)
    except SandboxError as error:
        pytest.skip(str(error))


# By package, not by session: a worker would keep them while it runs other packages' fleets, and every API server takes
# six of the kernel's few inotify instances.
@pytest.fixture(scope="package")
def cluster(binaries, tmp_path_factory):
    one = SandboxCluster("member1", tmp_path_factory.mktemp("sandbox"), binaries)
    try:
        one.up(workloads=True, nodes=2)
        yield one
    finally:
        one.down()


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


@pytest.fixture(scope="package")
def fleet(binaries, tmp_path_factory):
    """A fleet on the stand-in."""
    with fleet_in(tmp_path_factory.mktemp("stand-in"), stand_in=True) as made:
        yield made
