"""Overrides with expressions: one rule for many clusters, evaluated once for all that read the stack."""

import json

import pytest
import yaml

from components.configuration import take_config
from components.rollout import RolloutProvider
from flotilla.karmada.propagation import template
from flotilla.karmada.rendering.reach import Reach, reach
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.kube.objects import ref_of
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.rollouts import ROLLOUT_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack import ConfigError
from flotilla.stack.clear_secrets import in_clear
from flotilla.stack.declare import rendered
from flotilla.stack.evaluation import MOST_BYTES
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import load_stack_file, parse_fleet
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


def refused(fleet_of, *overrides, members=MEMBERS, **workload):
    with pytest.raises(ConfigError) as caught:
        fleet_of({"overrides": list(overrides), **workload}, members=members)
    return [str(problem) for problem in caught.value.problems]


# -- rules -------------------------------------------------------------------------------------------------------------


def test_one_override_is_a_rule_for_each_result(fleet_of):
    """Members with the same result share a rule, so that a hundred clusters with two values make two rules."""
    fleet = fleet_of({"overrides": [override(patches=[{**SIZE, "value": "${member.facts.size:-1}"}])]}, members=MEMBERS)
    assert [
        (r["targetCluster"]["clusterNames"], r["overriders"]["plaintext"][0]["value"]) for r in rules_of(fleet)
    ] == [
        (["member1", "member2"], 3),
        (["member3"], 1),
    ]


def test_values_of_every_kind_are_evaluated_and_nothing_else(fleet_of):
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


def test_rules_stay_in_the_order_of_their_overrides(fleet_of):
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
def test_texts_of_before_stay_as_they_are(fleet_of, key):
    """Without `evaluate` no text has another meaning than it had."""
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


def test_one_that_reads_like_an_expression_is_named(fleet_of):
    fleet = fleet_of({"overrides": [{"target": {}, "image": {"tag": "${member.region}"}}, REGISTRY]})
    found = [note for note in notices(fleet) if "evaluate" in note]
    text = "workload web: overrides[0].image.tag has an expression over the member, and is sent as it stands: add "
    assert found == [text + "`evaluate: true` to the override"]


def test_a_workload_that_no_stack_has_evaluated_makes_no_rules():
    """What would be sent with `${` in it is an error, wherever a workload comes from."""
    workload = Workload.model_validate({"name": "web", "image": "web:1", "placement": {}, "overrides": [REGISTRY]})
    with pytest.raises(ValueError, match="not evaluated"):
        override_rules(workload)


# -- who is asked ------------------------------------------------------------------------------------------------------


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
def test_only_members_that_the_override_is_for_need_the_fact(fleet_of, keys, placement):
    one = {key: value for key, value in override(**keys, patches=[SIZE]).items() if value is not None}
    fleet = fleet_of({"overrides": [one], "placement": placement}, members=MEMBERS)
    assert [rule["targetCluster"] for rule in rules_of(fleet)] == [{"clusterNames": ["member1", "member2"]}]


def test_zones_choose_by_the_rules_of_the_stacks_karmada(fleet_of):
    """Before 1.18 every zone of a cluster has to be listed."""
    members = [{**EU, "zones": ["a", "b"]}, {**US, "zones": ["a"]}, BARE]
    workload = {"overrides": [override(target={"zones": ["a"]}, patches=[SIZE])]}
    chosen = [
        rules_of(fleet_of(workload, members=members, version=version))[0]["targetCluster"]["clusterNames"]
        for version in ("1.17.0", "1.18.2")
    ]
    assert chosen == [["member2"], ["member1", "member2"]]


def test_a_tainted_member_is_asked_too(fleet_of):
    """Its copies of before the taint stay, and would lose their values without a rule."""
    taints = [{"key": "site", "value": "edge", "effect": "NoSchedule"}]
    fleet = fleet_of({"overrides": [override(patches=[SIZE])]}, members=[EU, {**US, "taints": taints}])
    assert rules_of(fleet)[0]["targetCluster"]["clusterNames"] == ["member1", "member2"]


def test_members_of_another_stack_bring_their_facts(project, fleet_of, sections):
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


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_missing_fact_names_the_members_and_what_to_do(fleet_of):
    (problem,) = refused(fleet_of, override(patches=[SIZE]))
    assert problem == (
        'workloads[0].overrides[0].patches[0].value: "${member.facts.size}" — member3 lacks member.facts.size; there '
        "would be no value for it; add it to the member, or say what stands in its place: ${member.facts.size:-...}"
    )


def test_many_members_that_lack_a_fact_are_one_line(fleet_of):
    members = [{**BARE, "name": f"m{number}", "kubeconfig": {"path": "kube.yaml"}} for number in range(9)]
    (problem,) = [p for p in refused(fleet_of, override(patches=[SIZE]), members=members) if "overrides" in p]
    assert "m0, m1, m2 and 6 more lack member.facts.size" in problem


@pytest.mark.parametrize(
    ("one", "place", "what"),
    [
        (override(args=["${HOME}"]), "args[0]", "write it such as ${member.region}"),
        (override(args=["${member.facts}"]), "args[0]", "needs a key"),
        (
            override(image={"tag": "${member.zones}"}),
            "image.tag",
            "is a list, which can't be a part of a text (member1",
        ),
        (override(labels={"a": "${member.name}!"}), "labels", "for member1: must be a valid label value"),
        (override(args=["web"]), "evaluate", "there is no expression in the override"),
        (override(args=["${member.name}"], container="${member.name}"), "container", "no value that is evaluated"),
        (
            override(patches=[{"op": "add", "path": "/a/${member.name}", "value": "${member.name}"}]),
            "patches[0].path",
            "no value that is evaluated",
        ),
        (override(args=["${member.name}"], removeLabels=["${member.name}"]), "removeLabels[0]", "label's key"),
    ],
)
def test_what_can_not_be_evaluated_is_refused_at_its_place(fleet_of, one, place, what):
    found = refused(fleet_of, one)
    assert [problem for problem in found if problem.startswith(f"workloads[0].overrides[0].{place}: ")], found
    assert what in "".join(found)


def test_all_that_is_wrong_comes_in_one_go(fleet_of):
    found = refused(fleet_of, override(args=["${HOME}"]), override(patches=[SIZE]))
    assert len(found) == 2


def test_a_broken_member_lacks_nothing(fleet_of):
    """What its facts would have been, nobody knows."""
    members = [{**BARE, "apiEndpoint": "nowhere"}]
    (problem,) = refused(fleet_of, override(patches=[SIZE]), members=members)
    assert problem.startswith("members[0].apiEndpoint")


def test_no_message_quotes_a_value_that_may_be_secret(fleet_of):
    patch = {"op": "add", "path": "/stringData/a", "value": "hunter2 ${HOME}"}
    lacking = {**patch, "value": "hunter2 ${member.facts.none:-}${member.facts.none}"}
    found = refused(fleet_of, override(patches=[patch, lacking]))
    assert len(found) == 1, "what isn't an expression comes first"
    assert "hunter2" not in "".join([*found, *refused(fleet_of, override(patches=[lacking]))])


def test_policies_that_etcd_would_refuse_are_refused_before(fleet_of):
    members = [
        {**BARE, "name": f"m{number}", "kubeconfig": {"path": f"m{number}.yaml"}, "facts": {"text": "x" * 50_000}}
        for number in range(MOST_BYTES // 50_000 + 1)
    ]
    one = override(annotations={"a": "${member.name}${member.facts.text}"})
    found = [problem for problem in refused(fleet_of, one, members=members) if "overrides" in problem]
    assert [problem.partition(";")[0] for problem in found] == [
        f"workloads[0].overrides: come to more than {MOST_BYTES} bytes, evaluated"
    ]


def test_a_small_file_does_not_become_a_large_evaluation(fleet_of):
    members = [{"name": "member1", "facts": {"text": "x" * 60_000}}]
    one = override(args=["${member.facts.text}"] * 1000)
    (problem,) = refused(fleet_of, one, members=members)
    assert "for all members together, evaluated" in problem


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"a": None}, "'a' has no value"),
        ({"a": {"b": [1, None]}}, "'a' has no value"),
        ({"a": "[secret]"}, "'a' is encrypted"),
        ({"a": {"b": ["[secret]"]}}, "'a' is encrypted"),
        ([], "must be an object"),
    ],
)
def test_facts_are_values_and_no_secrets(fleet_of, value, what):
    (problem,) = refused(fleet_of, members=[{"name": "member1", "facts": value}])
    assert problem.startswith("members[0].facts: ")
    assert what in problem


def test_encrypted_facts_are_refused_where_they_are_decrypted_already(tmp_path, monkeypatch):
    """Pulumi's CLI gives a program plain values: the stack file alone says that one was encrypted."""
    (tmp_path / "stacks").mkdir()
    member = {"name": "a", "kubeconfig": "kube.yaml", "facts": {"size": 1}}
    file = tmp_path / "stacks" / "Pulumi.test.yaml"
    config = {"flotilla:members": json.dumps([member])}
    monkeypatch.setattr("pulumi.get_stack", lambda: "test")
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["flotilla:members"]')
    assert take_config(tmp_path) == config, "without the file nobody can tell"
    for value, ok in ((1, True), ({"secure": "v1:abc"}, False)):
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
        monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["flotilla:members"]')
        listed = [{**member, "facts": {"size": value}, "kubeconfig": {"inline": {"secure": "v1:def"}}}]
        file.write_text(yaml.safe_dump({"config": {"flotilla:members": listed}}))
        if ok:
            assert take_config(tmp_path) == config
            continue
        with pytest.raises(ConfigError, match="'size' is encrypted"):
            take_config(tmp_path)
        with pytest.raises(ConfigError, match="'size' is encrypted"):
            load_stack_file(file)


def test_a_secret_by_a_fact_is_named_as_what_stands_in_clear_text(project, fleet_of):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"token": "x"}}
    (project / "secret.yaml").write_text(yaml.safe_dump(secret))
    patch = {"op": "replace", "path": "/stringData/token", "value": "${member.facts.registry}"}
    members = [{**EU, "facts": {"registry": "hunter2"}}]
    workload = {"image": None, "manifests": ["secret.yaml"], "overrides": [override(patches=[patch])]}
    (line,) = in_clear(fleet_of(workload, members=members), ManifestFiles(project))
    assert "overrides[0].patches[0].value sets /stringData/token of a Secret, and the members' facts stand" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("evaluate", [True, False])
@pytest.mark.parametrize(
    ("path", "ok"),
    [
        ("/metadata/annotations", {"size": "3"}),
        ("/metadata/annotations", {"size": "${value}"}),
        ("/spec/template/metadata/annotations", {"size": "${value}"}),
        ("/spec/template/spec/containers/0/args", ["${value}"]),
        ("/spec/template/spec/containers/0/env", [{"name": "SIZE", "value": "${value}"}]),
        ("/spec/replicas", "${value}"),
    ],
)
def test_a_number_where_kubernetes_wants_a_text_is_refused_before_it_is_sent(fleet_of, evaluate, path, ok):
    """A fact keeps its type as a whole value, and plain patches have numbers too: members would refuse the copy."""
    number = "${member.facts.size}" if evaluate else 3
    filled = json.loads(json.dumps(ok).replace('"${value}"', json.dumps(number)))
    one = {"clusters": ["member1"], "patches": [{"op": "add", "path": path, "value": filled}]}
    if evaluate:
        one |= {"evaluate": True, "labels": {"a": "${member.name}"}}
    fleet = fleet_of({"overrides": [one]}, members=MEMBERS)
    if filled == ok or path == "/spec/replicas":
        assert rendered(fleet, ManifestFiles(None))["member1"]
        return
    with pytest.raises(ValueError, match=r"Deployment web in member1: .* is a number \(3\), by an override"):
        rendered(fleet, ManifestFiles(None))


def test_an_encrypted_value_is_a_text_of_a_secret(project, fleet_of):
    """`validate` has `[secret]` in its place, which is no base64."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"token": "eA=="}}
    (project / "secret.yaml").write_text(yaml.safe_dump(secret))
    patch = {"op": "replace", "path": "/data/token", "value": "[secret]"}
    workload = {"image": None, "manifests": ["secret.yaml"], "overrides": [{"target": {}, "patches": [patch]}]}
    assert rendered(fleet_of(workload), ManifestFiles(project))["member1"][0]["data"]["token"] == "[secret]"


# -- plans -------------------------------------------------------------------------------------------------------------


def planned(before, after):
    """Plan from one fleet's rollout to another's."""
    sides = []
    for fleet in (before, after):
        (workload,) = fleet.workloads
        templates = [template(obj, namespace="default") for obj in manifests_of(workload, ManifestFiles(None))]
        props = {"workload": "web", "templates": templates, "overrideRules": override_rules(workload), "placement": {}}
        sides.append(state(ROLLOUT_TYPE, "web-rollout", props, {}))
    step = Step(Op.UPDATE, sides[1].urn, ROLLOUT_TYPE, old=sides[0], new=sides[1])
    (found,) = fleet_plan(Result(steps=[*(cluster_step(m.name) for m in after.members), step])).workloads
    return copies(found)


def test_a_changed_fact_changes_the_member_that_has_it_alone(fleet_of):
    workload = {"overrides": [REGISTRY, override(patches=[{**SIZE, "value": "${member.facts.size:-1}"}])]}
    before = fleet_of(workload, members=MEMBERS)
    changed = {**US, "facts": {"registry": "mirror.us", "size": 5}}
    assert planned(before, before) == dict.fromkeys(("member1", "member2", "member3"), ("stays", ()))
    assert planned(before, fleet_of(workload, members=(EU, changed, BARE))) == {
        "member1": ("stays", ()),
        "member2": ("changes", ("replicas 3 → 5", "image r.us/web:1 → mirror.us/web:1")),
        "member3": ("stays", ()),
    }


def test_an_override_that_says_the_same_as_the_ones_before_it_is_no_rollout(fleet_of):
    """Rules for each member become one with expressions: what Karmada has stays, and nothing is waited for."""
    by_name = [{"clusters": [m["name"]], "image": {"registry": m["facts"]["registry"]}} for m in (EU, US)]
    old, new = (
        override_rules(fleet_of({"overrides": overrides}, members=(EU, US)).workloads[0])
        for overrides in (by_name, [REGISTRY])
    )
    assert old == new
    diff = RolloutProvider().diff("web", {"overrideRules": old}, {"overrideRules": new, "overrideNumbers": [1, 1]})
    assert not diff.changes


def test_the_objects_of_each_member_have_its_values(fleet_of):
    fleet = fleet_of({"overrides": [REGISTRY]}, members=MEMBERS)
    images = {
        name: objects[0]["spec"]["template"]["spec"]["containers"][0]["image"]
        for name, objects in rendered(fleet, ManifestFiles(None)).items()
    }
    assert images == {"member1": "r.eu/web:1", "member2": "r.us/web:1", "member3": "docker.io/web:1"}


def test_an_override_is_for_no_cluster_only_if_none_of_its_rules_is():
    """A rule for a member that gets nothing today is no mistake of the one override that was written."""
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


def test_the_example_of_the_guide_gives_what_the_guide_says(repository):
    guide = (repository / "docs/guides/values-per-cluster.md").read_text()
    example = yaml.safe_load(guide.split("```")[1].removeprefix("yaml"))
    sections = {key.removeprefix("flotilla:"): value for key, value in example.items()}
    fleet = parse_fleet({**sections, "controlPlane": {"kubeconfig": "kube.yaml"}}, files=False)
    for name, (web,) in rendered(fleet, ManifestFiles(None)).items():
        (container,) = web["spec"]["template"]["spec"]["containers"]
        said = guide.split("evaluated: ")[1].replace("\n", " ")
        assert f"{name} {web['spec']['replicas']}" in said
        assert f"`{container['image']}`" in said
