"""The policies that are built from the keys of a workload."""

import json
import re

import pytest
from pydantic import BaseModel

from components import PropagatedWorkloadArgs, PullMemberArgs, PushMemberArgs
from flotilla.karmada.propagation import override_policy, propagation_policy, template
from flotilla.karmada.versions import Version
from flotilla.kube import yaml
from flotilla.stack import failover, overrides, placement, rollout_strategy
from flotilla.stack.files import ManifestFiles
from flotilla.stack.members import Agent, Member
from flotilla.stack.schema import stack_file_schema
from flotilla.stack.specs import override_rule, override_rules, placement_of, propagation_spec
from flotilla.stack.stackfile import placeholders
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import manifests_of
from tests.every_key import NEWEST, WORKLOADS, workloads_for

DEFAULTS = {"priority": 0, "preemption": "Never", "conflictResolution": "Abort"}
DUPLICATED = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}


def workload(**keys):
    return Workload.model_validate({"name": "web", "image": "web:1", "placement": {}, **keys})


# -- stack files of older versions ------------------------------------------------------------------------------------


def before(repository):
    return json.loads((repository / "tests/unit/data/policies_of_stacks.json").read_text())


def test_stack_files_of_older_versions_give_the_same_objects(repository, project):
    """Recorded when placements had only names, labels, fields and static weights: no field may differ."""
    for case in before(repository):
        declared = workload(**{"image": "nginx:1.27", "namespace": "shop", **case["workload"]})
        templates = [template(m, namespace="shop") for m in manifests_of(declared, ManifestFiles(project))]
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
def test_placement_key_gives_karmadas_placement(keys, expected):
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
def test_keys_of_a_workload_give_the_spec_of_its_policy(keys, expected):
    assert propagation_spec(workload(**keys)) == {"placement": DUPLICATED, **DEFAULTS, **expected}


@pytest.mark.parametrize(
    ("mode", "word"), [("Directly", "Immediately"), ("Gracefully", "Graciously"), ("Never", "Never")]
)
def test_purge_modes_have_the_names_of_karmadas_version(mode, word):
    """The API of 1.12 to 1.14 has an enum with other names; 1.10 acts on no other name."""
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
def test_keys_of_an_override_give_the_overriders_of_a_rule(keys, expected):
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


def test_deployments_of_an_autoscaler_have_karmadas_label(project):
    (plain,) = manifests_of(workload(labels={"a": "b"}), ManifestFiles(project))
    (scaled,) = manifests_of(workload(labels={"a": "b"}, autoscaled=True), ManifestFiles(project))
    added = {"resourcetemplate.karmada.io/retain-replicas": "true"}
    assert scaled["metadata"]["labels"] == {**plain["metadata"]["labels"], **added}
    assert scaled["spec"] == plain["spec"], "pods and the selector stay as they are"


# -- every key ---------------------------------------------------------------------------------------------------------


def given_fields(value):
    """Yield the model and the name of every field that is set, at any depth."""
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield type(value), name
            yield from given_fields(getattr(value, name))
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from given_fields(entry)


def test_stack_of_every_key_uses_every_key(fleet_of):
    """The live tests send this stack to real webhooks, so every key is tested there."""
    used = set(given_fields(fleet_of(*WORKLOADS).workloads))
    short_form = {"formerly", "namespace", "replicas", "ports", "env", "resources", "labels", "manifests", "timeout"}
    others = {"after", "chart", "components", "kustomize", "policies", "secrets", "source"}
    wanted = {(Workload, name) for name in Workload.model_fields if name not in short_form | others}
    of_conditions = {(rollout_strategy.GateCheck, name) for name in ("condition", "status", "of")}
    for module in (placement, failover, overrides, rollout_strategy):
        models = [m for m in vars(module).values() if isinstance(m, type) and m.__module__ == module.__name__]
        for model in models:
            if issubclass(model, BaseModel):
                own = set(model.model_fields) - {
                    n for base in model.__bases__ for n in getattr(base, "model_fields", ())
                }
                wanted |= {(model, name) for name in own}
    inherited = {(base, name) for model, name in used for base in model.__mro__[:-1]}
    assert wanted - inherited - of_conditions == set()


def test_schema_for_editors_accepts_every_key(sections):
    import jsonschema

    schema = stack_file_schema()
    for workload in (*workloads_for(NEWEST), {"name": "on", "image": "web:1", "placement": {}, "suspend": False}):
        config = {f"flotilla:{key}": value for key, value in {**sections, "workloads": [workload]}.items()}
        jsonschema.validate({"config": config}, schema)
    config["flotilla:workloads"][0]["suspend"] = {"everywhere": True}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"config": config}, schema)


def test_newer_versions_have_all_keys_of_older_ones():
    counts = [len(workloads_for(f"1.{minor}")) for minor in range(10, 19)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == len(WORKLOADS)


def test_components_take_the_models_of_the_stack_and_repeat_none_of_their_fields():
    assert not set(PropagatedWorkloadArgs.__annotations__) & set(Workload.model_fields)
    resolved = {"kubeconfig", "api_endpoint"}  # texts that are read, or known only during a run
    for args in (PushMemberArgs, PullMemberArgs):
        listed = set(args.__annotations__)
        assert listed & {*Member.model_fields, *Agent.model_fields} == resolved


def test_workloads_of_the_guide_are_valid(repository):
    text = (repository / "docs" / "guides" / "workloads.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        document = yaml.load(block if block.startswith("flotilla") else f"x:\n{block}")
        (found,) = document.values()
        found = found[0] if isinstance(found, list) else found
        form = {} if "manifests" in found else {"image": "web:1"}
        Workload.model_validate({"name": "web", "placement": {}, **form, **placeholders(found)})


def test_toleration_with_its_own_seconds_is_not_shortened():
    """Regression: Karmada's default of 300 seconds was added next to it, and Karmada uses the shorter of two."""
    key = "cluster.karmada.io/not-ready"
    own = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 900}
    policy = propagation_policy("web", namespace="a", templates=[], spec={"placement": {"clusterTolerations": [own]}})
    listed = policy["spec"]["placement"]["clusterTolerations"]
    assert [one["tolerationSeconds"] for one in listed if one["key"] == key] == [900]
    assert [one["tolerationSeconds"] for one in listed if one["key"] != key] == [300]
