"""Workloads that kubectl created in members: plans show them, Abort refuses them, Overwrite takes them over.

The same case runs on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

import pytest

from flotilla.deploy.engines import open_stack
from flotilla.deploy.in_members import in_members
from flotilla.deploy.interface import EngineName, Setting
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.observe.access import FleetAccess
from flotilla.plan.coming import Coming
from tests.contract.karmada import eventually
from tests.contract.main_job import shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.moves import BOTH, run, stack, workload  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj, pods

KUBECTL = "kubectl-client-side-apply"
SPACE = obj("v1", "Namespace", "brown")
WEB = pods("web", "brown", replicas=2)
OTHER = {**pods("web", "brown", replicas=3), "metadata": {"name": "web", "namespace": "brown", "labels": {"of": "me"}}}
OTHER = {
    **OTHER,
    "spec": {
        **OTHER["spec"],
        "template": {
            "metadata": {"labels": {"app": "web"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "2026"}},
            "spec": {"containers": [{"name": "web", "image": "nginx:1.26"}]},
        },
    },
}
STUCK = pods("stuck", "brown")
OTHERWISE = {**STUCK, "spec": {**STUCK["spec"], "selector": {"matchLabels": {"app": "stuck", "of": "me"}}}}
OTHERWISE["spec"]["template"] = {**STUCK["spec"]["template"], "metadata": {"labels": {"app": "stuck", "of": "me"}}}
SIDE = obj("v1", "ConfigMap", "side", "default", data={"a": "b"})
OVERWRITE = {"conflictResolution": "Overwrite", "timeout": 90}
_WEB = ref_of(WEB)


@pytest.fixture
def existing_copies(fleet):
    """Create a namespace and Deployments in the members, as kubectl does; delete them after the stack is destroyed."""
    made = (("member1", WEB), ("member2", OTHER), ("member1", OTHERWISE))
    for member in BOTH:
        fleet.connection(member).create(SPACE, field_manager=KUBECTL)
    for member, one in made:
        fleet.connection(member).create(one, field_manager=KUBECTL)
    for member, count in (("member1", 2), ("member2", 3)):
        eventually(lambda m=member, n=count: _ready(fleet, m) == n, seconds=90, problem="the copies do not run")
    yield
    for member in BOTH:
        fleet.connection(member).delete(ref_of(SPACE), propagation="Background")
    for member in BOTH:
        eventually(lambda m=member: fleet.connection(m).find(ref_of(SPACE)) is None, seconds=120)


def _ready(fleet, member):
    return (fleet.connection(member).get(_WEB).get("status") or {}).get("readyReplicas")


def running(fleet, member):
    """Return what a takeover without a restart must not change: the UIDs of the Deployment, ReplicaSets and Pods."""
    connection = fleet.connection(member)
    found = {"Deployment": connection.get(_WEB)["metadata"]["uid"]}
    for api_version, kind in (("apps/v1", "ReplicaSet"), ("v1", "Pod")):
        for one in connection.list(api_version, kind, namespace="brown", labels="app=web"):
            meta = one["metadata"]
            found[kind, meta["name"]] = (meta["uid"], meta.get("generation"))
    return found


def there(plan):
    return {(one["cluster"], one["object"]): one for one in plan.get("inMembers", [])}


def test_existing_copies_are_shown_refused_by_abort_and_taken_over_by_overwrite_without_a_restart(
    fleet, existing_copies, run, stack
):
    karmada = fleet.connection("karmada")
    before = running(fleet, "member1")
    uid = running(fleet, "member2")["Deployment"]
    side = workload("side", [SIDE])
    web, ours = [SPACE, WEB], ("member1", "Deployment brown/web")

    # The selector is immutable, so a takeover is impossible: the plan fails and names only this object.
    stack(workload("stuck", [STUCK], ["member1"], namespace="brown", **OVERWRITE))
    (refused,) = there(run("preview", expect=1)).values()
    assert (refused["outcome"], refused["object"]) == ("impossible", "Deployment brown/stuck")
    assert "spec.selector" in refused["refusal"]
    assert "can't be changed" in refused["refusal"]

    # Abort: the plan shows the copies and what would change. `up` writes the other workload, not this one.
    stack(side, workload("web", web, timeout=15))
    found = there(run("preview"))
    assert {key: one["outcome"] for key, one in found.items() if key[1] != "Namespace brown"} == {
        ours: "stops",
        ("member2", "Deployment brown/web"): "stops",
    }
    assert found["member1", "Namespace brown"]["outcome"] == "stays"
    assert found[ours]["managers"] == [KUBECTL]
    assert (found[ours]["changes"], found[ours]["restarts"]) == ([], False)
    said = found["member2", "Deployment brown/web"]["text"]
    assert "by kubectl; 3 replicas, nginx:1.26" in said
    assert "conflictResolution Abort: Karmada would not apply it, `up` would stop" in said
    assert "replicas 3 → 2" in said
    assert "image nginx:1.26 → nginx:1.27" in said
    assert "its pods restart" in said
    texts = {name: (fleet.kubeconfigs / f"{name}.yaml").read_text() for name in BOTH}
    access = FleetAccess(karmada, lambda: texts)
    in_members([Coming("member1", "web", "", WEB, "Abort")], access, {})
    assert access.member("member1").traffic.requests == 3, "the kinds of the group, the object, and a dry run"
    done = run("up", "--yes", expect=1)
    assert "`conflictResolution: Overwrite` in the workload takes over" in str(done["failures"])
    assert len(done["failures"]) == 1, done["failures"]
    assert karmada.find(_WEB) is None
    assert karmada.find(ObjectRef("policy.karmada.io/v1alpha1", "PropagationPolicy", "web", "default")) is None
    assert fleet.connection("member1").find(ref_of(SIDE)) is not None

    # Sent nevertheless, Karmada refuses it, and drift names the remedy. The existing Namespace causes no wait.
    sent = open_stack(EngineName.EMBEDDED, Setting(fleet.project, "sandbox")).up()
    assert "made by somebody else" in str(sent.failures)
    assert "Namespace" not in str(sent.failures)
    messages = [one["message"] for one in run("drift", expect=3)["findings"] if one["object"] == "Deployment brown/web"]
    assert any("`conflictResolution: Overwrite`" in message for message in messages), messages
    assert running(fleet, "member1") == before

    # Overwrite: the plan shows the same copies although the state has them; equal pods don't restart.
    stack(side, workload("web", web, **OVERWRITE))
    found = there(run("preview"))
    assert {one["outcome"] for key, one in found.items() if key[1] != "Namespace brown"} == {"takes-over"}
    assert "is taken over (Overwrite): nothing changes; no pod restarts" in found[ours]["text"]
    run("up", "--yes")
    eventually(lambda: _ready(fleet, "member2") == 2, seconds=60, problem="the copy was not changed")
    assert running(fleet, "member1") == before
    changed = fleet.connection("member2").get(_WEB)
    assert changed["metadata"]["uid"] == uid
    assert changed["metadata"]["labels"]["of"] == "me"
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27"
    assert "inMembers" not in run("preview", "--expect-no-changes")
    assert run("drift")["findings"] == []
