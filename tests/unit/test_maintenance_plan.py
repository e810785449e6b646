"""Members under maintenance in a plan: replicas that leave, come back, stay away, or don't fit elsewhere."""

import pytest

from flotilla.agent.judging import plan_answer
from flotilla.agent.planning import Planned
from flotilla.agent.tool import PagedArguments
from flotilla.karmada.cordons import MAINTENANCE
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.leaving import with_room
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.policy.guards import guard_verdicts
from flotilla.report.build import plan_report
from flotilla.stack.policies import PolicySettings
from flotilla.state.checkpoint import ResourceState
from tests.unit.rollouts import CORDON, web

URN = "urn:pulumi:test::flotilla::{}::{}"


def state(type_, name, inputs, outputs=None):
    return ResourceState(URN.format(type_, name), True, type_, id=name, inputs=inputs, outputs=outputs or inputs)


def cluster(name, said=""):
    annotations = {MAINTENANCE: said} if said else {}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"syncMode": "Push", **({"taints": [CORDON]} if said else {})},
    }


def live(name, said="", *, free="100"):
    capacity = {"allocatable": {"cpu": free, "memory": "100Gi", "pods": "110"}}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "resourceSummary": capacity}
    return {**cluster(name, said), "status": status}


def cluster_step(name, before="", after=""):
    old = state(CLUSTER_TYPE, f"{name}-cluster", cluster(name, before), live(name, before))
    new = state(CLUSTER_TYPE, f"{name}-cluster", cluster(name, after))
    return Step(Op.UPDATE if before != after else Op.SAME, old.urn, CLUSTER_TYPE, old=old, new=new)


def placement(kind, *excluded):
    scheduling = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    if kind == "capacity":
        scheduling["weightPreference"] = {"dynamicWeight": "AvailableReplicas"}
    return {
        "clusterAffinity": {"exclude": list(excluded)} if excluded else {},
        "replicaScheduling": scheduling,
    }


def rollout(old, new, scheduled, replicas=4, requests=None):
    def made(given, outputs):
        props = {"workload": "web", "overrideRules": [], "templates": [web(replicas, requests)], "placement": given}
        return state(ROLLOUT_TYPE, "web-rollout", props, outputs)

    before = made(old, {"scheduled": {"Deployment default/web": scheduled}})
    return Step(Op.UPDATE, before.urn, ROLLOUT_TYPE, old=before, new=made(new, {}))


def plan(*steps, free="100"):
    result = Result(steps=list(steps))
    listed = [step.old.plain["metadata"]["name"] for step in steps if step.type == CLUSTER_TYPE]
    result.clusters = {name: live(name, free=free) for name in listed}
    return with_room(fleet_plan(result, version="1.18.2"), result, version="1.18.2")


def drained(before="", after="drain: new kernel"):
    return [cluster_step("member1"), cluster_step("member2", before, after)]


def said(found):
    (one,) = found.maintenance
    return [one.title, *one.lines]


def test_replicas_that_leave_a_drained_member_are_shown_with_their_target():
    step = rollout(placement("static"), placement("static", "member2"), {"member1": 2, "member2": 2})
    assert said(plan(*drained(), step)) == [
        "member2: drain: new kernel (was none)",
        "web: 2 replicas move from member2 to member1",
    ]


def test_several_targets_are_shown_each():
    step = rollout(placement("static"), placement("static", "member2"), {"member2": 4})
    found = said(plan(*drained(), cluster_step("member3"), step))
    assert found[1] == "web: 4 replicas move from member2: 2 more on member1, 2 more on member3"


def test_target_that_only_karmada_knows_is_not_guessed():
    step = rollout(placement("capacity"), placement("capacity", "member2"), {"member2": 4})
    found = said(plan(*drained(), cluster_step("member3"), step))
    assert found[1] == "web: up to 4 replicas move from member2 to where Karmada chooses, by free capacity"


def test_replicas_that_come_back_are_shown():
    step = rollout(placement("static", "member2"), placement("static"), {"member1": 4})
    found = said(plan(*drained("drain: new kernel", ""), step))
    assert found == [
        "member2 is no longer under maintenance (was drain: new kernel)",
        "web: 2 replicas come to member2 from member1",
    ]


def test_replicas_that_stay_away_after_a_drain_are_shown_with_the_remedy():
    """Karmada divides only missing replicas by capacity. Regression: no replica came back, and nothing reported it."""
    step = rollout(placement("capacity", "member2"), placement("capacity"), {"member1": 4})
    found = plan(*drained("drain", ""), step)
    (one,) = found.maintenance
    assert one.away == ("web",)
    assert "flotilla uncordon member2 --rebalance" in one.lines[-1]


@pytest.mark.parametrize(("version", "away"), [("1.17", ()), ("1.18", ("web",))])
def test_replicas_that_stay_away_depend_on_karmadas_version(version, away):
    """Before 1.18, every zone of a cluster had to be listed, so a workload for one of its zones never ran there."""
    zone = {"key": "zone", "operator": "In", "values": ["us-a"]}
    steps = drained("drain", "")
    for step in steps:
        step.new.inputs["spec"]["zones"] = ["us-a"] if step.name == "member1-cluster" else ["us-a", "us-b"]
    before, after = placement("capacity", "member2"), placement("capacity")
    for one in (before, after):
        one["clusterAffinity"]["fieldSelector"] = {"matchExpressions": [zone]}
    (one,) = fleet_plan(Result(steps=[*steps, rollout(before, after, {"member1": 4})]), version=version).maintenance
    assert one.away == away


def test_workload_in_a_later_affinity_group_is_shown_to_stay_there():
    """Karmada begins with the group that it has chosen. Regression: an uncordon brought no replica back."""

    def groups(*excluded):
        first = {"affinityName": "first", "clusterNames": ["member2"], "exclude": list(excluded)}
        then = {"affinityName": "then", "clusterNames": ["member1"]}
        return {"clusterAffinities": [first, then], "replicaScheduling": {"replicaSchedulingType": "Duplicated"}}

    out = plan(*drained(), rollout(groups(), groups("member2"), {"member2": 4}))
    assert said(out)[1] == "web: 4 replicas move from member2 to member1"
    back = plan(*drained("drain", ""), rollout(groups("member2"), groups(), {"member1": 4}))
    (one,) = back.maintenance
    assert (one.away, one.in_later_group) == ((), ("web",))
    assert "rename the groups" in one.lines[-1]


def test_drain_of_a_member_that_does_not_answer_names_what_is_unknown():
    step = rollout(placement("static"), placement("static", "member2"), {"member1": 2, "member2": 2})
    result = Result(steps=[*drained(), step])
    dead = live("member2")
    dead["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": "cluster is not reachable"}]
    result.clusters = {"member1": live("member1"), "member2": dead}
    found = said(fleet_plan(result, version="1.18.2"))
    assert found[1].startswith("member2: its Cluster is not Ready: cluster is not reachable: ")
    assert "nobody can check the removal" in found[1]


def test_cordon_moves_nothing_and_is_shown_in_every_plan():
    found = plan(*drained("cordon", "cordon"))
    assert said(found) == ["member2: cordon"]


def test_members_without_maintenance_have_no_line():
    assert plan(cluster_step("member1")).maintenance == ()


def test_replicas_that_fit_nowhere_else_are_shown_as_pending():
    step = rollout(
        placement("static"),
        placement("static", "member2"),
        {"member1": 2, "member2": 2},
        requests={"cpu": "1"},
    )
    assert "pending" not in said(plan(*drained(), step))[1]
    assert said(plan(*drained(), step, free="1"))[1].endswith("; without room, so pending: 1 replica in member1")


@pytest.mark.parametrize("after", ["drain: new kernel", ""])
def test_json_plan_has_the_maintenance(after):
    step = rollout(placement("static"), placement("static", "member2"), {"member1": 2, "member2": 2})
    (one,) = plan(*drained("", after), step).to_json().get("maintenance", [None])
    if after:
        assert one["leaving"][0]["gone"] == {"member2": 2}
        assert one["leaving"][0]["come"] == {"member1": 2}
    else:
        assert one is None


def refused(found):
    given = PolicySettings.model_validate({"environment": "production"})
    return [one.rule.name for one in guard_verdicts(found.blast_radius, given) if one.refuses]


def test_drain_of_one_of_two_members_needs_no_confirmation():
    """The drain names its member. Regression: a guard against mistyped labels refused every drain in production."""
    step = rollout(placement("static"), placement("static", "member2"), {"member1": 2, "member2": 2})
    assert refused(plan(*drained(), step)) == []
    assert refused(plan(*drained("cordon", "cordon"), step)) == ["max-removed-share"]


def test_drain_that_leaves_a_workload_no_cluster_is_guarded_like_a_removal():
    step = rollout(placement("static"), placement("static", "member1", "member2"), {"member1": 2, "member2": 2})
    assert "max-removed-share" in refused(plan(*drained(), step))


def test_report_and_agents_tool_have_the_maintenance():
    step = rollout(placement("static"), placement("static", "member2"), {"member1": 2, "member2": 2})
    found = plan(*drained(), step)
    page = plan_report(found, Result(steps=[step]), stack="dev", engine="embedded")
    (section,) = [one for one in page.sections if one.title == "Maintenance"]
    assert [row.name for row in section.items[0].rows] == ["web: 2 replicas move from member2 to member1"]
    answer = plan_answer(Planned(Result(steps=[step]), [], "", found), PagedArguments(), enabled=False)
    assert [one.details[0] for one in answer.workloads if one.verb == "maintenance"] == [
        "member2: drain: new kernel (was none)"
    ]
