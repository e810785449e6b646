"""Changes in waves: one cluster after the other, failures, reverts, and no leftovers at the end.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

import threading

import pytest

from flotilla.karmada.versions import Version
from flotilla.karmada.waves.record import LABEL, NAMESPACE
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import members, shared_stack, verbs  # noqa: F401 - fixtures of the contract

BOTH = ("member1", "member2")
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "web", "default")
PULLING = 'web: ImagePullBackOff: Back-off pulling image "nginx:broken"'
NEVER = {"requests": {"cpu": "500"}}
"""More than any node has, so the new pods never start and the old ones run on."""
ONE_BY_ONE = {"waves": [{"clusters": ["member1"]}, {"clusters": ["member2"]}]}


def web(image, *, replicas=2, timeout=60, rollout=ONE_BY_ONE, **more):
    return {
        "name": "web",
        "image": image,
        "replicas": replicas,
        "placement": {"clusters": list(BOTH)},
        "rollout": rollout,
        "timeout": timeout,
        **more,
    }


@pytest.fixture
def run(verbs, shared_stack, fleet):
    """Run verbs; remove all workloads at the end, and keep the members joined."""
    if Version.parse(fleet.version) < Version(1, 11):
        pytest.skip(f"Karmada {fleet.version} suspends nothing")
    yield verbs
    verbs.write(members(*BOTH), [])
    verbs("up", "--yes")


def images(fleet):
    """Return the image of each member's copy; None where there is no copy."""
    found = {}
    for member in BOTH:
        live = fleet.connection(member).find(DEPLOYMENT)
        found[member] = live and live["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def pods_of(fleet, member):
    listed = fleet.connection(member).list("v1", "Pod", namespace="default", labels="app.kubernetes.io/name=web")
    return sorted(pod["metadata"]["uid"] for pod in listed)


def rollout_leftovers(fleet):
    """Return the suspensions and the records of rollouts that are in the control plane."""
    karmada = fleet.connection("karmada")
    found = [secret["metadata"]["name"] for secret in karmada.list("v1", "Secret", namespace=NAMESPACE, labels=LABEL)]
    for kind in ("PropagationPolicy", "ClusterPropagationPolicy"):
        for policy in karmada.list("policy.karmada.io/v1alpha1", kind):
            found += [str(policy["spec"]["suspension"])] if policy["spec"].get("suspension") else []
    for work in karmada.list("work.karmada.io/v1alpha1", "Work"):
        found += [work["metadata"]["name"]] if work["spec"].get("suspendDispatching") else []
    return found


def planned(run):
    """Return what a plan says about the unfinished change, and the verb for each member's copy."""
    (found,) = [one for one in run("preview")["workloads"] if one["name"] == "web"]
    return found["rollout"]["underWay"]["course"], [copy["verb"] for copy in found["clusters"]]


class Sampler:
    """Reads the members' images repeatedly, and records each change, until the block ends."""

    def __init__(self, fleet, look=None):
        self._look = look or (lambda: images(fleet))
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen = []

    def _run(self):
        while not self._end.wait(0.1):
            now = self._look()
            if not self.seen or self.seen[-1] != now:
                self.seen.append(now)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self._thread.join()


def test_a_change_reaches_one_cluster_after_the_other(fleet, run):
    with Sampler(fleet) as first:
        run.write(members(*BOTH), [web("nginx:1.27")])
        run("up", "--yes")
    assert first.seen[-3:] == [
        {"member1": None, "member2": None},
        {"member1": "nginx:1.27", "member2": None},
        {"member1": "nginx:1.27", "member2": "nginx:1.27"},
    ]
    assert rollout_leftovers(fleet) == []
    run("preview", "--expect-no-changes")
    run("preview", "--refresh", "--expect-no-changes")
    with Sampler(fleet) as second:
        run.write(members(*BOTH), [web("nginx:1.28", replicas=3)])
        run("up", "--yes")
    assert second.seen == [
        {"member1": "nginx:1.27", "member2": "nginx:1.27"},
        {"member1": "nginx:1.28", "member2": "nginx:1.27"},
        {"member1": "nginx:1.28", "member2": "nginx:1.28"},
    ]
    assert rollout_leftovers(fleet) == []
    run("preview", "--refresh", "--expect-no-changes")
    assert run("drift")["findings"] == []


def test_a_bad_change_stops_at_its_first_wave_and_its_revert_leaves_other_members_unchanged(fleet, run):
    run.write(members(*BOTH), [web("nginx:1.27")])
    run("up", "--yes")
    before = pods_of(fleet, "member2")
    run.write(members(*BOTH), [web("nginx:broken", timeout=10)])
    said = run("up", "--yes", expect=1)
    assert "wave 1 of 2 (member1)" in said["error"]
    assert "member1: 1 of 2 replicas updated; member1: pod web-" in said["error"]
    assert PULLING in said["error"]
    assert "member2 keeps what it ran" in said["error"]
    assert images(fleet) == {"member1": "nginx:broken", "member2": "nginx:1.27"}
    assert rollout_leftovers(fleet)
    assert planned(run) == ("goes-on", ["stays", "stays"])
    run("up", "--yes", expect=1)
    assert images(fleet)["member2"] == "nginx:1.27"
    run.write(members(*BOTH), [web("nginx:1.28")])
    assert planned(run) == ("begins-again", ["changes", "changes"])
    run.write(members(*BOTH), [web("nginx:1.27")])
    assert planned(run) == ("goes-back", ["changes", "stays"])
    run("up", "--yes")
    assert images(fleet) == {"member1": "nginx:1.27", "member2": "nginx:1.27"}
    assert pods_of(fleet, "member2") == before, "its pods run on"
    assert rollout_leftovers(fleet) == []
    run("preview", "--refresh", "--expect-no-changes")


def test_a_failed_wave_is_reverted_with_on_failure_revert(fleet, run):
    """With one replica, Karmada calls the Deployment healthy while still the old pod runs instead of the new one."""
    revert = {**ONE_BY_ONE, "onFailure": "revert"}
    run.write(members(*BOTH), [web("nginx:1.27", replicas=1, rollout=revert)])
    run("up", "--yes")
    bad = web("nginx:broken", timeout=10, replicas=1, rollout=revert)
    run.write(members(*BOTH), [bad])
    said = run("up", "--yes", expect=1)
    assert "taken back in member1" in said["error"], said
    assert PULLING in said["error"], "asked before the pods went"
    assert images(fleet) == {"member1": "nginx:1.27", "member2": "nginx:1.27"}
    assert not [one for one in rollout_leftovers(fleet) if not one.startswith("flotilla-rollout.")], (
        "nothing is suspended"
    )
    run("up", "--yes", expect=1)  # the same change again goes through the waves and is reverted again
    assert images(fleet) == {"member1": "nginx:1.27", "member2": "nginx:1.27"}
    run.write(members(*BOTH), [web("nginx:1.28", replicas=1, rollout=revert)])
    run("up", "--yes")
    assert images(fleet) == {"member1": "nginx:1.28", "member2": "nginx:1.28"}
    assert rollout_leftovers(fleet) == []
    run("preview", "--refresh", "--expect-no-changes")


def test_every_copy_gets_the_change_after_the_stack_drops_its_waves(fleet, run):
    """The key `rollout` is removed during a change: no Work stays suspended."""
    run.write(members(*BOTH), [web("nginx:1.27")])
    run("up", "--yes")
    run.write(members(*BOTH), [web("nginx:bad", resources=NEVER, timeout=10)])
    run("up", "--yes", expect=1)
    plain = web("nginx:1.28")
    del plain["rollout"]
    run.write(members(*BOTH), [plain])
    run("up", "--yes")
    eventually(lambda: images(fleet) == dict.fromkeys(BOTH, "nginx:1.28"), problem="one is still held back")
    assert rollout_leftovers(fleet) == []
