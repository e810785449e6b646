"""Moves without a gap: the workload always has enough available replicas, also if runs are killed.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`). Pods count as
available only after some seconds: a move that doesn't wait for this has a gap that the samples show.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import yaml

from flotilla.karmada.moving.marks import MOVING
from flotilla.karmada.objects import POLICY_API
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.objects import pods

NAME = "gapless"
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", NAME, "default")
POLICY = ObjectRef(POLICY_API, "PropagationPolicy", NAME, "default")
ALL = ("member1", "member2", "member3")
SECONDS_READY = 3


def moving(fleet, placement, replicas=2, **more):
    """Write the manifest of one Deployment, and return the workload's entry of the stack file that places it."""
    shop = pods(NAME, replicas=replicas)
    shop["spec"]["minReadySeconds"] = SECONDS_READY
    file = fleet.project / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump(shop))
    return {"name": NAME, "manifests": [str(file)], "placement": placement, "timeout": 90, **more}


@pytest.fixture
def run(fleet, third_member, verbs, shared_stack):  # noqa: F811
    """Run verbs on one Deployment, which `run.on` places; remove it at the end, and keep the members joined."""

    def write(placement, **more):
        verbs.write(members(*ALL), [moving(fleet, placement, **more)])

    verbs.on = write
    yield verbs
    verbs.write(members(*ALL), [])
    verbs("up", "--yes")


def available(fleet, connections):
    """Return how many replicas of the Deployment are available, by member."""
    found = {}
    for name, connection in connections.items():
        live = connection.find(DEPLOYMENT)
        if live is not None:
            found[name] = (live.get("status") or {}).get("availableReplicas") or 0
    return found


@contextmanager
def sampled(fleet):
    """Read the available replicas repeatedly until the block ends; yield the list of samples."""
    connections = {name: fleet.connection(name) for name in ALL}
    looks, stop = [], threading.Event()

    def keep():
        while not stop.wait(0.05):
            looks.append(available(fleet, connections))

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()


def fewest_available(looks):
    assert len(looks) > 20, "too few looks to say anything"
    return min(sum(one.values()) for one in looks)


def assert_no_changes(run):
    run("preview", "--expect-no-changes")
    run("preview", "--refresh", "--expect-no-changes")
    assert run("drift")["findings"] == []


def is_marked_as_moving(fleet):
    policy = fleet.connection("karmada").find(POLICY)
    return MOVING in ((policy or {}).get("metadata", {}).get("annotations") or {})


def kill_within_a_move(fleet):
    """Start `up` as a process, and kill it when the policy has the old and the new clusters.

    The new copies are not ready then.
    """
    code = "import sys; from flotilla.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "up", "-C", str(fleet.project), "--engine", "embedded", "--yes"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        karmada = fleet.connection("karmada")

        def in_both_places():
            assert process.poll() is None, "the run ended before it could be killed"
            placement = karmada.get(POLICY)["spec"]["placement"]
            return is_marked_as_moving(fleet) and len(placement["clusterAffinity"]["clusterNames"]) > before

        before = len(karmada.get(POLICY)["spec"]["placement"]["clusterAffinity"]["clusterNames"])
        eventually(in_both_places, seconds=60, problem="no move began")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert is_marked_as_moving(fleet)


def test_a_moving_workload_never_has_too_few_available_replicas(fleet, run):
    run.on({"clusters": ["member1"]})
    run("up", "--yes")
    run.on({"clusters": ["member2"]})
    with sampled(fleet) as looks:
        run("up", "--yes")
        eventually(lambda: fleet.connection("member1").find(DEPLOYMENT) is None, problem="the old copy stays")
    assert fewest_available(looks) >= 2
    assert available(fleet, {"member2": fleet.connection("member2")}) == {"member2": 2}
    assert not is_marked_as_moving(fleet)
    assert_no_changes(run)


def test_divided_replicas_move_without_a_gap_and_the_move_continues_after_kills(fleet, run):
    """Replicas move from member1 to member3: a kill, the move back, the move again, another kill, the next run."""

    def spread(*names):
        return {"clusters": list(names), "replicas": "divided", "weights": dict.fromkeys(names, 1)}

    before, after = spread("member1", "member2"), spread("member2", "member3")
    run.on(before, replicas=4)
    run("up", "--yes")
    with sampled(fleet) as looks:
        run.on(after, replicas=4)
        kill_within_a_move(fleet)
        under_way = run("drift", expect=3)["findings"]
        assert {one["rule"] for one in under_way} == {"move-under-way"}, under_way
        run.on(before, replicas=4)
        plan = run("preview")
        assert plan["summary"]["update"] == 1, "the rest of the move"
        run("up", "--yes")
        back = {"member1": 2, "member2": 2}
        eventually(lambda: available(fleet, {n: fleet.connection(n) for n in ALL}) == back, problem="not back")
        assert not is_marked_as_moving(fleet)
        assert_no_changes(run)
        run.on(after, replicas=4)
        kill_within_a_move(fleet)
        run("up", "--yes")
        there = {"member2": 2, "member3": 2}
        eventually(lambda: available(fleet, {n: fleet.connection(n) for n in ALL}) == there, problem="not there")
    assert fewest_available(looks) >= 4
    assert fleet.connection("karmada").get(DEPLOYMENT)["spec"]["replicas"] == 4
    assert_no_changes(run)


def test_a_move_whose_new_copy_never_gets_healthy_keeps_the_old_copy_and_can_be_reversed(fleet, run):
    run.on({"clusters": ["member1"]})
    run("up", "--yes")
    nowhere = [{"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {"nowhere": "true"}}]
    run.on({"clusters": ["member2"]}, timeout=10, overrides=[{"clusters": ["member2"], "patches": nowhere}])
    with sampled(fleet) as looks:
        (failure,) = run("up", "--yes", expect=1)["failures"]
        assert "is not moved from member1 to member2" in failure
        assert "member2: " in failure
        time.sleep(1)
        run.on({"clusters": ["member1"]})
        run("up", "--yes")
    assert fewest_available(looks) >= 2
    eventually(lambda: fleet.connection("member2").find(DEPLOYMENT) is None, problem="the new copy stays")
    assert_no_changes(run)
