"""The stand-in writes the decisions of the scheduler model into bindings."""

import json

import pytest

from flotilla.karmada.rendering.retaining import retained
from flotilla.sandbox.standin.__main__ import one_pass
from flotilla.sandbox.standin.scheduler import APPLIED, reconcile_schedules

BOTH = {
    "clusterAffinity": {"clusterNames": ["a", "b"]},
    "replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"},
}


class ControlPlane:
    """A control plane with bindings; it records the patches."""

    def __init__(self, *bindings):
        self.bindings = {one["metadata"]["name"]: one for one in bindings}

    def list(self, _api_version, kind):
        return [one for one in self.bindings.values() if one["kind"] == kind]

    def patch(self, ref, steps, *, kind):
        assert kind == "json"
        binding = self.bindings[ref.name]
        for step in steps:
            *path, last = step["path"].strip("/").split("/")
            place = binding
            for key in path:
                place = place[key]
            place[last] = step["value"]
        binding["metadata"]["generation"] += 1
        return binding


class World:
    def __init__(self, *bindings):
        self.control_plane = ControlPlane(*bindings)
        self.written = 0

    def set_status(self, obj, status):
        stored = self.control_plane.bindings[obj["metadata"]["name"]]
        if stored.get("status") != status:
            self.written += 1
            stored["status"] = status


def binding(placement, replicas=4, clusters=(), **status):
    spec = {
        "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1"},
        "placement": placement,
        "replicas": replicas,
        "clusters": list(clusters),
    }
    meta = {"name": "web-deployment", "namespace": "default", "generation": 1}
    kind = {"apiVersion": "work.karmada.io/v1alpha2", "kind": "ResourceBinding"}
    return {**kind, "metadata": meta, "spec": spec, "status": status}


def cluster(name, *, ready=True, taints=()):
    served = [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment"}]}]
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    spec, status = {"taints": list(taints)}, {"conditions": conditions, "apiEnablements": served}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def scheduled(world):
    obj = world.control_plane.bindings["web-deployment"]
    (said,) = [one for one in obj["status"]["conditions"] if one["type"] == "Scheduled"]
    return {one["name"]: one.get("replicas") for one in obj["spec"]["clusters"]}, said


def test_binding_gets_its_clusters_and_their_placement():
    world = World(binding(BOTH))
    reconcile_schedules(world, [cluster("a"), cluster("b")])
    targets, said = scheduled(world)
    assert (targets, said["status"]) == ({"a": 2, "b": 2}, "True")
    obj = world.control_plane.bindings["web-deployment"]
    assert json.loads(obj["metadata"]["annotations"][APPLIED]) == BOTH


def test_second_pass_writes_nothing():
    world = World(binding(BOTH))
    clusters = [cluster("a"), cluster("b")]
    reconcile_schedules(world, clusters)
    reconcile_schedules(world, clusters)
    generation = world.control_plane.bindings["web-deployment"]["metadata"]["generation"]
    reconcile_schedules(world, clusters)
    assert world.control_plane.bindings["web-deployment"]["metadata"]["generation"] == generation == 2


def test_cluster_that_joins_later_gets_no_divided_replicas():
    """As in Karmada, only other replicas or another placement lead to a new division."""
    world = World(binding(BOTH))
    reconcile_schedules(world, [cluster("a")])
    reconcile_schedules(world, [cluster("a"), cluster("b")])
    assert scheduled(world)[0] == {"a": 4}


def test_cluster_that_leaves_is_removed_from_its_bindings():
    """Only then is the cluster deleted; its replicas go to other clusters."""
    world = World(binding(BOTH))
    reconcile_schedules(world, [cluster("a"), cluster("b")])
    reconcile_schedules(world, [cluster("a")])
    assert scheduled(world)[0] == {"a": 4}


@pytest.mark.parametrize(
    ("placement", "reason", "left"),
    [
        ({"clusterAffinity": {"clusterNames": ["z"]}}, "NoClusterFit", {}),
        (
            {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 5, "maxGroups": 5}]},
            "SchedulerError",
            {"a": 4},
        ),
    ],
)
def test_unschedulable_binding_is_unchanged_unless_no_cluster_fits(placement, reason, left):
    world = World(binding(placement, clusters=[{"name": "a", "replicas": 4}]))
    reconcile_schedules(world, [cluster("a"), cluster("b")])
    targets, said = scheduled(world)
    assert (targets, said["status"], said["reason"]) == (left, "False", reason)


def test_cluster_that_is_not_ready_yet_gets_nothing():
    world = World(binding(BOTH))
    reconcile_schedules(world, [cluster("a"), cluster("b", ready=False)])
    assert scheduled(world)[0] == {"a": 4}


def test_chosen_affinity_group_is_in_the_status():
    groups = [{"affinityName": "one", "clusterNames": ["a"]}, {"affinityName": "two", "clusterNames": ["b"]}]
    taint = {"key": "x", "effect": "NoSchedule"}
    world = World(binding({"clusterAffinities": groups}))
    reconcile_schedules(world, [cluster("a", taints=[taint]), cluster("b")])
    obj = world.control_plane.bindings["web-deployment"]
    assert (scheduled(world)[0], obj["status"]["schedulerObservingAffinityName"]) == ({"b": 4}, "two")


def test_random_decisions_are_deterministic_in_the_stand_in():
    dynamic = {**BOTH, "replicaScheduling": {**BOTH["replicaScheduling"], "weightPreference": {"staticWeightList": []}}}
    one, other = World(binding(dynamic, replicas=3)), World(binding(dynamic, replicas=3))
    for world in (one, other):
        del world.control_plane.bindings["web-deployment"]["spec"]["resource"]["uid"]
        reconcile_schedules(world, [cluster("a"), cluster("b")])
    assert scheduled(one)[0] == scheduled(other)[0]


def test_binding_is_scheduled_with_clusters_read_after_its_creation(monkeypatch):
    """One `up` tainted a member and created a workload. Regression: the stand-in used the member without the taint."""
    order = []
    for name in ("clusters", "policies", "schedules", "dependencies", "works", "execution", "reports"):
        monkeypatch.setattr(f"{one_pass.__module__}.reconcile_{name}", lambda *_, name=name: order.append(name))
    one_pass(None)
    assert order == ["policies", "clusters", "schedules", "dependencies", "works", "execution", "reports"]


def job(selector, labels):
    template = {"metadata": {"labels": labels}, "spec": {"containers": []}}
    spec = {"parallelism": 1, "selector": selector, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "crunch"}, "spec": spec}


def test_job_that_is_applied_again_keeps_the_selector_of_its_member():
    """Regression: the member refused the second apply of a Job, since its selector is immutable."""
    sent = job({"matchLabels": {}}, {})
    live = job({"matchLabels": {"controller-uid": "1"}}, {"controller-uid": "1"})
    assert retained(sent, live) == live
    assert retained(sent, None) == sent
    other = {**sent, "apiVersion": "batch.volcano.example.org/v1alpha1"}
    assert retained(other, {**live, "apiVersion": other["apiVersion"]}) == other


def test_deployment_with_the_retain_label_keeps_its_members_replicas():
    """Regression: the stand-in reset the replicas, which Karmada does only without the label."""

    def deployment(replicas, **labels):
        metadata = {"name": "web", "labels": labels}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}

    labels = {"resourcetemplate.karmada.io/retain-replicas": "true"}
    assert retained(deployment(2, **labels), deployment(5)) == deployment(5, **labels)
    assert retained(deployment(2, **labels), None) == deployment(2, **labels)
    assert retained(deployment(2), deployment(5)) == deployment(2)
