"""A policy is converted to keys of a workload with the same meaning."""

import pytest

from flotilla.karmada.propagation import propagation_policy
from flotilla.karmada.versions import Version
from flotilla.stack.from_policies import workload_keys
from flotilla.stack.specs import propagation_spec
from flotilla.stack.workloads import Workload
from tests.every_key import NEWEST, workloads_for

TEMPLATE = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}}
FIRST = {"placement": {"clusterAffinity": {"clusterNames": ["member1"]}}}


def policy_of(spec):
    return propagation_policy("web", namespace="default", templates=[TEMPLATE], spec=spec)["spec"]


def read(spec):
    """Convert a spec to keys; return the policy declared for these keys, and the fields that were not converted."""
    found = workload_keys(spec)
    workload = Workload.model_validate({"name": "web", "image": "web:1", **found.keys})
    return workload, found.unread


@pytest.mark.parametrize("version", ["1.10", "1.14", NEWEST])
def test_every_key_survives_the_conversion_in_both_directions(version):
    for keys in workloads_for(version):
        karmada = Version.parse(version)
        spec = policy_of(propagation_spec(Workload.model_validate(keys), karmada))
        workload, unread = read(spec)
        assert policy_of(propagation_spec(workload, karmada)) == spec, keys
        assert unread == []


@pytest.mark.parametrize(
    ("spec", "unread"),
    [
        ({**FIRST, "dependentOverrides": ["first"]}, ["spec.dependentOverrides"]),
        ({**FIRST, "schedulerName": "mine"}, ["spec.schedulerName"]),
        ({**FIRST, "schedulerName": "default-scheduler", "association": True}, []),
        ({"placement": {"clusterAffinity": {"unheardOf": 1}}}, ["spec.placement.clusterAffinity.unheardOf"]),
        ({"placement": {"clusterTolerations": [{"key": "a", "new": 1}]}}, ["spec.placement.clusterTolerations[0].new"]),
        (
            {"placement": {"replicaScheduling": {"replicaSchedulingType": "Duplicated", "weightPreference": {"a": 1}}}},
            ["spec.placement.replicaScheduling.weightPreference"],
        ),
        (
            {
                "placement": {
                    "spreadConstraints": [{"spreadByField": "cluster"}],
                    "replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"},
                }
            },
            ["spec.placement.spreadConstraints"],
        ),
        (
            {"failover": {"application": {"decisionConditions": {"tolerationSeconds": 5}, "x": 1}}},
            ["spec.failover.application.x"],
        ),
    ],
)
def test_fields_without_a_key_or_without_effect_are_reported(spec, unread):
    assert read(spec)[1] == unread


def test_deprecated_names_and_short_forms_are_read():
    workload, _ = read({"failover": {"application": {"purgeMode": "Graciously", "gracePeriodSeconds": 9}}})
    assert workload.failover.application.grace_seconds == 9
    assert read({"association": True})[0].sends_dependencies
    assert read({"suspension": {"dispatching": True}})[0].suspend.everywhere
    spread = {"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 0, "maxGroups": 0}]}
    assert read({"placement": spread})[0].placement.spread[0].min_groups == 1
