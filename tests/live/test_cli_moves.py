"""A renamed workload with Pulumi's own commands, on real Karmada."""

import pytest

from tests.contract.main_job import members
from tests.contract.moves import BOTH, CONFIG, DEPLOYMENT, SETTINGS, SHOP, policies, stack, uids, workload  # noqa: F401
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture
def run(fleet):
    """What `stack` needs of the contract's fixture: to write the stack file."""

    class Run:
        write = staticmethod(fleet.write)

    return Run


def test_a_renamed_workload_keeps_its_templates_copies_and_pods(fleet, pulumi, stack):  # noqa: F811
    stack(workload("shop", [SHOP, SETTINGS]))
    pulumi("stack", "init", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    before = uids(fleet, DEPLOYMENT, CONFIG)
    stack(workload("store", [SHOP, SETTINGS]))
    pulumi("up", "--stack", "sandbox", "--yes")
    assert uids(fleet, DEPLOYMENT, CONFIG) == before
    assert policies(fleet) == ["store"]
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    fleet.write(members(*BOTH), [])
    pulumi("destroy", "--stack", "sandbox", "--yes")
