"""Objects that several workloads share: Karmada's dependency distribution sends them with the workloads.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import pytest
import yaml

from flotilla.karmada.objects import BINDING_API
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import await_gone, eventually
from tests.contract.main_job import everything, members, run, verbs  # noqa: F401 - fixtures of the contract

COMMON = ObjectRef("v1", "ConfigMap", "common", "default")
LEFT = ObjectRef("v1", "ConfigMap", "nobodys", "default")
BINDING = ObjectRef(BINDING_API, "ResourceBinding", "common-configmap", "default")
MEMBERS = ("member1", "member2", "member3")


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def using(name, *configs):
    sources = [{"configMapRef": {"name": config}} for config in configs]
    container = {"name": name, "image": "nginx:1.27", "envFrom": sources}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
def stack(fleet, run):  # noqa: F811
    def write(*workloads):
        listed = []
        for name, obj, clusters, more in workloads:
            (fleet.project / f"{name}.yaml").write_text(yaml.safe_dump(obj))
            entry = {"name": name, "manifests": [f"{name}.yaml"], "placement": {"clusters": list(clusters)}}
            listed.append({**entry, "timeout": 90, **more})
        run.write(members(*MEMBERS), listed)

    return write


def workload(name, obj, *clusters, **more):
    return name, obj, clusters, more


def members_with(fleet, ref=COMMON):
    """Return the members that have a copy."""
    return {name for name in MEMBERS if fleet.connection(name).find(ref) is not None}


def test_a_shared_config_map_follows_the_workloads_that_use_it_and_leaves_with_them(fleet, third_member, run, stack):  # noqa: F811
    before = everything(fleet)
    karmada = fleet.connection("karmada")
    override = {"overrides": [{"target": {}, "patches": [{"op": "add", "path": "/data/by", "value": "us"}]}]}
    base = workload("base", config_map("common", a="b"), "member1", **override)
    front = workload("front", using("front", "common"), "member1", "member2", dependencies=True)
    back = workload("back", using("back", "common", "nobodys"), "member2", "member3", dependencies=True)
    karmada.apply(
        {**config_map("nobodys", c="d"), "metadata": {"name": "nobodys", "namespace": "default"}}, field_manager="t"
    )
    try:
        stack(base, front, back)
        plan = {one["name"]: one for one in run("preview")["workloads"]}
        assert plan["front"]["follows"] == [
            {
                "object": "ConfigMap default/common",
                "templates": ["Deployment default/front"],
                "clusters": [{"name": "member2", "verb": "new"}],
            }
        ]
        assert [one["object"] for one in plan["back"]["follows"]] == [
            f"ConfigMap default/{n}" for n in ("common", "nobodys")
        ]
        run("up", "--yes")
        eventually(lambda: members_with(fleet) == set(MEMBERS), problem="the ConfigMap doesn't follow")
        eventually(
            lambda: members_with(fleet, LEFT) == {"member2", "member3"}, problem="nor does the one without a policy"
        )
        by = eventually(lambda: fleet.connection("member2").get(COMMON)["data"])
        assert by == {"a": "b", "by": "us"}, "its own workload's overrides hold where it follows, too"
        required = karmada.get(BINDING)["spec"]["requiredBy"]
        assert {one["name"]: [t["name"] for t in one["clusters"]] for one in required} == {
            "front-deployment": ["member1", "member2"],
            "back-deployment": ["member2", "member3"],
        }
        assert run("drift")["findings"] == []
        assert not run("preview", "--expect-no-changes")["summary"].get("update")
        shown = {(c["workload"], c["cluster"]): c for c in run("status")["workloads"]}
        assert {cluster for name, cluster in shown if name == "ConfigMap common"} == set(MEMBERS)

        stack(base, front)
        plan = {one["name"]: one for one in run("preview")["workloads"]}
        gone = {one["object"]: one["clusters"] for one in plan["back"]["follows"]}
        assert gone["ConfigMap default/common"] == [{"name": "member3", "verb": "gone"}]
        run("up", "--yes")
        eventually(lambda: members_with(fleet) == {"member1", "member2"}, problem="it stays where nobody uses it")
        eventually(lambda: members_with(fleet, LEFT) == set())
        found = run("drift", expect=3)["findings"]
        assert [(one["rule"], one["object"]) for one in found] == [("template-unclaimed", "ConfigMap default/nobodys")]
    finally:
        karmada.delete(LEFT)
        await_gone(karmada, LEFT)

    stack(base, workload("front", using("front", "common"), "member1", "member2"))
    run("up", "--yes")
    eventually(lambda: members_with(fleet) == {"member1"}, problem="it follows although `dependencies` is off")
    assert run("drift")["findings"] == []
    run("destroy", "--yes")
    assert members_with(fleet) == set()
    assert everything(fleet) == before
