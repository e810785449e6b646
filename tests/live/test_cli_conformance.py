"""Pulumi's installed programs still do the same as the recordings; recordings of other versions are stale."""

import pytest

from flotilla.deploy.interface import EngineName
from flotilla.sandbox.binaries import KUBERNETES
from tests.conformance.all_cases import WITH_A_CLUSTER, WITH_FILES
from tests.conformance.places import namespace_in
from tests.conformance.runner import compare, own_environment, recorded, run_case
from tests.conformance.versions import CLI_NEEDS, PROVIDER, provider_version, pulumi_version, require
from tests.contract.fleet import cluster_in, programs

pytestmark = pytest.mark.live
_STALE = "the recording is stale: run `python -m tests.conformance.record`"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    require(*CLI_NEEDS)
    own_environment(monkeypatch)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    require(*CLI_NEEDS, PROVIDER)
    with cluster_in(tmp_path_factory.mktemp("conformance"), "conformance", programs(), nodes=2) as one:
        yield one


@pytest.mark.parametrize("case", WITH_FILES, ids=lambda case: case.name)
def test_the_cli_does_the_same_as_its_recording(case, tmp_path):
    document = recorded(case)
    assert document["pulumi"] == pulumi_version(), _STALE
    compare(document["acts"], run_case(case, EngineName.PULUMI, tmp_path))


@pytest.mark.parametrize("case", WITH_A_CLUSTER, ids=lambda case: case.name)
def test_the_provider_does_the_same_as_its_recording(case, cluster, tmp_path):
    document = recorded(case)
    stored = (document["pulumi"], document["provider"], document["kubernetes"])
    assert stored == (pulumi_version(), provider_version(), KUBERNETES), _STALE
    with namespace_in(cluster) as place:
        compare(document["acts"], run_case(case, EngineName.PULUMI, tmp_path, place))
