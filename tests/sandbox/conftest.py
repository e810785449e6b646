"""One real cluster for the whole run: an API server, controllers, simulated nodes and pods."""

import uuid

import pytest

from flotilla.kube.objects import ObjectRef
from tests.contract.fleet import cluster_in, fleet_in, programs
from tests.contract.main_job import run  # noqa: F401 - a fixture of the contract


@pytest.fixture(scope="session")
def binaries():
    return programs()


# By package, not by session: a worker would keep them while it runs other packages' fleets, and every API server takes
# six of the kernel's few inotify instances.
@pytest.fixture(scope="package")
def cluster(binaries, tmp_path_factory):
    with cluster_in(tmp_path_factory.mktemp("sandbox"), "member1", binaries, nodes=2) as one:
        yield one


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
