"""Values per cluster: one override gives each member its own values; a changed fact changes one member.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import yaml

from flotilla.kube.objects import ObjectRef
from tests.contract.main_job import members
from tests.contract.objects import obj, pods

WEB = ObjectRef("apps/v1", "Deployment", "web", "default")
SITE = ObjectRef("v1", "ConfigMap", "web", "default")
OBJECTS = [pods("web"), obj("v1", "ConfigMap", "web", data={"site": "nowhere"})]
DEPLOYMENT = {
    "target": {},
    "evaluate": True,
    "image": {"registry": "${member.facts.registry}"},
    "args": ["--site=${member.region}-${member.name}", "$${HOME}"],
    "patches": [{"op": "replace", "path": "/spec/replicas", "value": "${member.facts.size:-2}"}],
}
CONFIG = {
    "target": {},
    "evaluate": True,
    "labels": {"site": "${member.region}"},
    "patches": [{"op": "replace", "path": "/data/site", "value": "in ${member.region}"}],
}


def stack(fleet, run, *, size):
    """Write a stack with two members that have different facts, and two workloads with an override each."""
    listed = []
    for name, one, override in zip(("web", "settings"), OBJECTS, (DEPLOYMENT, CONFIG), strict=True):
        file = fleet.project / f"{name}.yaml"
        file.write_text(yaml.safe_dump(one))
        listed.append(
            {"name": name, "manifests": [str(file)], "placement": {}, "overrides": [override], "timeout": 120}
        )
    differing = (
        ("member1", {"region": "eu", "facts": {"registry": "mirror.eu.example:5000", "size": size}}),
        ("member2", {"region": "us", "facts": {"registry": "mirror.us.example"}}),
    )
    run.write([member for name, more in differing for member in members(name, **more)], listed)


def in_member(fleet, name):
    web, site = (fleet.connection(name).find(ref) for ref in (WEB, SITE))
    (container,) = web["spec"]["template"]["spec"]["containers"]
    return (
        web["spec"]["replicas"],
        container["image"],
        container["args"],
        site["metadata"]["labels"]["site"],
        site["data"]["site"],
    )


def test_each_member_gets_the_values_of_its_own_facts(fleet, run):
    stack(fleet, run, size=3)
    plan = run("preview")
    (web,) = [workload for workload in plan["workloads"] if workload["name"] == "web"]
    assert [(cluster["name"], cluster["details"]) for cluster in web["clusters"]] == [
        ("member1", ["Deployment default/web, 3 replicas, mirror.eu.example:5000/nginx:1.27"]),
        ("member2", ["Deployment default/web, 2 replicas, mirror.us.example/nginx:1.27"]),
    ]
    run("up", "--yes")
    first = (3, "mirror.eu.example:5000/nginx:1.27", ["--site=eu-member1", "${HOME}"], "eu", "in eu")
    second = (2, "mirror.us.example/nginx:1.27", ["--site=us-member2", "${HOME}"], "us", "in us")
    assert [in_member(fleet, name) for name in ("member1", "member2")] == [first, second]
    run("preview", "--expect-no-changes")
    assert run("drift")["findings"] == []

    stack(fleet, run, size=4)
    plan = run("preview")
    changes = {
        (workload["name"], cluster["name"]): cluster["details"]
        for workload in plan["workloads"]
        for cluster in workload["clusters"]
        if cluster["verb"] != "stays"
    }
    assert changes == {("web", "member1"): ["replicas 3 → 4"]}
    run("up", "--yes")
    assert [in_member(fleet, name) for name in ("member1", "member2")] == [(4, *first[1:]), second]
    run("preview", "--expect-no-changes")
    assert run("drift")["findings"] == []


def test_a_member_without_a_needed_fact_is_named_and_nothing_changes(fleet, run):
    stack(fleet, run, size=3)
    file = fleet.project / "stacks" / "Pulumi.sandbox.yaml"
    file.write_text(file.read_text().replace("registry: mirror.us.example", "other: value"))
    error = run("up", "--yes", expect=2)["error"]
    assert "member2 lacks member.facts.registry" in error
    assert fleet.connection("karmada").find(WEB) is None
