"""A workload moves without a gap by Pulumi's own commands, also after a run that was killed, on real Karmada."""

# ruff: noqa: F811 - fixtures are arguments

import os
import signal
import subprocess
from contextlib import suppress

import pytest

from flotilla.cli.main import main
from tests.contract.karmada import eventually
from tests.contract.main_job import members
from tests.contract.without_gap import (
    ALL,
    DEPLOYMENT,
    POLICY,
    available,
    fewest_available,
    is_marked_as_moving,
    moving,
    sampled,
)
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture
from tests.sessions import processes_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

UP = ("up", "--stack", "sandbox", "--yes")


@pytest.fixture
def on(fleet, third_member):
    """Place the workload."""

    def write(placement):
        fleet.write(members(*ALL), [moving(fleet, placement)])

    return write


def clusters_of(fleet):
    placement = fleet.connection("karmada").get(POLICY)["spec"]["placement"]
    return sorted(placement["clusterAffinity"]["clusterNames"])


def runs_only_in(fleet, cluster):
    connections = {name: fleet.connection(name) for name in ALL}
    eventually(lambda: available(fleet, connections) == {cluster: 2}, problem=f"it doesn't run in {cluster} alone")
    assert clusters_of(fleet) == [cluster]
    assert not is_marked_as_moving(fleet)


def kill_within_a_move(fleet):
    """Begin `pulumi up` in a session of its own, and kill all of it once the policy names both clusters."""
    process = subprocess.Popen(
        ["pulumi", *UP, "--non-interactive"],
        cwd=fleet.project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:

        def under_way():
            assert process.poll() is None, "the run ended before it could be killed"
            return is_marked_as_moving(fleet) and len(clusters_of(fleet)) > 1

        eventually(under_way, seconds=120, problem="no move began")
    finally:
        for pid in list(processes_of(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    assert is_marked_as_moving(fleet)


def test_pulumi_up_moves_a_workload_that_is_healthy_at_every_look(fleet, pulumi, on):
    on({"clusters": ["member1"]})
    pulumi("stack", "init", "sandbox")
    pulumi(*UP)
    with sampled(fleet) as looks:
        on({"clusters": ["member2"]})
        pulumi(*UP)
        runs_only_in(fleet, "member2")

        # Killed on its way back: the CLI only warns of what was under way, until a refresh has read the mark.
        on({"clusters": ["member1"]})
        kill_within_a_move(fleet)
        pulumi("cancel", "--stack", "sandbox", "--yes")
        pulumi("refresh", "--stack", "sandbox", "--yes")
        pulumi(*UP)
        runs_only_in(fleet, "member1")

        # Whichever engine moves, the other one finds nothing to do.
        on({"clusters": ["member3"]})
        assert main(["up", "-C", str(fleet.project), "-s", "sandbox", "--engine", "embedded", "--yes"]) == 0
        runs_only_in(fleet, "member3")
    assert fewest_available(looks) >= 2
    assert fleet.connection("member3").get(DEPLOYMENT)["spec"]["replicas"] == 2
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("refresh", "--stack", "sandbox", "--preview-only", "--expect-no-changes")
    pulumi("destroy", "--stack", "sandbox", "--yes")
