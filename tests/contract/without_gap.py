"""A workload moves and never has fewer copies ready than before and after, however often its run is killed.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`). Pods count once they have been
ready for some seconds: a move that doesn't wait for them has a gap that every sampler sees.
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
from tests.contract.main_job import members, staying, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.objects import pods

NAME = "gapless"
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", NAME, "default")
POLICY = ObjectRef(POLICY_API, "PropagationPolicy", NAME, "default")
ALL = ("member1", "member2", "member3")
SECONDS_READY = 3


@pytest.fixture
def run(fleet, third, verbs, staying):  # noqa: F811
    """Run verbs on a workload of one Deployment, which `run.on` places; at the end it is gone, and the members stay."""

    def write(placement, replicas=2, **more):
        shop = pods(NAME, replicas=replicas)
        shop["spec"]["minReadySeconds"] = SECONDS_READY
        file = fleet.project / f"{NAME}.yaml"
        file.write_text(yaml.safe_dump(shop))
        entry = {"name": NAME, "manifests": [str(file)], "placement": placement, "timeout": 90, **more}
        verbs.write(members(*ALL), [entry])

    verbs.on = write
    yield verbs
    verbs.write(members(*ALL), [])
    verbs("up", "--yes")


def available(fleet, connections):
    """How many replicas of the Deployment are available, by member."""
    found = {}
    for name, connection in connections.items():
        live = connection.find(DEPLOYMENT)
        if live is not None:
            found[name] = (live.get("status") or {}).get("availableReplicas") or 0
    return found


@contextmanager
def sampled(fleet):
    """Look at the members again and again until the block ends; gives the looks so far."""
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


def fewest(looks):
    assert len(looks) > 20, "too few looks to say anything"
    return min(sum(one.values()) for one in looks)


def settled(run):
    run("preview", "--expect-no-changes")
    run("preview", "--refresh", "--expect-no-changes")
    assert run("drift")["findings"] == []


def marked(fleet):
    policy = fleet.connection("karmada").find(POLICY)
    return MOVING in ((policy or {}).get("metadata", {}).get("annotations") or {})


def kill_within_a_move(fleet):
    """Begin an `up` in a process of its own, and kill it once copies are in both places and none of the new is ready.

    Gives nothing back: what is left is what the kill left.
    """
    code = "import sys; from flotilla.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "up", "-C", str(fleet.project), "--engine", "embedded", "--yes"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        karmada = fleet.connection("karmada")

        def under_way():
            assert process.poll() is None, "the run ended before it could be killed"
            placement = karmada.get(POLICY)["spec"]["placement"]
            return marked(fleet) and len(placement["clusterAffinity"]["clusterNames"]) > before

        before = len(karmada.get(POLICY)["spec"]["placement"]["clusterAffinity"]["clusterNames"])
        eventually(under_way, seconds=60, problem="no move began")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert marked(fleet)


def test_a_moving_workload_is_healthy_at_every_look(fleet, run):
    run.on({"clusters": ["member1"]})
    run("up", "--yes")
    run.on({"clusters": ["member2"]})
    with sampled(fleet) as looks:
        run("up", "--yes")
        eventually(lambda: fleet.connection("member1").find(DEPLOYMENT) is None, problem="the old copy stays")
    assert fewest(looks) >= 2
    assert available(fleet, {"member2": fleet.connection("member2")}) == {"member2": 2}
    assert not marked(fleet)
    settled(run)


def test_divided_replicas_move_with_none_too_few_and_go_on_after_kills(fleet, run):
    """Two and two move from member1 and member2 to member2 and member3: killed, back, killed again, and on."""

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
        assert not marked(fleet)
        settled(run)
        run.on(after, replicas=4)
        kill_within_a_move(fleet)
        run("up", "--yes")
        there = {"member2": 2, "member3": 2}
        eventually(lambda: available(fleet, {n: fleet.connection(n) for n in ALL}) == there, problem="not there")
    assert fewest(looks) >= 4
    assert fleet.connection("karmada").get(DEPLOYMENT)["spec"]["replicas"] == 4
    settled(run)


def test_a_move_to_a_cluster_where_it_never_gets_healthy_leaves_the_old_copy_and_goes_back(fleet, run):
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
    assert fewest(looks) >= 2
    eventually(lambda: fleet.connection("member2").find(DEPLOYMENT) is None, problem="the new copy stays")
    settled(run)
