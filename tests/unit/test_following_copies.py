"""Copies of objects that follow other templates (propagateDeps) are wanted, and they are listed."""

from flotilla.deploy.declared import Declared
from flotilla.drift.propagation import check_unclaimed
from flotilla.karmada.status.reading import read_all
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.observe.workloads import copies_of
from flotilla.sandbox.standin.world import targets_of
from tests.unit.planes import EVERYWHERE, Plane, binding, live, web, work

NEEDED = [{"namespace": "default", "name": "front-deployment", "clusters": [{"name": "m1", "replicas": 2}]}]


def config_map(name="common"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def attached(template, **spec):
    """Return the binding of an object that no policy selects and that another template needs."""
    obj = binding(template, [])
    del obj["spec"]["placement"]
    return {**obj, "spec": {**obj["spec"], "requiredBy": NEEDED, **spec}}


def declared(*templates):
    return Declared(rollouts={"front": RolloutCheck(list(templates), EVERYWHERE, [])})


def test_follower_is_no_unclaimed_template():
    """Regression: a ConfigMap that Karmada sends along with a Deployment was reported as running nowhere."""
    ours, shared, lost = (live(config_map(name), claimed=name == "ours") for name in ("ours", "common", "lost"))
    plane = Plane(ours, shared, lost, attached(shared), attached(lost, requiredBy=[]))
    found = check_unclaimed(plane, declared(ours), read_all(plane, []))
    assert [one.object for one in found] == ["ConfigMap default/lost"]
    assert plane.asked["list", "ResourceBinding"] == 1


def test_copies_of_followers_are_listed():
    """Regression: the copies were in the members, but in no list."""
    bound = attached(config_map(), clusters=[{"name": "m0"}])
    bound["status"]["aggregatedStatus"] = [{"clusterName": name, "applied": True} for name in ("m0", "m1")]
    works = [work(config_map(), name, identity="id-common") for name in ("m0", "m1")]
    copies = copies_of(Plane(bound, *works))
    assert [(one.cluster, one.health, one.desired) for one in copies] == [
        ("m0", "Healthy", None),
        ("m1", "Healthy", None),
    ]


def test_stand_in_sends_a_follower_once_to_each_cluster_of_its_users():
    bound = binding(web(), ["m1", "m0"])
    required = [{"name": "a", "clusters": [{"name": "m0", "replicas": 7}]}, {"name": "b", "clusters": [{"name": "m2"}]}]
    bound["spec"]["requiredBy"] = [*required, {"name": "c"}]
    assert [(one["name"], one.get("replicas")) for one in targets_of(bound)] == [("m1", 2), ("m0", 2), ("m2", None)]
