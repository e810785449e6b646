"""What `zones` choose depends on Karmada's version: validation, rollouts and plans go by the one that the stack names.

From 1.18 on one of a cluster's zones is enough; before, every zone of the cluster had to be listed.
"""

import pytest
import yaml

from flotilla.karmada.versions import Version
from flotilla.plan.fleet import CLUSTER_TYPE, fleet_plan
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack.declare import rendered
from flotilla.stack.problems import ConfigError
from tests.unit.test_plan_taints import declared, rollout_step, state
from tests.unit.test_rollout import TAINT

EITHER = ["us-a", "eu-a"]
IN_ZONE = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["us-a"]}]}}
DUPLICATED = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}


@pytest.mark.parametrize(("version", "chosen"), [("1.17", ["member1"]), ("1.18", ["member1", "member2"])])
def test_a_rollout_expects_the_members_that_this_karmada_chooses(fleet_of, version, chosen):
    """Members by the newest rules: an `up` waited for a cluster that Karmada 1.17 doesn't choose."""
    fleet = fleet_of({"placement": {"zones": EITHER}}, version=version)
    assert [member.name for member in fleet.chosen(fleet.workloads[0].placement)] == chosen


@pytest.mark.parametrize(
    ("workload", "told"),
    [
        ({"placement": {"zones": ["us-a"]}}, "placement: chooses no member of this stack"),
        (
            {"placement": {"zones": EITHER}, "overrides": [{"clusters": ["member2"], "image": {"tag": "2"}}]},
            "is overridden but the placement doesn't choose it",
        ),
        (
            {"overrides": [{"target": {"zones": ["us-a"]}, "image": {"tag": "2"}}]},
            "matches no member that the placement chooses",
        ),
    ],
)
def test_what_does_nothing_for_this_karmada_is_refused(fleet_of, workload, told):
    fleet_of(workload, version="1.18.2")
    with pytest.raises(ConfigError, match=told):
        fleet_of(workload, version="1.17.3")


@pytest.mark.parametrize(("version", "image"), [("1.17", "web:1"), ("1.18", "web:2")])
def test_overrides_by_zone_are_rendered_as_this_karmada_applies_them(fleet_of, project, version, image):
    fleet = fleet_of({"overrides": [{"target": {"zones": EITHER}, "image": {"tag": "2"}}]}, version=version)
    (copy,) = rendered(fleet, project)["member2"]
    assert copy["spec"]["template"]["spec"]["containers"][0]["image"] == image


def zoned(name, zones, taints=()):
    inputs = {"metadata": {"name": name}, "spec": {"syncMode": "Push", "zones": zones, "taints": list(taints)}}
    found = state(CLUSTER_TYPE, f"{name}-cluster", inputs)
    return Step(Op.SAME, found.urn, CLUSTER_TYPE, old=found, new=found)


@pytest.mark.parametrize(("version", "unscheduled"), [("1.17", []), ("1.18", ["member2"])])
def test_a_plan_names_taints_of_clusters_that_this_karmada_chooses(version, unscheduled):
    asked = declared(1, {"clusterAffinity": IN_ZONE, **DUPLICATED})
    members = (zoned("member1", ["us-a"]), zoned("member2", ["us-a", "us-b"], [TAINT]))
    step = rollout_step(asked, asked, {"member1": 1})
    (workload,) = fleet_plan(Result(steps=[*members, step]), version=version).workloads
    assert [one.cluster for one in workload.unscheduled] == unscheduled


@pytest.mark.parametrize(
    ("version", "told"), [("1.17", ["override 1 is for no cluster that gets the workload"]), ("1.18", [])]
)
def test_a_plan_says_which_overrides_this_karmada_applies(version, told):
    rule = {"targetCluster": IN_ZONE, "overriders": {"labelsOverrider": [{"operator": "add", "value": {"a": "b"}}]}}
    step = rollout_step({**declared(1, DUPLICATED), "overrideRules": [rule]})
    result = Result(steps=[zoned("member2", ["us-a", "us-b"]), step])
    (workload,) = fleet_plan(result, version=version).workloads
    assert [notice_text(notice) for notice in workload.notices] == told


@pytest.mark.parametrize("version", ["latest", "0.9", "2.0.0"])
def test_another_stacks_version_that_is_none_is_not_known(fleet_of, project, version):
    """It was taken as it stood, and whatever asked for Karmada's version ended with a traceback."""
    sections = {"flotilla:controlPlane": {"kubeconfig": "kube.yaml", "version": version}}
    (project / "stacks").mkdir()
    (project / "stacks" / "Pulumi.base.yaml").write_text(yaml.safe_dump({"config": sections}))
    fleet = fleet_of({}, version=None, stack="base")
    assert (fleet.control_plane.version, fleet.karmada) == (None, None)
    assert rendered(fleet, project)["member1"]
    sections["flotilla:controlPlane"]["version"] = "1.17.2"
    (project / "stacks" / "Pulumi.base.yaml").write_text(yaml.safe_dump({"config": sections}))
    assert fleet_of({}, version=None, stack="base").karmada == Version(1, 17)
