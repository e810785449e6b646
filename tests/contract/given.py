"""Existing Karmada policies of users, declared as they are written.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import pytest
import yaml

from flotilla.kube.objects import ObjectRef
from tests.contract.main_job import everything, members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj, pods
from tests.contract.spaces import LEFT, assert_clean, policies, run  # noqa: F401

SPACE = "given"
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"part": "web"}}}
STORE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "store"}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"}
ROLE = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "given-reader"}
POLICY = "policy.karmada.io/v1alpha1"


def labelled(deployment, **labels):
    return {**deployment, "metadata": {**deployment["metadata"], "labels": labels}}


def policy(kind, name, selectors, namespace=None, **spec):
    return obj(POLICY, kind, name, namespace, spec={"resourceSelectors": selectors, **spec})


def to(*names, **placement):
    return {"placement": {"clusterAffinity": {"clusterNames": list(names)}, **placement}}


def tag(name, selectors, value, **target):
    steps = [{"component": "Tag", "operator": "replace", "value": value}]
    rule = {"overriders": {"imageOverrider": steps}, **({"targetCluster": target} if target else {})}
    return obj(POLICY, "OverridePolicy", name, spec={"resourceSelectors": selectors, "overrideRules": [rule]})


DIVIDED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
WEIGHTS = {
    "staticWeightList": [
        {"targetCluster": {"clusterNames": ["member1"]}, "weight": 2},
        {"targetCluster": {"clusterNames": ["member2"]}, "weight": 1},
    ]
}


def web():
    return labelled(pods("web", replicas=3), part="web")


MANIFESTS = (
    obj("v1", "Namespace", SPACE),
    pods("store"),
    obj("v1", "ConfigMap", "settings", data={"a": "b"}),
    obj(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "given-reader",
        rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    ),
)
POLICIES = (
    # By label, divided by weight: 2 and 1 of three replicas.
    policy(
        "PropagationPolicy",
        "front",
        [WEB],
        **to("member1", "member2", replicaScheduling={**DIVIDED, "weightPreference": WEIGHTS}),
    ),
    # By name; its priority is higher than that of the next policy.
    policy("PropagationPolicy", "back", [STORE, SETTINGS], priority=5, **to("member2")),
    policy("PropagationPolicy", "any", [{"apiVersion": "v1", "kind": "ConfigMap"}], **to("member1")),
    policy("ClusterPropagationPolicy", "given-roles", [ROLE], **to("member1")),
    tag("all", [{"apiVersion": "apps/v1", "kind": "Deployment"}], "1.28"),
    tag("web-there", [WEB], "1.29", clusterNames=["member2"]),
)


@pytest.fixture
def stack(fleet, run):  # noqa: F811
    """Write manifests and policies, and a stack file with one workload that lists both."""

    def stack(manifests, given):
        for name, objects in (("manifests", manifests), ("policies", given)):
            (fleet.project / f"given-{name}.yaml").write_text(yaml.safe_dump_all(objects))
        files = {key: [str(fleet.project / f"given-{key}.yaml")] for key in ("manifests", "policies")}
        run.write(members("member1", "member2"), [{"name": "shop", "namespace": SPACE, "timeout": 90, **files}])

    return stack


def runs(fleet, name):
    """Return replicas and image tag of a Deployment, by member."""
    ref = ObjectRef("apps/v1", "Deployment", name, SPACE)
    found = {member: fleet.connection(member).find(ref) for member in ("member1", "member2")}
    return {
        member: (live["spec"]["replicas"], live["spec"]["template"]["spec"]["containers"][0]["image"].split(":")[1])
        for member, live in found.items()
        if live
    }


def test_policies_of_users_are_declared_as_written_and_choose_the_clusters(fleet, run, stack):  # noqa: F811
    run.write(members("member1", "member2"), [])
    run("up", "--yes")
    before = everything(fleet, LEFT)
    stack([web(), *MANIFESTS], POLICIES)
    plan = run("preview")
    planned = {one["name"]: {c["name"]: str(c["details"]) for c in one["clusters"]} for one in plan["workloads"]}
    assert "2 replicas" in planned["shop-front"]["member1"]
    assert "1 replica" in planned["shop-front"]["member2"]
    assert "nginx:1.29" in planned["shop-front"]["member2"]
    assert list(planned["shop-back"]) == ["member2"]
    assert "PropagationPolicy given/any has no effect" in str(run("validate")["notes"])
    run("up", "--yes")
    assert runs(fleet, "web") == {"member1": (2, "1.28"), "member2": (1, "1.29")}
    assert runs(fleet, "store") == {"member2": (1, "1.28")}
    settings = ObjectRef("v1", "ConfigMap", "settings", SPACE)
    assert [m for m in ("member1", "member2") if fleet.connection(m).find(settings)] == ["member2"]
    assert ("ClusterPropagationPolicy", "", "given-roles") in policies(fleet)
    assert_clean(run)

    # The plan shows a changed policy like a changed placement.
    wider = [
        {**one, "spec": {**one["spec"], **to("member1", "member2")}} if one["metadata"]["name"] == "back" else one
        for one in POLICIES
    ]
    stack([web(), *MANIFESTS], wider)
    changed = {one["name"]: one for one in run("preview")["workloads"]}
    assert changed["shop-back"]["clusters"][0]["name"] == "member1"
    assert changed["shop-back"]["clusters"][0]["verb"] == "new"
    run("up", "--yes")
    assert runs(fleet, "store") == {"member1": (1, "1.28"), "member2": (1, "1.28")}
    assert_clean(run)

    # Somebody changes a policy in the control plane: drift reports it, and the next run reverts it.
    karmada = fleet.connection("karmada")
    ref = ObjectRef(POLICY, "PropagationPolicy", "front", SPACE)
    karmada.patch(ref, {"spec": {"placement": {"clusterAffinity": {"clusterNames": ["member1"]}}}})
    found = run("drift", expect=3)["findings"]
    assert "PropagationPolicy given/front" in {one["object"] for one in found}
    run("up", "--yes", "--refresh")
    assert_clean(run)

    run.write(members("member1", "member2"), [])
    run("up", "--yes")
    assert policies(fleet) == []
    assert everything(fleet, LEFT) == before
