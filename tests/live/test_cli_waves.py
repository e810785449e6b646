"""Changes in waves with Pulumi's own commands, and with a change of the engine during a rollout."""

# ruff: noqa: F811 - fixtures are arguments

import pytest

from flotilla.cli.main import main
from tests.contract.main_job import members
from tests.contract.waves import BOTH, ONE_BY_ONE, Sampler, images, pods_of, rollout_leftovers, web
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


def test_pulumi_up_goes_through_the_same_waves_and_either_engine_continues(fleet, pulumi):
    ours = ["-C", str(fleet.project), "-s", "sandbox", "--engine", "embedded", "--yes"]
    fleet.write(members(*BOTH), [web("nginx:1.27")])
    pulumi("stack", "init", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    with Sampler(fleet) as sampler:
        fleet.write(members(*BOTH), [web("nginx:1.28")])
        pulumi("up", "--stack", "sandbox", "--yes")
    assert sampler.seen == [
        {"member1": "nginx:1.27", "member2": "nginx:1.27"},
        {"member1": "nginx:1.28", "member2": "nginx:1.27"},
        {"member1": "nginx:1.28", "member2": "nginx:1.28"},
    ]
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("refresh", "--stack", "sandbox", "--preview-only", "--expect-no-changes")
    assert rollout_leftovers(fleet) == []
    before = pods_of(fleet, "member2")

    fleet.write(members(*BOTH), [web("nginx:broken", timeout=15)])
    said = pulumi("up", "--stack", "sandbox", "--yes", refused=True)
    assert "member2 keeps what it ran" in said
    assert "ImagePullBackOff: Back-off pulling image" in said
    assert images(fleet)["member2"] == "nginx:1.28"
    fleet.write(members(*BOTH), [web("nginx:1.28")])  # back by the CLI, whose state has nothing of the failed change
    pulumi("up", "--stack", "sandbox", "--yes")
    assert images(fleet) == dict.fromkeys(BOTH, "nginx:1.28")
    assert rollout_leftovers(fleet) == []

    revert = {**ONE_BY_ONE, "onFailure": "revert"}
    fleet.write(members(*BOTH), [web("busybox:broken", timeout=15, rollout=revert)])
    assert "taken back in member1" in pulumi("up", "--stack", "sandbox", "--yes", refused=True)
    assert images(fleet) == dict.fromkeys(BOTH, "nginx:1.28")
    fleet.write(members(*BOTH), [web("nginx:1.29", rollout=revert)])  # the embedded engine continues
    assert main(["up", *ours]) == 0
    assert images(fleet) == dict.fromkeys(BOTH, "nginx:1.29")
    assert rollout_leftovers(fleet) == []
    assert pods_of(fleet, "member2") != before
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("destroy", "--stack", "sandbox", "--yes")
    assert rollout_leftovers(fleet) == []
