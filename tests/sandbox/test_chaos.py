"""A few random schedules of faults and kills; `make chaos` runs hundreds."""

from contextlib import ExitStack

import pytest

from tests.chaos.run import chaos_on
from tests.chaos.schedule import CLUSTERS
from tests.contract.fleet import cluster_in

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]
SEEDS = (1, 2, 3, 4, 5, 6)


@pytest.fixture(scope="module")
def chaos(servers, binaries, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chaos")
    with ExitStack() as stack:
        servers.end()
        clusters = [stack.enter_context(cluster_in(folder, name, binaries, nodes=1)) for name in CLUSTERS]
        yield chaos_on(folder, clusters, slow=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_clean_run_after_faults_and_kills_repairs_everything(chaos, seed, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "chaos")
    chaos.run(seed)
