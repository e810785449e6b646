"""The way back to an earlier update: what it declared is planned and applied, with what is valid now."""

import copy

import pytest

from tests.unit.in_memory import *  # noqa: F403 - fixtures


def changed(sections, **workload):
    found = copy.deepcopy(sections)
    found["workloads"][0] |= workload
    return found


def image(world, name="nginx"):
    return world.of("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]


def test_back_to_the_update_before(run, world, stack, sections):
    run("up", "--yes")
    stack(changed(sections, image="nginx:broken"))
    run("up", "--yes")
    assert image(world) == "nginx:broken"
    plan = run("rollback", "--yes")
    assert plan["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"
    assert "still declares what was rolled back (workloads: nginx)" in plan["stillDeclared"]


def obj(api_version, kind, name, namespace=None, **content):
    within = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **within}, **content}


def deployment(name, image_, namespace="default"):
    pods = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "one", "image": image_}]}}
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": name}}, "template": pods}
    return obj("apps/v1", "Deployment", name, namespace, spec=spec)


def definition(kind="Widget"):
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    spec = {"group": "example.org", "scope": "Namespaced", "names": names, "versions": versions}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{names['plural']}.example.org", spec=spec)


def policy(name, *selected):
    selectors = [{"apiVersion": api, "kind": kind, "name": one} for api, kind, one in selected]
    spec = {"resourceSelectors": selectors, "placement": {"clusterAffinity": {"clusterNames": ["member1"]}}}
    return obj("policy.karmada.io/v1alpha1", "PropagationPolicy", name, "default", spec=spec)


@pytest.fixture
def files(project):
    """Write manifests, by the file's name without its ending."""

    def write(**listed):
        for name, objects in listed.items():
            (project / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))

    return write


SHOP = (
    obj("v1", "Namespace", "shop"),
    definition(),
    obj("example.org/v1", "Widget", "one", "shop", spec={"size": 1, "ratio": 0.5, "text": "1e3"}),
    deployment("web", "web:1", "shop"),
    obj("v1", "Secret", "token", "shop", stringData={"key": "hunter2-of-then"}),
    obj("v1", "ConfigMap", "settings", data={"mode": "then"}),
    obj("rbac.authorization.k8s.io/v1", "ClusterRole", "reader", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
)  # fmt: skip
SCALER = obj(
    "autoscaling.karmada.io/v1alpha1", "FederatedHPA", "web", "shop",
    spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 1,
          "maxReplicas": 9, "metrics": []},
)  # fmt: skip


@pytest.fixture
def everything(sections, files, stack):
    """A stack with every source of objects that needs no program: written, and returned to be changed."""
    files(
        shop=SHOP,
        own=[SCALER],
        given=[deployment("a", "a:1"), deployment("b", "b:1")],
        policies=[policy("front", ("apps/v1", "Deployment", "a")), policy("back", ("apps/v1", "Deployment", "b"))],
    )
    everywhere = {"clusters": ["member1", "member2"]}
    sections["workloads"] += [
        {
            "name": "shop", "namespace": "shop", "manifests": ["shop.yaml"], "placement": everywhere,
            "onRemoval": "keep", "after": ["nginx"],
            "overrides": [{"clusters": ["member1"], "labels": {"site": "one"}}],
        },
        {"name": "given", "manifests": ["given.yaml"], "policies": ["policies.yaml"]},
    ]  # fmt: skip
    sections["objects"] = [{"name": "own", "manifests": ["own.yaml"]}]
    sections["controlPlane"]["version"] = "1.18.2"
    stack(sections)
    return sections


def held(world):
    """What every cluster has, without what its server has made up."""
    found = copy.deepcopy(world.objects)
    for one in found.values():
        one["metadata"].pop("uid")
    return found


def test_nothing_changes_by_going_back_to_what_is_there(run, everything):
    """The objects are those of the state and not of the files: declared once more, they have to come out the same."""
    run("up", "--yes")
    plan = run("rollback", "--to", "1", "--preview-only")
    assert [(step["op"], step["name"], step.get("changes")) for step in plan["steps"] if step["op"] != "same"] == []


def test_every_object_is_again_as_it_was_whatever_the_files_say_now(run, world, everything, files, stack):
    run("up", "--yes")
    before = held(world)
    files(
        shop=[*SHOP[:2], deployment("web", "web:2", "shop"), obj("v1", "Secret", "token", "shop", data={"key": "bm93"})],
        own=[],
        given=[deployment("a", "a:2"), deployment("b", "b:2")],
        policies=[policy("all", ("apps/v1", "Deployment", "a"), ("apps/v1", "Deployment", "b"))],
    )
    after = copy.deepcopy(everything)
    after["workloads"] = after["workloads"][1:]
    after["workloads"][0].pop("after")
    del after["objects"]
    stack(after)
    run("up", "--yes")
    assert held(world) != before
    run("rollback", "--yes")
    assert held(world) == before
    (entry,) = run("history")["updates"][2:]
    assert (entry["kind"], entry["result"], entry["backTo"]) == ("update", "succeeded", 1)
