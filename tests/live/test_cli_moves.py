"""Renamed workloads and members with Pulumi's own commands, on real Karmada."""

import pytest

from tests.contract.main_job import members
from tests.contract.moves import (
    BOTH,
    CONFIG,
    DEPLOYMENT,
    SETTINGS,
    SHOP,
    named,
    names_of_clusters,
    policies,
    stack,  # noqa: F401 - a fixture
    uids,
    workload,
)
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture
def run(fleet):
    """The part of the contract's fixture `run` that `stack` needs: it writes the stack file."""

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


def test_a_renamed_member_keeps_its_copies_and_pods(fleet, pulumi, stack):  # noqa: F811
    stack(workload("shop", [SHOP, SETTINGS]))
    pulumi("stack", "init", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    before = uids(fleet, DEPLOYMENT, CONFIG)
    manifests = [str(fleet.project / "shop.yaml")]
    shop = {"name": "shop", "manifests": manifests, "placement": {"clusters": ["member1", "edge"]}}
    fleet.write(named(fleet, "edge", "member2"), [shop])
    pulumi("up", "--stack", "sandbox", "--yes")
    assert uids(fleet, DEPLOYMENT, CONFIG) == before
    assert names_of_clusters(fleet) == ["edge", "member1"]
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("destroy", "--stack", "sandbox", "--yes")
