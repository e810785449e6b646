"""Karmada's version and feature gates that the keys of a workload need: an error, or a notice in every plan."""

import json

import pytest

from flotilla.karmada.versions import Version
from flotilla.stack.features import features_of
from flotilla.stack.notices import notices
from flotilla.stack.problems import ConfigError
from flotilla.stack.workloads import Workload
from tests.every_key import MEMBERS, NEWEST, workloads_for

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
    "rollout": "1.11",
}


def test_keys_of_newer_versions_are_listed_with_their_version():
    found = {f.key: str(f.since) for w in workloads_for(NEWEST) for f in features_of(Workload.model_validate(w))}
    assert {key: since for key, since in found.items() if since != "1.10"} == SINCE


@pytest.mark.parametrize(("key", "since"), SINCE.items())
def test_key_is_refused_for_a_karmada_without_it(fleet_of, key, since):
    one = next(w for w in workloads_for(NEWEST) if any(f.key == key for f in features_of(Workload.model_validate(w))))
    fleet_of(one, version=since)
    older = f"1.{Version.parse(since).minor - 1}"
    with pytest.raises(ConfigError) as refused:
        fleet_of(one, version=older)
    assert f"workloads[0].{key}: needs Karmada {since} or newer, and this is {older}" in str(refused.value)
    with pytest.raises(ConfigError) as unknown:
        fleet_of(one, version=None)
    assert f"workloads[0].{key}: needs Karmada {since} or newer, and the stack doesn't give its version" in str(
        unknown.value
    )


def test_key_of_every_supported_karmada_needs_no_version(fleet_of):
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
def test_key_is_refused_if_the_stacks_karmada_has_its_gate_disabled(fleet_of, key, keys, gate, components):
    """The chart also disables PropagateDeps, which Karmada itself enables by default."""
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


def test_gate_without_a_chart_value_needs_a_newer_karmada(fleet_of):
    gates = {"controllerManager": {"PriorityBasedScheduling": True}}
    with pytest.raises(ConfigError, match=r"of scheduler, which is off; .*use Karmada 1.16, whose chart"):
        fleet_of({"schedulePriority": "a"}, version="1.14.0", members=MEMBERS[1:], helm={**HELM, "featureGates": gates})


def test_gates_of_another_stacks_karmada_are_known(fleet_of, project):
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


def test_unknown_gates_are_reported_before_an_up(fleet_of):
    fleet = fleet_of({"preemption": "Always", "schedulePriority": "a"})
    scheduled, preempting = notices(fleet)
    assert scheduled == (
        "workload web: schedulePriority does nothing unless the feature gate PriorityBasedScheduling of "
        "karmada-controller-manager and karmada-scheduler is on (off by default)"
    )
    assert "preemption does nothing unless the feature gate PropagationPolicyPreemption" in preempting
    assert notices(fleet_of({})) == []


@pytest.mark.parametrize(("suspend", "where"), [(True, "any cluster"), (["member1", "member2"], "member1, member2")])
def test_suspended_workloads_are_reported(fleet_of, suspend, where):
    (said,) = notices(fleet_of({"suspend": suspend}))
    assert f"from sending anything to {where}: copies that are there stay as they are" in said
    assert notices(fleet_of({"suspend": False})) == notices(fleet_of({"suspend": []})) == []


def test_spread_that_the_scheduler_ignores_is_reported(fleet_of):
    spread = [{"by": "cluster"}, {"by": "region"}, {"by": "zone"}, {"label": "rack"}]
    found = notices(fleet_of({"placement": {"spread": spread}}))
    assert ["by zone" in found[0], "by label rack has no effect" in found[1], len(found)] == [True, True, 2]
