"""The per-cluster view of a plan also shows changes in members that are caused by changes in the control plane."""

import pytest

from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import compare
from flotilla.state.values import Secret

PARENT = "urn:pulumi:dev::p::flotilla:index:PropagatedWorkload::nginx"
PLACEMENT = {
    "clusterAffinity": {"clusterNames": ["member1", "member2"]},
    "replicaScheduling": {
        "replicaSchedulingType": "Divided",
        "weightPreference": {
            "staticWeightList": [
                {"targetCluster": {"clusterNames": ["member1"]}, "weight": 2},
                {"targetCluster": {"clusterNames": ["member2"]}, "weight": 1},
            ]
        },
    },
}


def nginx(replicas, image="nginx:1.27"):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "nginx", "namespace": "default"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "nginx", "image": image}]}}},
    }


def policy(placement):
    meta = {"name": "nginx", "namespace": "default"}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": meta,
        "spec": {"placement": placement},
    }


def override(*rules):
    meta = {"name": "nginx", "namespace": "default"}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": meta,
        "spec": {"overrideRules": list(rules) or [{"overriders": {}}]},
    }


def state(type_, name, inputs, parent=PARENT):
    urn = f"urn:pulumi:dev::p::{type_}::{name}"
    return ResourceState(urn=urn, custom=True, type=type_, id=name, inputs=inputs, parent=parent)


def step(type_, name, old, new, parent=PARENT):
    olds = state(type_, name, old, parent) if old is not None else None
    news = state(type_, name, new, parent) if new is not None else None
    op = Op.CREATE if old is None else Op.DELETE if new is None else Op.SAME if old == new else Op.UPDATE
    return Step(op, (news or olds).urn, type_, "", tuple(compare(old or {}, new or {})), olds, news)


def object_step(old, new):
    kind = (new or old)["kind"]
    return step(f"kubernetes:x:{kind}", f"nginx-{kind.lower()}", old, new)


def plan(*steps, declared=None, before=None):
    """Return a plan of a workload whose Rollout knows only what was declared."""
    props = {"workload": "nginx", "templates": [nginx(7)], "placement": PLACEMENT, "overrideRules": []}
    clusters = [
        step(CLUSTER_TYPE, f"{n}-cluster", inputs := {"kind": "Cluster", "metadata": {"name": n}}, inputs, "")
        for n in ("member1", "member2", "member3")
    ]
    rollout = step(ROLLOUT_TYPE, "nginx-rollout", {**props, **(before or {})}, {**props, **(declared or {})})
    (workload,) = fleet_plan(Result([*clusters, rollout, *steps])).workloads
    return workload.verb, {copy.cluster: (copy.verb, copy.details) for copy in workload.copies}


def test_replicas_scaled_in_the_control_plane_are_shown_for_every_member():
    verb, copies = plan(object_step(nginx(3), nginx(7)))
    assert verb == "changes"
    assert copies == {
        "member1": ("changes", ("replicas 2 → 5",)),
        "member2": ("changes", ("replicas 1 → 2",)),
    }


def test_image_changed_in_the_control_plane_is_shown():
    _, copies = plan(object_step(nginx(7, "nginx:evil"), nginx(7)))
    assert copies["member1"] == ("changes", ("image nginx:evil → nginx:1.27",))


def test_placement_changed_in_the_control_plane_shows_added_and_removed_copies():
    moved = {"clusterAffinity": {"clusterNames": ["member1", "member3"]}}
    _, copies = plan(object_step(policy(moved), policy(PLACEMENT)))
    assert {name: verb for name, (verb, _) in copies.items()} == {
        "member1": "changes",
        "member2": "new",
        "member3": "gone",
    }


def test_override_changed_in_the_control_plane_is_shown_where_it_applies():
    rule = {
        "targetCluster": {"clusterNames": ["member2"]},
        "overriders": {"imageOverrider": [{"component": "Tag", "operator": "replace", "value": "1.28"}]},
    }
    verb, copies = plan(object_step(override(rule), override()))
    assert verb == "changes"
    assert copies["member1"][0] == "stays"
    assert copies["member2"] == ("changes", ("image nginx:1.28 → nginx:1.27",))


def within(namespace, obj):
    selector = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "nginx", "namespace": namespace}]
    spec = {**obj["spec"], "resourceSelectors": selector} if obj["kind"].endswith("Policy") else obj["spec"]
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}, "spec": spec}


def test_changed_policies_of_one_namespace_do_not_affect_copies_of_others():
    """Regression: all objects of the workload were shown as if their policies had changed, too."""
    both = {"templates": [nginx(7), within("other", nginx(7))]}
    rule = {"overriders": {"imageOverrider": [{"component": "Tag", "operator": "replace", "value": "1.28"}]}}
    changed = object_step(within("other", override(rule)), within("other", override()))
    _, copies = plan(changed, declared=both, before=both)
    said = ("Deployment other/nginx: image nginx:1.28 → nginx:1.27",)
    assert copies == dict.fromkeys(("member1", "member2"), ("changes", said))
    moved = {"clusterAffinity": {"clusterNames": ["member1", "member3"]}}
    changed = object_step(within("other", policy(moved)), within("other", policy(PLACEMENT)))
    _, copies = plan(changed, declared=both, before=both)
    assert copies["member2"] == ("changes", ("Deployment other/nginx is added",))
    assert copies["member3"][0] == "gone"


def test_template_deleted_in_the_control_plane_is_shown_as_created_in_every_member():
    _, copies = plan(object_step(None, nginx(7)))
    assert {verb for verb, _ in copies.values()} == {"new"}


def test_plan_of_a_refresh_shows_the_current_state_of_members():
    """The steps of `refresh` have the opposite direction: from the state to the current objects."""
    _, copies = plan(object_step(nginx(7), nginx(3)))
    assert copies["member1"] == ("changes", ("replicas 5 → 2",))


def test_without_changes_in_the_control_plane_the_declaration_is_used():
    assert plan(object_step(nginx(7), nginx(7)))[0] == "stays"
    verb, copies = plan(object_step(nginx(7), nginx(9)), declared={"templates": [nginx(9)]})
    assert (verb, copies["member1"]) == ("changes", ("changes", ("replicas 5 → 6",)))


@pytest.mark.parametrize("drifted", ["aHVudGVyMg==", "b3RoZXI="])
def test_changed_secret_is_never_shown(drifted):
    def secret(value):
        meta = {"name": "door", "namespace": "default"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"key": value}}

    sealed = {"templates": Secret([secret("aHVudGVyMg==")])}
    old, new = secret(drifted), secret("aHVudGVyMg==")
    reported = plan(object_step({**old, "data": Secret(old["data"])}, {**new, "data": Secret(new["data"])}),
                before=sealed, declared=sealed)  # fmt: skip
    assert "aHVudGVyMg" not in str(reported)
    assert "b3RoZXI" not in str(reported)


def test_secret_value_of_an_override_stays_secret_in_rendered_objects():
    """The patch is for every object of the workload, so the Deployment gets the value, too."""

    def rule(value):
        step = {"path": "/metadata/labels", "operator": "add", "value": {"key": value}}
        return {"targetCluster": {"clusterNames": ["member2"]}, "overriders": {"plaintext": [step]}}

    old, new = rule(Secret("hunter2")), rule(Secret("hunter3"))
    reported = plan(
        object_step(override(old), override(new)), before={"overrideRules": [old]}, declared={"overrideRules": [new]}
    )
    assert "hunter" not in str(reported)
    assert reported[1]["member2"][0] == "changes"


def job(image):
    found = nginx(4, image)
    spec = {**found["spec"], "parallelism": 4, "completions": 12}
    del spec["replicas"]
    return {**found, "apiVersion": "batch/v1", "kind": "Job", "spec": spec}


def replacing(old, new):
    """Return the steps that replace an object, with the names of both engines."""
    olds, news = (state(f"kubernetes:x:{obj['kind']}", f"nginx-{obj['kind'].lower()}", obj) for obj in (old, new))
    return [
        Step(Op.CREATE_REPLACEMENT, news.urn, news.type, old=olds, new=news),
        Step(Op.REPLACE, news.urn, news.type, changes=tuple(compare(old, new)), old=olds, new=news),
        Step(Op.DELETE_REPLACED, olds.urn, olds.type, old=olds),
    ]


def test_replaced_job_is_shown_to_run_again_in_its_clusters():
    """A Job's image is immutable.

    Regression: the plan showed the deletion of the Job, but not the creation of the new one.
    """
    old, new = job("crunch:1"), job("crunch:2")
    steps = replacing(old, new)
    verb, copies = plan(*steps, before={"templates": [old]}, declared={"templates": [new]})
    again = ("Job default/nginx is replaced: it runs again", "image crunch:1 → crunch:2")
    assert verb == "changes"
    assert copies == dict.fromkeys(("member1", "member2"), ("changes", again))


def test_replaced_object_is_scheduled_like_a_new_one():
    """Karmada forgets the schedule with the object: a tainted cluster that had a copy doesn't get the new one."""
    old, new = nginx(7), {**nginx(7), "spec": {**nginx(7)["spec"], "selector": {"matchLabels": {"app": "other"}}}}
    taint = {"key": "site", "effect": "NoSchedule"}
    inputs = {"kind": "Cluster", "metadata": {"name": "member2"}, "spec": {"taints": [taint]}}
    tainted = step(CLUSTER_TYPE, "member2-cluster", inputs, inputs, "")
    props = {"workload": "nginx", "templates": [old], "placement": PLACEMENT, "overrideRules": []}
    rollout = step(ROLLOUT_TYPE, "nginx-rollout", props, {**props, "templates": [new]})
    rollout.old.outputs["scheduled"] = {"Deployment default/nginx": {"member1": 5, "member2": 2}}
    first = step(CLUSTER_TYPE, "member1-cluster", inputs_of("member1"), inputs_of("member1"), "")
    (workload,) = fleet_plan(Result([first, tainted, rollout, *replacing(old, new)])).workloads
    assert {copy.cluster: copy.verb for copy in workload.copies} == {"member1": "changes", "member2": "gone"}
    assert [one.cluster for one in workload.unscheduled] == ["member2"]
    assert workload.copies[0].details[0] == "Deployment default/nginx is replaced: it is created again"


def inputs_of(member):
    return {"kind": "Cluster", "metadata": {"name": member}}
