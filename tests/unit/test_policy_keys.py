"""What a workload's keys are for Karmada: the policies that are made of them, and what is refused."""

import json
import re

import pytest
from pydantic import BaseModel

from components import PropagatedWorkloadArgs, PullMemberArgs, PushMemberArgs
from flotilla.karmada.propagation import override_policy, propagation_policy, template
from flotilla.karmada.versions import Version
from flotilla.kube import yaml
from flotilla.stack import failover, overrides, placement
from flotilla.stack.features import features_of
from flotilla.stack.load import parse_fleet
from flotilla.stack.members import Agent, Member
from flotilla.stack.notices import notices
from flotilla.stack.problems import ConfigError
from flotilla.stack.specs import override_rule, override_rules, placement_of, propagation_spec
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import manifests_of
from tests.every_key import MEMBERS, NEWEST, WORKLOADS, workloads_for
from tests.unit.conftest import KUBECONFIG

DEFAULTS = {"priority": 0, "preemption": "Never", "conflictResolution": "Abort"}
DUPLICATED = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}


def workload(**keys):
    return Workload.model_validate({"name": "web", "image": "web:1", "placement": {}, **keys})


# -- what was said before ----------------------------------------------------------------------------------------------


def before(repository):
    return json.loads((repository / "tests/unit/data/policies_of_stacks.json").read_text())


def test_stack_files_of_before_make_the_same_objects(repository, project):
    """Recorded from the keys and builders of 0.15: not a field may differ."""
    for case in before(repository):
        declared = workload(**{"image": "nginx:1.27", "namespace": "shop", **case["workload"]})
        templates = [template(m, namespace="shop") for m in manifests_of(declared, project)]
        if case["templates"]:
            assert templates == case["templates"]
        name = declared.object_name
        spec = propagation_spec(declared)
        assert propagation_policy(name, namespace="shop", templates=templates, spec=spec) == case["policy"]
        rules = override_rules(declared)
        assert override_policy(name, namespace="shop", templates=templates, rules=rules) == case["override"]


# -- keys and objects --------------------------------------------------------------------------------------------------

PLACEMENTS = [
    ({}, {}),
    (
        {"replicas": "aggregated"},
        {"replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}},
    ),
    (
        {"replicas": "divided", "dynamicWeight": "AvailableReplicas"},
        {
            "replicaScheduling": {
                "replicaSchedulingType": "Divided",
                "replicaDivisionPreference": "Weighted",
                "weightPreference": {"dynamicWeight": "AvailableReplicas"},
            }
        },
    ),
    (
        {"replicas": "divided", "weights": {"a": 3}, "weightRules": [{"zones": ["z"], "weight": 2}]},
        {
            "replicaScheduling": {
                "replicaSchedulingType": "Divided",
                "replicaDivisionPreference": "Weighted",
                "weightPreference": {
                    "staticWeightList": [
                        {"targetCluster": {"clusterNames": ["a"]}, "weight": 3},
                        {
                            "targetCluster": {
                                "fieldSelector": {
                                    "matchExpressions": [{"key": "zone", "operator": "In", "values": ["z"]}]
                                }
                            },
                            "weight": 2,
                        },
                    ]
                },
            }
        },
    ),
    (
        {
            "labels": {"a": "b"},
            "labelExpressions": [
                {"key": "c", "operator": "Exists"},
                {"key": "d", "operator": "NotIn", "values": ["e"]},
            ],
            "regions": ["eu"],
            "fieldExpressions": [{"key": "zone", "operator": "NotIn", "values": ["eu-a"]}],
        },
        {
            "clusterAffinity": {
                "labelSelector": {
                    "matchLabels": {"a": "b"},
                    "matchExpressions": [
                        {"key": "c", "operator": "Exists"},
                        {"key": "d", "operator": "NotIn", "values": ["e"]},
                    ],
                },
                "fieldSelector": {
                    "matchExpressions": [
                        {"key": "region", "operator": "In", "values": ["eu"]},
                        {"key": "zone", "operator": "NotIn", "values": ["eu-a"]},
                    ]
                },
            }
        },
    ),
    (
        {
            "replicas": "aggregated",
            "groups": [
                {"name": "own", "clusters": ["a"], "overflow": [{"name": "cloud", "providers": ["aws"]}]},
                {"name": "rest", "exclude": ["a"]},
            ],
        },
        {
            "clusterAffinities": [
                {
                    "affinityName": "own",
                    "clusterNames": ["a"],
                    "overflowAffinities": [
                        {
                            "affinityName": "cloud",
                            "fieldSelector": {
                                "matchExpressions": [{"key": "provider", "operator": "In", "values": ["aws"]}]
                            },
                        }
                    ],
                },
                {"affinityName": "rest", "exclude": ["a"]},
            ],
            "replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"},
        },
    ),
    (
        {"spread": [{"by": "cluster", "minGroups": 2}, {"by": "region", "maxGroups": 4}, {"label": "rack"}]},
        {
            "spreadConstraints": [
                {"spreadByField": "cluster", "minGroups": 2},
                {"spreadByField": "region", "minGroups": 1, "maxGroups": 4},
                {"spreadByLabel": "rack", "minGroups": 1},
            ]
        },
    ),
    (
        {"workloadAffinity": {"affinity": "group", "antiAffinity": "app"}},
        {"workloadAffinity": {"affinity": {"groupByLabelKey": "group"}, "antiAffinity": {"groupByLabelKey": "app"}}},
    ),
    ({"workloadAffinity": {"antiAffinity": "app"}}, {"workloadAffinity": {"antiAffinity": {"groupByLabelKey": "app"}}}),
]


@pytest.mark.parametrize(("keys", "expected"), PLACEMENTS, ids=lambda value: "-".join(value) or "nothing")
def test_a_placement_is_karmadas_placement(keys, expected):
    assert placement_of(placement.Placement.model_validate(keys)) == {**DUPLICATED, **expected}


SPECS = [
    ({"priority": 7, "preemption": "Always"}, {"priority": 7, "preemption": "Always"}),
    ({"conflictResolution": "Overwrite"}, {"conflictResolution": "Overwrite"}),
    ({"dependencies": True}, {"propagateDeps": True}),
    ({"dependencies": False}, {}),
    ({"activation": "Lazy"}, {"activationPreference": "Lazy"}),
    ({"suspend": True}, {"suspension": {"dispatching": True}}),
    ({"suspend": ["a", "b"]}, {"suspension": {"dispatchingOnClusters": {"clusterNames": ["a", "b"]}}}),
    ({"suspend": False}, {}),
    ({"suspend": []}, {}),
    ({"onRemoval": "keep"}, {"preserveResourcesOnDeletion": True}),
    ({"onRemoval": "delete"}, {}),
    (
        {"schedulePriority": "high"},
        {"schedulePriority": {"priorityClassSource": "KubePriorityClass", "priorityClassName": "high"}},
    ),
    (
        {"failover": {"application": {}}},
        {
            "propagateDeps": True,
            "failover": {
                "application": {
                    "decisionConditions": {"tolerationSeconds": 300},
                    "purgeMode": "Gracefully",
                    "gracePeriodSeconds": 600,
                }
            },
        },
    ),
    (
        {
            "failover": {
                "application": {"seconds": 0, "purgeMode": "Directly", "state": {"job": "{.id}"}},
                "cluster": {},
            }
        },
        {
            "propagateDeps": True,
            "failover": {
                "application": {
                    "decisionConditions": {"tolerationSeconds": 0},
                    "purgeMode": "Directly",
                    "statePreservation": {"rules": [{"aliasLabelName": "job", "jsonPath": "{.id}"}]},
                },
                "cluster": {"purgeMode": "Gracefully"},
            },
        },
    ),
]


@pytest.mark.parametrize(("keys", "expected"), SPECS, ids=lambda value: "-".join(value) or "nothing")
def test_a_workloads_keys_are_its_policys_spec(keys, expected):
    assert propagation_spec(workload(**keys)) == {"placement": DUPLICATED, **DEFAULTS, **expected}


@pytest.mark.parametrize(
    ("mode", "word"), [("Directly", "Immediately"), ("Gracefully", "Graciously"), ("Never", "Never")]
)
def test_purge_modes_have_the_names_of_karmadas_version(mode, word):
    """The API of 1.12 to 1.14 has an enum of other names; 1.10 acts on no other."""
    declared = workload(failover={"application": {"purgeMode": mode}})
    for version, expected in (("1.10", word), ("1.14", word), ("1.15", mode), (NEWEST, mode)):
        spec = propagation_spec(declared, Version.parse(version))
        assert spec["failover"]["application"]["purgeMode"] == expected


OVERRIDES = [
    (
        {"image": {"tag": "2", "append": {"repository": "-x"}, "remove": ["registry"]}},
        {
            "imageOverrider": [
                {"component": "Tag", "operator": "replace", "value": "2"},
                {"component": "Repository", "operator": "add", "value": "-x"},
                {"component": "Registry", "operator": "remove"},
            ]
        },
    ),
    (
        {"image": {"tag": "2", "path": "/spec/image"}},
        {
            "imageOverrider": [
                {"predicate": {"path": "/spec/image"}, "component": "Tag", "operator": "replace", "value": "2"}
            ]
        },
    ),
    (
        {"command": ["a"], "removeCommand": ["b"]},
        {
            "commandOverrider": [
                {"containerName": "web", "operator": "remove", "value": ["b"]},
                {"containerName": "web", "operator": "add", "value": ["a"]},
            ]
        },
    ),
    (
        {"removeArgs": ["b"], "container": "side"},
        {"argsOverrider": [{"containerName": "side", "operator": "remove", "value": ["b"]}]},
    ),
    (
        {"labels": {"a": "1"}, "replaceLabels": {"b": "2"}, "removeLabels": ["c", "d/e"]},
        {
            "labelsOverrider": [
                {"operator": "add", "value": {"a": "1"}},
                {"operator": "replace", "value": {"b": "2"}},
                {"operator": "remove", "value": {"c": "", "d/e": ""}},
            ]
        },
    ),
    (
        {"removeAnnotations": ["c"], "replaceAnnotations": {"b": "2"}},
        {
            "annotationsOverrider": [
                {"operator": "replace", "value": {"b": "2"}},
                {"operator": "remove", "value": {"c": ""}},
            ]
        },
    ),
    (
        {
            "fields": [
                {
                    "path": "/data/a.yaml",
                    "format": "yaml",
                    "patches": [{"op": "replace", "path": "/b", "value": {"c": 1}}, {"op": "remove", "path": "/d"}],
                }
            ]
        },
        {
            "fieldOverrider": [
                {
                    "fieldPath": "/data/a.yaml",
                    "yaml": [
                        {"subPath": "/b", "operator": "replace", "value": {"c": 1}},
                        {"subPath": "/d", "operator": "remove"},
                    ],
                }
            ]
        },
    ),
]


@pytest.mark.parametrize(("keys", "expected"), OVERRIDES, ids=str)
def test_an_overrides_keys_are_a_rules_overriders(keys, expected):
    override = overrides.Override.model_validate({"clusters": ["a"], **keys})
    rule = override_rule(override, container="web")
    assert rule == {"targetCluster": {"clusterNames": ["a"]}, "overriders": expected}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, {}),
        ({"exclude": ["a"]}, {"targetCluster": {"exclude": ["a"]}}),
        ({"labels": {"a": "b"}}, {"targetCluster": {"labelSelector": {"matchLabels": {"a": "b"}}}}),
        (
            {"providers": ["aws"]},
            {
                "targetCluster": {
                    "fieldSelector": {"matchExpressions": [{"key": "provider", "operator": "In", "values": ["aws"]}]}
                }
            },
        ),
    ],
)
def test_an_override_is_for_clusters_by_name_or_by_condition(target, expected):
    override = overrides.Override.model_validate({"target": target, "labels": {"a": "b"}})
    rule = override_rule(override, container="web")
    assert rule == {**expected, "overriders": {"labelsOverrider": [{"operator": "add", "value": {"a": "b"}}]}}


def test_an_autoscalers_deployments_carry_karmadas_label(project):
    (plain,) = manifests_of(workload(labels={"a": "b"}), project)
    (scaled,) = manifests_of(workload(labels={"a": "b"}, autoscaled=True), project)
    added = {"resourcetemplate.karmada.io/retain-replicas": "true"}
    assert scaled["metadata"]["labels"] == {**plain["metadata"]["labels"], **added}
    assert scaled["spec"] == plain["spec"], "pods and the selector stay as they are"


# -- every key ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def fleet_of(project):
    """Parse a stack of workloads on the three members, and return its fleet."""
    for number, member in enumerate(MEMBERS, start=11):
        clusters = [{"name": "one", "cluster": {"server": f"https://127.0.0.1:{number}"}}]
        (project / f"{member['name']}.yaml").write_text(json.dumps({**KUBECONFIG, "clusters": clusters}))

    def parse(*workloads, version=NEWEST, members=MEMBERS, **control_plane):
        given = control_plane or {"kubeconfig": "kube.yaml"}
        sections = {
            "controlPlane": {**given, **({"version": version} if version else {})},
            "members": [{"kubeconfig": f"{member['name']}.yaml", **member} for member in members],
            "workloads": [{"name": "web", "image": "web:1", "placement": {}, **one} for one in workloads],
        }
        return parse_fleet(sections, base=project)

    return parse


def given_fields(value):
    """Yield the model and the name of every field that is set, at any depth."""
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield type(value), name
            yield from given_fields(getattr(value, name))
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from given_fields(entry)


def test_the_stack_of_every_key_has_every_key(fleet_of):
    """What the live tests send to real webhooks leaves no key out."""
    used = set(given_fields(fleet_of(*WORKLOADS).workloads))
    short_form = {"formerly", "namespace", "replicas", "ports", "env", "resources", "labels", "manifests", "timeout"}
    wanted = {(Workload, name) for name in Workload.model_fields if name not in short_form}
    for module in (placement, failover, overrides):
        models = [m for m in vars(module).values() if isinstance(m, type) and m.__module__ == module.__name__]
        for model in models:
            if issubclass(model, BaseModel):
                own = set(model.model_fields) - {
                    n for base in model.__bases__ for n in getattr(base, "model_fields", ())
                }
                wanted |= {(model, name) for name in own}
    inherited = {(base, name) for model, name in used for base in model.__mro__[:-1]}
    assert wanted - inherited == set()


def test_versions_have_more_and_more_of_the_keys():
    counts = [len(workloads_for(f"1.{minor}")) for minor in range(10, 19)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == len(WORKLOADS)


def test_components_take_the_stacks_models_and_list_none_of_their_fields():
    assert not set(PropagatedWorkloadArgs.__annotations__) & set(Workload.model_fields)
    resolved = {"kubeconfig", "api_endpoint"}  # texts that are read or known only in a run
    for args in (PushMemberArgs, PullMemberArgs):
        listed = set(args.__annotations__)
        assert listed & {*Member.model_fields, *Agent.model_fields} == resolved


def test_the_guides_workloads_are_ones(repository):
    text = (repository / "docs" / "guides" / "workloads.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        document = yaml.load(block if block.startswith("flotilla") else f"x:\n{block}")
        (found,) = document.values()
        found = found[0] if isinstance(found, list) else found
        form = {} if "manifests" in found else {"image": "web:1"}
        Workload.model_validate({"name": "web", "placement": {}, **form, **found})


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSED = [
    (
        {"placement": {"groups": [{"name": "a"}], "clusters": ["member1"]}},
        "placement",
        "has 'groups' beside 'clusters'",
    ),
    ({"placement": {"groups": [{"name": "a"}, {"name": "a"}]}}, "placement", "two groups of the name 'a'"),
    ({"placement": {"groups": [{"name": "a b"}]}}, "placement.groups[0].name", "must be a name"),
    ({"placement": {"groups": [{"name": "a" * 33}]}}, "placement.groups[0].name", "at most 32"),
    (
        {"placement": {"groups": [{"name": "a", "regions": ["eu"], "overflow": [{"name": "b"}]}]}},
        "placement",
        "not divided by capacity",
    ),
    (
        {"placement": {"replicas": "aggregated", "groups": [{"name": "a", "overflow": [{"name": "b"}]}]}},
        "placement.groups[0]",
        "chooses every cluster",
    ),
    (
        {
            "placement": {
                "replicas": "aggregated",
                "groups": [{"name": "a", "regions": ["eu"], "overflow": [{"name": "a"}]}],
            }
        },
        "placement.groups[0]",
        "two groups of the name 'a'",
    ),
    ({"placement": {"groups": [{"name": "a", "regions": ["mars"]}]}}, "placement.groups[0]", "chooses no member"),
    ({"placement": {"groups": [{"name": "a", "clusters": ["x"]}]}}, "placement.groups[0].clusters[0]", "not a member"),
    (
        {"placement": {"labelExpressions": [{"key": "a", "operator": "In"}]}},
        "placement.labelExpressions[0]",
        "needs 'values'",
    ),
    (
        {"placement": {"labelExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
        "placement.labelExpressions[0]",
        "takes no 'values'",
    ),
    (
        {"placement": {"fieldExpressions": [{"key": "region", "operator": "Exists", "values": ["b"]}]}},
        "placement.fieldExpressions[0].operator",
        "'In' or 'NotIn'",
    ),
    (
        {"placement": {"fieldExpressions": [{"key": "name", "operator": "In", "values": ["b"]}]}},
        "placement.fieldExpressions[0].key",
        "'provider', 'region' or 'zone'",
    ),
    (
        {"placement": {"replicas": "aggregated", "weights": {"member1": 1}}},
        "placement",
        "while replicas are aggregated",
    ),
    (
        {"placement": {"dynamicWeight": "AvailableReplicas"}},
        "placement",
        "has 'dynamicWeight' while replicas are duplicated",
    ),
    (
        {"placement": {"replicas": "divided", "dynamicWeight": "AvailableReplicas", "weightRules": [{"weight": 1}]}},
        "placement",
        "has 'weightRules' beside 'dynamicWeight'",
    ),
    (
        {"placement": {"replicas": "divided", "weightRules": [{"regions": ["mars"], "weight": 1}]}},
        "placement.weightRules[0]",
        "matches no cluster",
    ),
    (
        {"placement": {"replicas": "divided", "weightRules": [{"regions": ["eu"], "weight": 1}]}},
        "placement.weights",
        "has no weight for 'member",
    ),
    ({"placement": {"spread": [{"by": "region"}]}}, "placement", "without `by: cluster`"),
    ({"placement": {"spread": [{"label": "rack"}]}}, "placement", "without `by: cluster`"),
    ({"placement": {"spread": [{"by": "cluster"}, {"by": "cluster"}]}}, "placement", "spreads by cluster twice"),
    ({"placement": {"spread": [{"by": "cluster", "label": "a"}]}}, "placement.spread[0]", "exactly one of"),
    (
        {"placement": {"spread": [{"by": "cluster", "minGroups": 3, "maxGroups": 2}]}},
        "placement.spread[0]",
        "is less than",
    ),
    ({"placement": {"spread": [{"by": "cluster", "minGroups": 4}]}}, "placement.spread[0]", "at least 4 by cluster"),
    (
        {"placement": {"spread": [{"by": "cluster"}, {"by": "provider", "minGroups": 3}]}},
        "placement.spread[1]",
        "have 2 (aws, gcp)",
    ),
    ({"placement": {"replicas": "divided", "spread": [{"by": "cluster"}]}}, "placement", "divided by static weight"),
    ({"placement": {"workloadAffinity": {}}}, "placement.workloadAffinity", "neither 'affinity' nor"),
    (
        {"placement": {"workloadAffinity": {"affinity": "a", "antiAffinity": "a"}}},
        "placement.workloadAffinity",
        "one key for both",
    ),
    ({"failover": {}}, "failover", "neither 'application' nor 'cluster'"),
    (
        {"failover": {"application": {"purgeMode": "Never", "gracePeriod": 5}}},
        "failover.application",
        "has 'gracePeriod' with `purgeMode: Never`",
    ),
    ({"failover": {"cluster": {"purgeMode": "Never"}}}, "failover.cluster.purgeMode", "'Directly' or 'Gracefully'"),
    ({"failover": {"cluster": {"state": {"a b": "{.x}"}}}}, "failover.cluster.state", "label key 'a b' is not valid"),
    ({"failover": {"cluster": {"state": {"a": ""}}}}, "failover.cluster.state", "has no JSONPath"),
    ({"failover": {"application": {}}, "dependencies": False}, "", "has `dependencies: false`"),
    ({"suspend": "member1"}, "suspend", "must be `true`, or a list of members"),
    ({"suspend": ["member9"]}, "suspend[0]", "not a member"),
    ({"suspend": ["member2"], "placement": {"clusters": ["member1"]}}, "suspend[0]", "is suspended but"),
    ({"schedulePriority": "High!"}, "schedulePriority", "PriorityClass's name"),
    ({"priority": 2**31}, "priority", "less than or equal to"),
    ({"activation": "Eager"}, "activation", "'Lazy'"),
    ({"onRemoval": "maybe"}, "onRemoval", "'delete' or 'keep'"),
    ({"overrides": [{"labels": {"a": "b"}}]}, "overrides[0]", "exactly one of 'clusters' and 'target'"),
    (
        {"overrides": [{"clusters": ["member1"], "target": {}, "args": ["a"]}]},
        "overrides[0]",
        "exactly one of 'clusters' and",
    ),
    ({"overrides": [{"target": {}}]}, "overrides[0]", "changes nothing"),
    ({"overrides": [{"target": {"regions": ["mars"]}, "args": ["a"]}]}, "overrides[0].target", "matches no member"),
    (
        {"overrides": [{"target": {"clusters": ["x"]}, "args": ["a"]}]},
        "overrides[0].target.clusters[0]",
        "not a member",
    ),
    ({"overrides": [{"target": {}, "image": {"path": "/a"}}]}, "overrides[0].image", "changes nothing"),
    (
        {"overrides": [{"target": {}, "image": {"tag": "1", "remove": ["tag"]}}]},
        "overrides[0].image",
        "changes 'tag' twice",
    ),
    ({"overrides": [{"target": {}, "image": {"tag": "1", "path": "a.b"}}]}, "overrides[0].image.path", "write /a/b"),
    ({"overrides": [{"target": {}, "removeLabels": ["a b"]}]}, "overrides[0].removeLabels[0]", "must be a label's key"),
    (
        {"overrides": [{"target": {}, "fields": [{"path": "/a", "format": "toml", "patches": []}]}]},
        "overrides[0].fields[0].format",
        "'json' or 'yaml'",
    ),
    (
        {"overrides": [{"target": {}, "fields": [{"path": "/a", "format": "json", "patches": []}]}]},
        "overrides[0].fields[0].patches",
        "at least 1",
    ),
]


@pytest.mark.parametrize(("keys", "path", "rule"), REFUSED, ids=[f"{path}: {rule}" for _, path, rule in REFUSED])
def test_what_karmada_would_refuse_or_ignore_is_refused(fleet_of, keys, path, rule):
    with pytest.raises(ConfigError) as refused:
        fleet_of(keys)
    wanted = f"workloads[0].{path}" if path else "workloads[0]"
    found = [str(problem) for problem in refused.value.problems if problem.path == wanted]
    assert any(rule in text for text in found), refused.value.problems
    assert all(problem.remedy for problem in refused.value.problems)


def test_an_autoscaled_workload_without_a_deployment_is_refused(fleet_of, project):
    (project / "a.yaml").write_text(
        json.dumps({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {}})
    )
    with pytest.raises(ConfigError, match="no Deployment among the manifests"):
        fleet_of({"image": None, "manifests": ["a.yaml"], "autoscaled": True})


# -- versions and feature gates ----------------------------------------------------------------------------------------

SINCE = {
    "placement.groups[0].overflow": "1.18",
    "placement.workloadAffinity": "1.17",
    "failover.cluster": "1.15",
    "failover.cluster.state": "1.15",
    "schedulePriority": "1.13",
    "onRemoval": "1.12",
    "failover.application.state": "1.12",
    "overrides[0].fields": "1.12",
    "suspend": "1.11",
}


def test_the_keys_that_came_later_are_known_with_their_version():
    found = {f.key: str(f.since) for w in workloads_for(NEWEST) for f in features_of(Workload.model_validate(w))}
    assert {key: since for key, since in found.items() if since != "1.10"} == SINCE


@pytest.mark.parametrize(("key", "since"), SINCE.items())
def test_a_key_is_refused_for_a_karmada_that_does_not_have_it(fleet_of, key, since):
    one = next(w for w in workloads_for(NEWEST) if any(f.key == key for f in features_of(Workload.model_validate(w))))
    fleet_of(one, version=since)
    older = f"1.{Version.parse(since).minor - 1}"
    with pytest.raises(ConfigError) as refused:
        fleet_of(one, version=older)
    assert f"workloads[0].{key}: needs Karmada {since} or newer, and this is {older}" in str(refused.value)
    with pytest.raises(ConfigError) as unknown:
        fleet_of(one, version=None)
    assert f"workloads[0].{key}: needs Karmada {since} or newer, and the stack doesn't say" in str(unknown.value)


def test_what_every_supported_karmada_has_needs_no_version(fleet_of):
    moving = [w for w in workloads_for("1.10") if "failover" not in w]
    fleet_of(*moving, version=None)
    with pytest.raises(ConfigError, match=r"purge modes have other names before 1\.15"):
        fleet_of({"failover": {"application": {}}}, version=None)


HELM = {
    "host": "member1.yaml",
    "endpoint": {"type": "NodePort", "address": "203.0.113.7", "port": 31443},
}
GATES = [
    ("preemption", {"preemption": "Always"}, "PropagationPolicyPreemption", ("controllerManager",)),
    ("schedulePriority", {"schedulePriority": "a"}, "PriorityBasedScheduling", ("controllerManager", "scheduler")),
    (
        "placement.workloadAffinity",
        {"placement": {"workloadAffinity": {"affinity": "a"}}},
        "WorkloadAffinity",
        ("controllerManager", "scheduler"),
    ),
    ("failover.cluster", {"failover": {"cluster": {}}}, "Failover", ("controllerManager",)),
    ("dependencies", {"dependencies": True}, "PropagateDeps", ("controllerManager",)),
    ("failover.application", {"failover": {"application": {}}}, "PropagateDeps", ("controllerManager",)),
]


@pytest.mark.parametrize(("key", "keys", "gate", "components"), GATES, ids=[row[0] for row in GATES])
def test_a_key_is_refused_where_the_stack_installs_karmada_without_its_gate(fleet_of, key, keys, gate, components):
    """The chart has PropagateDeps off, too, which Karmada itself has on."""
    members = MEMBERS[1:]
    with pytest.raises(ConfigError) as refused:
        fleet_of(keys, version="1.18.2", members=members, helm=HELM)
    for component in components:
        line = f"workloads[0].{key}: needs the feature gate {gate} of {component}, which is off"
        assert line in str(refused.value)
        assert f"add `featureGates: {{{component}: {{{gate}: true}}}}`" in str(refused.value)
    opened = {component: {gate: True} for component in components}
    fleet_of(keys, version="1.18.2", members=members, helm={**HELM, "featureGates": opened})
    values = {component: {"featureGates": {gate: True}} for component in components}
    fleet_of(keys, version="1.18.2", members=members, helm={**HELM, "values": values})
    closed = {"controllerManager": {"featureGates": {gate: False}}}
    with pytest.raises(ConfigError, match="which is off"):
        fleet_of(keys, version="1.18.2", members=members, helm={**HELM, "featureGates": opened, "values": closed})


def test_a_gate_that_the_chart_has_no_value_for_needs_a_newer_karmada(fleet_of):
    gates = {"controllerManager": {"PriorityBasedScheduling": True}}
    with pytest.raises(ConfigError, match=r"of scheduler, which is off; .*use Karmada 1.16, whose chart"):
        fleet_of({"schedulePriority": "a"}, version="1.14.0", members=MEMBERS[1:], helm={**HELM, "featureGates": gates})


def test_gates_of_a_karmada_that_another_stack_installs_are_known(fleet_of, project):
    (project / "stacks").mkdir()
    platform = {"flotilla:controlPlane": {"version": "1.18.2", "helm": HELM}}
    file = project / "stacks" / "Pulumi.platform.yaml"
    file.write_text(json.dumps({"config": platform}))
    with pytest.raises(ConfigError, match="needs the feature gate PropagationPolicyPreemption"):
        fleet_of({"preemption": "Always"}, version=None, stack="platform")
    platform["flotilla:controlPlane"]["helm"] = {
        **HELM,
        "featureGates": {"controllerManager": {"PropagationPolicyPreemption": True}},
    }
    file.write_text(json.dumps({"config": platform}))
    assert notices(fleet_of({"preemption": "Always"}, version=None, stack="platform")) == []
    platform["flotilla:controlPlane"] = {"version": "1.18.2", "kubeconfig": "kube.yaml"}
    file.write_text(json.dumps({"config": platform}))
    assert len(notices(fleet_of({"preemption": "Always"}, version=None, stack="platform"))) == 1


def test_gates_that_nobody_knows_are_named_before_an_up(fleet_of):
    fleet = fleet_of({"preemption": "Always", "schedulePriority": "a"})
    scheduled, preempting = notices(fleet)
    assert scheduled == (
        "workload web: schedulePriority does nothing unless the feature gate PriorityBasedScheduling of "
        "karmada-controller-manager and karmada-scheduler is on (off by default)"
    )
    assert "preemption does nothing unless the feature gate PropagationPolicyPreemption" in preempting
    assert notices(fleet_of({})) == []


@pytest.mark.parametrize(("suspend", "where"), [(True, "any cluster"), (["member1", "member2"], "member1, member2")])
def test_where_nothing_is_sent_is_named(fleet_of, suspend, where):
    (said,) = notices(fleet_of({"suspend": suspend}))
    assert f"from sending anything to {where}: what is there stays as it is" in said
    assert notices(fleet_of({"suspend": False})) == notices(fleet_of({"suspend": []})) == []


def test_a_spread_that_karmadas_scheduler_ignores_is_named(fleet_of):
    spread = [{"by": "cluster"}, {"by": "region"}, {"by": "zone"}, {"label": "rack"}]
    found = notices(fleet_of({"placement": {"spread": spread}}))
    assert ["by zone" in found[0], "by label rack does nothing" in found[1], len(found)] == [True, True, 2]
