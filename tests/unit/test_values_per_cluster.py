"""Overrides with expressions: one override for many clusters, evaluated once for all readers of the stack."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.rollout import RolloutProvider
from flotilla.karmada.propagation import template
from flotilla.karmada.rendering.reach import Reach, reach
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.kube.objects import ref_of
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.stack.notices import notices
from flotilla.stack.overrides import Override
from flotilla.stack.specs import override_rule, override_rules
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import manifests_of
from tests.unit.test_plan_taints import cluster_step, copies, state

EU = {"name": "member1", "region": "eu", "labels": {"tier": "front"}, "facts": {"registry": "r.eu", "size": 3}}
US = {"name": "member2", "region": "us", "labels": {"tier": "back"}, "facts": {"registry": "r.us", "size": 3}}
BARE = {"name": "member3"}
MEMBERS = (EU, US, BARE)
REGISTRY = {"target": {}, "evaluate": True, "image": {"registry": "${member.facts.registry:-docker.io}"}}
SIZE = {"op": "replace", "path": "/spec/replicas", "value": "${member.facts.size}"}


def override(**keys):
    return {"target": {}, "evaluate": True, **keys}


def rules_of(fleet):
    (workload,) = fleet.workloads
    return override_rules(workload)


# -- rules -------------------------------------------------------------------------------------------------------------


def test_override_gives_one_rule_for_each_result(fleet_of):
    """Members with the same result share a rule: a hundred clusters with two values give two rules."""
    fleet = fleet_of({"overrides": [override(patches=[{**SIZE, "value": "${member.facts.size:-1}"}])]}, members=MEMBERS)
    assert [
        (r["targetCluster"]["clusterNames"], r["overriders"]["plaintext"][0]["value"]) for r in rules_of(fleet)
    ] == [
        (["member1", "member2"], 3),
        (["member3"], 1),
    ]


def test_all_kinds_of_values_are_evaluated_and_nothing_else(fleet_of):
    asked = override(
        target={"clusters": ["member1"]},
        image={"tag": "${member.labels.tier}", "append": {"repository": "-${member.region}"}, "remove": ["registry"]},
        command=["run-${member.name}"],
        removeCommand=["${member.region}"],
        args=["--size=${member.facts.size}", "$${HOME}"],
        removeArgs=["--region=${member.region}"],
        labels={"site": "${member.region}"},
        replaceLabels={"tier": "${member.labels.tier}"},
        annotations={"a/b": "in ${member.region}"},
        replaceAnnotations={"c": "${member.name}"},
        fields=[
            {
                "path": "/data/app.yaml",
                "format": "yaml",
                "patches": [{"op": "add", "path": "/size", "value": "${member.facts.size}"}],
            }
        ],
        patches=[
            {"op": "add", "path": "/x", "value": {"${key}": ["${member.facts.size}", {"deep": "${member.name}!"}, 7]}}
        ],
    )
    plain = {
        "clusters": ["member1"],
        "image": {"tag": "front", "append": {"repository": "-eu"}, "remove": ["registry"]},
        "command": ["run-member1"],
        "removeCommand": ["eu"],
        "args": ["--size=3", "${HOME}"],
        "removeArgs": ["--region=eu"],
        "labels": {"site": "eu"},
        "replaceLabels": {"tier": "front"},
        "annotations": {"a/b": "in eu"},
        "replaceAnnotations": {"c": "member1"},
        "fields": [
            {"path": "/data/app.yaml", "format": "yaml", "patches": [{"op": "add", "path": "/size", "value": 3}]}
        ],
        "patches": [{"op": "add", "path": "/x", "value": {"${key}": [3, {"deep": "member1!"}, 7]}}],
    }
    assert rules_of(fleet_of({"overrides": [asked]})) != []
    evaluated, written = (rules_of(fleet_of({"overrides": [one]}, members=MEMBERS)) for one in (asked, plain))
    assert evaluated == written


def test_rules_have_the_order_of_their_overrides(fleet_of):
    first, last = ({"clusters": ["member1"], "labels": {"order": text}} for text in ("first", "last"))
    fleet = fleet_of({"overrides": [first, REGISTRY, last]}, members=MEMBERS)
    assert [rule["targetCluster"]["clusterNames"] for rule in rules_of(fleet)] == [
        ["member1"],
        ["member1"],
        ["member2"],
        ["member3"],
        ["member1"],
    ]
    assert [index for index, _ in fleet.workloads[0].evaluated] == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("key", ["image", "args", "annotations", "patches"])
def test_texts_without_evaluate_stay_unchanged(fleet_of, key):
    """Without `evaluate`, the meaning of every text is the same as in older versions."""
    text = "${member.name} {{ member.name }} $${x}"
    values = {
        "image": {"tag": text},
        "args": [text],
        "annotations": {"a": text},
        "patches": [{"op": "add", "path": "/metadata/annotations/a", "value": text}],
    }
    (rule,) = rules_of(fleet_of({"overrides": [{"target": {}, key: values[key]}]}))
    assert json.dumps(text)[1:-1] in json.dumps(rule)
    assert "targetCluster" not in rule


def test_text_that_looks_like_an_expression_is_reported(fleet_of):
    fleet = fleet_of({"overrides": [{"target": {}, "image": {"tag": "${member.region}"}}, REGISTRY]})
    found = [note for note in notices(fleet) if "evaluate" in note]
    text = "workload web: overrides[0].image.tag has an expression over the member, and is sent unevaluated: add "
    assert found == [text + "`evaluate: true` to the override"]


def test_workload_that_was_not_evaluated_gives_no_rules():
    """It is an error to send a text with `${`, wherever the workload comes from."""
    workload = Workload.model_validate({"name": "web", "image": "web:1", "placement": {}, "overrides": [REGISTRY]})
    with pytest.raises(ValueError, match="not evaluated"):
        override_rules(workload)


# -- members that need the facts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "placement"),
    [
        ({"clusters": ["member1", "member2"], "target": None}, {}),
        ({"target": {"labelExpressions": [{"key": "tier", "operator": "Exists"}]}}, {}),
        ({"target": {"exclude": ["member3"]}}, {}),
        ({"target": {"regions": ["eu", "us"]}}, {}),
        ({"target": {}}, {"clusters": ["member1", "member2"]}),
        ({"target": {}}, {"groups": [{"name": "a", "clusters": ["member2"]}, {"name": "b", "clusters": ["member1"]}]}),
    ],
)
def test_only_members_of_the_override_need_the_fact(fleet_of, keys, placement):
    one = {key: value for key, value in override(**keys, patches=[SIZE]).items() if value is not None}
    fleet = fleet_of({"overrides": [one], "placement": placement}, members=MEMBERS)
    assert [rule["targetCluster"] for rule in rules_of(fleet)] == [{"clusterNames": ["member1", "member2"]}]


def test_zones_select_by_the_rules_of_the_stacks_karmada(fleet_of):
    """Before 1.18 every zone of a cluster has to be listed."""
    members = [{**EU, "zones": ["a", "b"]}, {**US, "zones": ["a"]}, BARE]
    workload = {"overrides": [override(target={"zones": ["a"]}, patches=[SIZE])]}
    chosen = [
        rules_of(fleet_of(workload, members=members, version=version))[0]["targetCluster"]["clusterNames"]
        for version in ("1.17.0", "1.18.2")
    ]
    assert chosen == [["member2"], ["member1", "member2"]]


def test_tainted_member_is_also_evaluated(fleet_of):
    """Copies from before the taint stay, and would lose their values without a rule."""
    taints = [{"key": "site", "value": "edge", "effect": "NoSchedule"}]
    fleet = fleet_of({"overrides": [override(patches=[SIZE])]}, members=[EU, {**US, "taints": taints}])
    assert rules_of(fleet)[0]["targetCluster"]["clusterNames"] == ["member1", "member2"]


def test_members_of_another_stack_have_their_facts(project, fleet_of, sections):
    (project / "stacks").mkdir()
    members = [{"kubeconfig": "kube.yaml", **member} for member in (EU, US)]
    other = {"config": {"flotilla:members": members}}
    (project / "stacks" / "Pulumi.members.yaml").write_text(yaml.safe_dump(other))
    sections |= {
        "membersFrom": "members",
        "members": [],
        "workloads": [{"name": "web", "image": "web:1", "placement": {}, "overrides": [override(patches=[SIZE])]}],
    }
    assert rules_of(parse_fleet(sections, base=project))[0]["targetCluster"]["clusterNames"] == ["member1", "member2"]


# -- plans -------------------------------------------------------------------------------------------------------------


def planned(before, after):
    """Plan from one fleet's rollout to another's."""
    sides = []
    for fleet in (before, after):
        (workload,) = fleet.workloads
        templates = [template(obj, namespace="default") for obj in manifests_of(workload, ManifestFiles(Path()))]
        props = {"workload": "web", "templates": templates, "overrideRules": override_rules(workload), "placement": {}}
        sides.append(state(ROLLOUT_TYPE, "web-rollout", props, {}))
    step = Step(Op.UPDATE, sides[1].urn, ROLLOUT_TYPE, old=sides[0], new=sides[1])
    known = {member.name for member in before.members}
    clusters = [cluster_step(member.name) for member in after.members]
    steps = [c if c.name.removesuffix("-cluster") in known else replace(c, op=Op.CREATE, old=None) for c in clusters]
    (found,) = fleet_plan(Result(steps=[*steps, step])).workloads
    return copies(found)


def test_changed_fact_changes_only_its_member(fleet_of):
    workload = {"overrides": [REGISTRY, override(patches=[{**SIZE, "value": "${member.facts.size:-1}"}])]}
    before = fleet_of(workload, members=MEMBERS)
    changed = {**US, "facts": {"registry": "mirror.us", "size": 5}}
    assert planned(before, before) == dict.fromkeys(("member1", "member2", "member3"), ("stays", ()))
    assert planned(before, fleet_of(workload, members=(EU, changed, BARE))) == {
        "member1": ("stays", ()),
        "member2": ("changes", ("replicas 3 → 5", "image r.us/web:1 → mirror.us/web:1")),
        "member3": ("stays", ()),
    }


def test_new_member_changes_no_other_member(fleet_of):
    workload = {"overrides": [REGISTRY]}
    before = fleet_of(workload, members=(US,))
    found = planned(before, fleet_of(workload, members=(EU, US, BARE)))
    assert found == {
        "member1": ("new", ("Deployment default/web, 1 replica, r.eu/web:1",)),
        "member2": ("stays", ()),
        "member3": ("new", ("Deployment default/web, 1 replica, docker.io/web:1",)),
    }


def test_equivalent_override_with_expressions_is_no_rollout(fleet_of):
    """One override with expressions replaces a rule for each member.

    The result in Karmada is the same, so nothing is waited for.
    """
    by_name = [{"clusters": [m["name"]], "image": {"registry": m["facts"]["registry"]}} for m in (EU, US)]
    old, new = (
        override_rules(fleet_of({"overrides": overrides}, members=(EU, US)).workloads[0])
        for overrides in (by_name, [REGISTRY])
    )
    assert old == new
    diff = RolloutProvider().diff("web", {"overrideRules": old}, {"overrideRules": new, "overrideNumbers": [1, 1]})
    assert not diff.changes


def test_objects_of_each_member_have_its_values(fleet_of):
    fleet = fleet_of({"overrides": [REGISTRY]}, members=MEMBERS)
    images = {
        name: objects[0]["spec"]["template"]["spec"]["containers"][0]["image"]
        for name, objects in rendered(fleet, ManifestFiles(Path())).items()
    }
    assert images == {"member1": "r.eu/web:1", "member2": "r.us/web:1", "member3": "docker.io/web:1"}


def test_override_has_no_cluster_only_if_none_of_its_rules_has_one():
    """A rule for a member that gets nothing today is no mistake of the override that was written."""
    obj = template(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}, namespace="default"
    )
    placed = {str(ref_of(obj)): [ClusterFacts("member1")]}
    rules = [
        override_rule(Override.model_validate({"clusters": [name], "labels": {"a": "b"}}), container="web")
        for name in ("member1", "member2", "member3")
    ]

    def said(*numbers):
        return [
            (n.step, n.clusters) for n in reach([obj], rules, placed, numbers=numbers) if n.what == Reach.NO_CLUSTER
        ]

    assert said(1, 1, 1) == []
    assert said(1, 2, 2) == [("override 2", ("member2", "member3"))]
    assert said() == [("override 2", ("member2",)), ("override 3", ("member3",))]


def test_example_of_the_guide_gives_the_documented_result(repository):
    guide = (repository / "docs/guides/values-per-cluster.md").read_text()
    example = yaml.safe_load(guide.split("```")[1].removeprefix("yaml"))
    sections = {key.removeprefix("flotilla:"): value for key, value in example.items()}
    fleet = parse_fleet({**sections, "controlPlane": {"kubeconfig": "kube.yaml"}}, files=False)
    for name, (web,) in rendered(fleet, ManifestFiles(Path())).items():
        (container,) = web["spec"]["template"]["spec"]["containers"]
        said = guide.split("evaluated: ")[1].replace("\n", " ")
        assert f"{name} {web['spec']['replicas']}" in said
        assert f"`{container['image']}`" in said
