"""Suspended, lazy and kept workloads in rollouts, drift, status, plans and `destroy`."""

from dataclasses import replace

import pytest

from flotilla.drift.members import carried_to, find_unwanted, sent_to
from flotilla.drift.propagation import check_rollout
from flotilla.errors import FlotillaError
from flotilla.karmada.joining.membership import drain
from flotilla.karmada.propagation import propagation_policy
from flotilla.karmada.status.kept import why_cluster_stays
from flotilla.karmada.status.reading import read_all, read_left
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.status.withdrawal import await_withdrawn, holders
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.observe.workloads import copies_in
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.rollouts import rollouts_of
from flotilla.plan.steps import Op, Result, Step
from flotilla.providers.kubernetes import KubernetesProvider
from flotilla.stack.notices import notices
from flotilla.state.checkpoint import ResourceState, Snapshot
from tests.unit.planes import EVERYWHERE, Plane, binding, cluster, done, live, web, work
from tests.unit.rollouts import changes, divided, on, props
from tests.unit.templates import job
from tests.unit.test_plan_taints import cluster_step, copies, rollout_step

EVERY = {"dispatching": True}
ONE = {"dispatchingOnClusters": {"clusterNames": ["m1"]}}
PARENT = "urn:pulumi:s::p::flotilla:index:PropagatedWorkload::web"
MEMBERS = {name: {"id": name, "unanswered": ""} for name in ("m0", "m1")}


# -- rollout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [{"suspension": EVERY}, {"lazy": True}, {"policy": "former"}])
def test_workload_that_is_no_longer_suspended_is_waited_for(key):
    """Regression: a removed key was no change, and `up` called a resumed workload done that ran nowhere."""
    settled = {"settled": True, "scheduled": {"Deployment default/web": {"member1": 4}}}
    assert changes(props(**key, **settled), props())
    assert changes(props(**settled), props(**key))
    assert not changes(props(**key, **settled), props(**key))
    assert not changes(props(**settled), props()), "a state of before has none of these keys"


def test_lazy_workload_is_checked_against_the_policy_that_karmada_still_uses():
    """Regression: `up` waited until its timeout for what Karmada does only with the next change."""
    template = job(parallelism=2, completions=4)
    identity = f"id-{ref_of(template).name}"
    bound = binding(template, ["m0", "m1"])
    bound["spec"]["clusters"] = [{"name": name, "replicas": 2} for name in ("m0", "m1")]
    sent = [work(template, name, identity=identity) for name in ("m0", "m1")]
    plane = Plane(cluster("m0"), cluster("m1"), live(template), bound, *sent)
    unsent = Plane(*plane.objects.values(), work(template, "m1", identity=identity, suspendDispatching=True))
    check = RolloutCheck([template], divided("m0", "m1"), [], MEMBERS, lazy=True)
    for seen in (plane, unsent):
        snapshot = read_all(seen, [ref_of(template)])
        (progress,) = check.progress(snapshot)
        assert progress.done, str(progress)
        assert not replace(check, lazy=False).progress(snapshot)[0].done


# -- drift -----------------------------------------------------------------------------------------------------------


def resource(kind, name, inputs, parent=PARENT):
    own = f"flotilla:index:PropagatedWorkload${kind}" if parent else kind
    return ResourceState(f"urn:pulumi:s::p::{own}::{name}", custom=True, type=kind, inputs=inputs, parent=parent)


def state_of(template, *, rollout=False, **spec):
    """Return the state of a workload with one template, with or without its rollout."""
    policy = propagation_policy(
        "web", namespace="default", templates=[template], spec={"placement": EVERYWHERE, **spec}
    )
    suspended = {"suspension": spec["suspension"]} if "suspension" in spec else {}
    lazy = {"lazy": True} if "activationPreference" in spec else {}
    asked = {"workload": "web", "templates": [template], "placement": EVERYWHERE, "overrideRules": []}
    found = [resource("flotilla:index:PropagatedWorkload", "web", {}, "")]
    if rollout:
        inputs = {**asked, "members": MEMBERS, **suspended, **lazy}
        return Snapshot((*found, resource("pulumi-python:dynamic/flotilla:Rollout", "web-rollout", inputs)))
    found.append(resource("kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy", "web-policy", policy))
    return Snapshot((*found, resource("kubernetes:apps/v1:Deployment", "deployment-default/web", template)))


@pytest.mark.parametrize("rollout", [False, True], ids=["by its policies", "by its rollout"])
@pytest.mark.parametrize("suspension", [EVERY, {"dispatchingOnClusters": {"clusterNames": ["m0", "m1"]}}])
def test_drift_does_not_wait_for_a_suspended_workload(suspension, rollout):
    """Regression: drift ignored the suspension, so copies that were never sent were always `not-healthy`."""
    template = web()
    check = rollouts_of(state_of(template, rollout=rollout, suspension=suspension)).checks["web"]
    unsent = [work(template, name, identity="id-web", applied="", suspendDispatching=True) for name in ("m0", "m1")]
    bound = binding(template, ["m0", "m1"], healthy=[])
    snapshot = read_all(Plane(cluster("m0"), cluster("m1"), live(template), bound, *unsent), [ref_of(template)])
    assert check_rollout(snapshot, "web", check) == []
    assert check_rollout(snapshot, "web", replace(check, suspension={})) != []


@pytest.mark.parametrize("rollout", [False, True])
def test_drift_accepts_the_schedule_of_a_lazy_workload(rollout):
    check = rollouts_of(state_of(web(), rollout=rollout, activationPreference="Lazy")).checks["web"]
    assert check.lazy


def test_copies_of_suspended_and_refused_works_are_wanted():
    """Regression: a copy sent by a suspended Work, or refused by a member, was called `copy-unwanted`."""
    mark = {"karmada.io/managed": "true"}
    names = ("sent", "suspended", "refused", "gone", "nobodys")
    there = {name: web(name) | {"metadata": {"name": name, "namespace": "default", "labels": mark}} for name in names}
    deleting = work(there["gone"], "m0")
    deleting["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    works = [
        work(there["sent"], "m0"),
        work(there["suspended"], "m0", suspendDispatching=True),
        work(there["refused"], "m0", applied="False"),
        deleting,
    ]
    snapshot = read_all(Plane(*works), [])
    assert [obj["metadata"]["name"] for obj in sent_to(snapshot, "m0")] == ["sent"]
    found = find_unwanted(Plane(*there.values()), "m0", carried_to(snapshot, "m0"))
    assert sorted(finding.object for finding in found) == ["Deployment default/gone", "Deployment default/nobodys"]


def test_objects_of_a_join_by_karmadactl_are_no_leftover_copies():
    """karmadactl 1.10 labels its namespaces and accounts like copies. Regression: a clean fleet always had drift."""
    meta = {"labels": {"karmada.io/managed": "true"}}
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {**meta, "name": name}}
        for name in ("karmada-cluster", "karmada-system", "shop")
    ]
    inside = web("agent") | {"metadata": {**meta, "name": "agent", "namespace": "karmada-system"}}
    found = find_unwanted(Plane(*spaces, inside), "m0", [])
    assert [finding.object for finding in found] == ["Namespace shop"]


# -- status ----------------------------------------------------------------------------------------------------------


def test_status_shows_that_a_copy_is_suspended():
    """Regression: status showed `sent, not reported yet` for a copy that is never sent."""
    template = web()
    unsent = work(template, "m0", identity="id-web", applied="", suspendDispatching=True)
    plane = Plane(cluster("m0"), live(template), binding(template, ["m0"], healthy=[]), unsent)
    (copy,) = copies_in(read_all(plane, []))
    assert (copy.health, copy.reason) == ("Pending", "suspended: Karmada sends nothing there")


@pytest.mark.parametrize(
    ("status", "shown", "health", "reason"),
    [
        ({"succeeded": 3, "conditions": [{"type": "Complete", "status": "True"}]}, "Complete", "Healthy", ""),
        (
            {
                "failed": 7,
                "conditions": [
                    {"type": "FailureTarget", "status": "True"},
                    {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it gave up"},
                ],
            },
            "Failed",
            "Unhealthy",
            "BackoffLimitExceeded: it gave up",
        ),
        ({"active": 2, "conditions": [{"type": "Complete", "status": "False"}]}, "2 active", "Healthy", ""),
        ({"active": 0}, "0 active", "Healthy", ""),
        ({}, "", "Healthy", ""),
    ],
)
@pytest.mark.parametrize("reported", ["Healthy", "Unknown"])
def test_status_shows_how_a_job_has_ended(status, shown, health, reason, reported):
    """Karmada reports no health for Jobs. Regression: `0/3` ready for a finished Job, `Healthy` for a failed one."""
    template = job(parallelism=3, completions=3)
    bound = binding(template, ["m0"])
    bound["spec"]["clusters"] = [{"name": "m0", "replicas": 3}]
    bound["status"]["aggregatedStatus"][0] |= {"status": status, "health": reported}
    sent = work(template, "m0", identity=f"id-{template['metadata']['name']}")
    (copy,) = copies_in(read_all(Plane(cluster("m0"), live(template), bound, sent), []))
    assert (copy.progress, copy.health, copy.reason, copy.ready, copy.desired) == (shown, health, reason, None, 3)


# -- removal ---------------------------------------------------------------------------------------------------------


def test_destroy_does_not_wait_for_a_kept_workload_that_was_never_sent():
    """Karmada never finishes the deletion of such a Work: it looks for a copy to remove its labels."""
    declared, objects = done(1, 0)
    ref, identity = ref_of(declared[0]), "id-web-0"
    bound = binding(declared[0], ["m0", "m1", "m2"])
    works = [
        work(declared[0], "m0", identity=identity, applied="", preserveResourcesOnDeletion=True),
        work(declared[0], "m1", identity=identity, preserveResourcesOnDeletion=True),
        work(declared[0], "m2", identity=identity, applied=""),
    ]
    gone = [obj for obj in objects if obj["kind"] not in ("Deployment", "ResourceBinding")]
    plane = Plane(*gone, *(cluster(name) for name in ("m0", "m1", "m2")), bound, *works)
    assert holders(read_left(plane, [ref]), [ref]) == {ref: ["m1", "m2"]}, "marks are still taken off in m1"


def of_workload(step):
    """Return a step of the workload's own resource."""
    return replace(
        step, **{side: replace(state, parent=PARENT) for side in ("old", "new") if (state := getattr(step, side))}
    )


def policy_step(op, **spec):
    policy = propagation_policy("web", namespace="default", templates=[web()], spec=spec)
    found = resource("kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy", "web-policy", policy)
    return Step(op, found.urn, found.type, old=found, new=None if op is Op.DELETE else found)


def planned(*steps):
    members = (cluster_step("member1"), cluster_step("member2"))
    (workload,) = fleet_plan(Result(steps=[*members, *steps]), version="1.18.2").workloads
    return copies(workload)


@pytest.mark.parametrize("keeps", [True, False])
def test_plan_says_that_copies_stay_in_members(keeps):
    """Regression: with `onRemoval: keep`, the plan showed the copies as deleted."""
    both = {"templates": [web()], "placement": on("member1", "member2")}
    kept = {"preserveResourcesOnDeletion": True} if keeps else {}
    expected = "Deployment default/web"
    expected += " stays there, without Karmada's marks (onRemoval: keep)" if keeps else ""
    step = of_workload(rollout_step(both, both))
    removed = replace(step, op=Op.DELETE, new=None)
    found = planned(policy_step(Op.DELETE, placement=both["placement"], **kept), removed)
    assert found == dict.fromkeys(("member1", "member2"), ("gone", (expected,)))
    fewer = of_workload(rollout_step({**both, "placement": on("member1")}, both))
    found = planned(policy_step(Op.SAME, placement=both["placement"], **kept), fewer)
    assert found["member2"] == ("gone", (expected,))


def test_plan_names_suspended_objects():
    suspension = {"dispatchingOnClusters": {"clusterNames": ["member2"]}}
    asked = {"templates": [web()], "placement": on("member1", "member2")}
    found = planned(rollout_step({**asked, "suspension": suspension}))
    assert [details[1:] for _, details in found.values()] == [(), ("suspended: Karmada sends nothing there",)]
    same = rollout_step({**asked, "suspension": suspension}, asked)
    assert planned(same) == dict.fromkeys(("member1", "member2"), ("stays", ()))


# -- Works that Karmada doesn't finish ---------------------------------------------------------------------------------

GOING = "2026-01-01T00:00:00Z"
ANY = pytest.mark.parametrize(
    ("applied", "reason"),
    [
        ("", "the copy was never sent"),
        ("False", "the copy was not applied: no such kind"),
        ("True", "can't do that: was the copy deleted there?"),
    ],
)


def work_in_deletion(applied, **spec):
    """Return a Work of a kept workload, which is being deleted."""
    item = work(web(), "m1", identity="id-web", applied=applied, message="no such kind", **spec)
    return {**item, "metadata": {**item["metadata"], "deletionTimestamp": GOING}}


def plane_with(*works):
    """Return a control plane where the template of Works is deleted, but not its binding."""
    bound = binding(web(), ["m0"])
    return Plane(cluster("m0"), cluster("m1"), bound, *works)


@ANY
def test_member_that_cannot_leave_is_named_with_the_work_that_blocks_it(applied, reason):
    """Regression: the message had only the Cluster's finalizer."""
    ref = ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "m1")
    text = why_cluster_stays(plane_with(work_in_deletion(applied, preserveResourcesOnDeletion=True)), ref)
    assert text == (
        "Karmada doesn't finish deleting Work karmada-es-m1/web-1 (Deployment default/web): with `onRemoval: keep` it "
        f"first removes its marks from the copy in m1, and {reason}"
    )
    assert why_cluster_stays(plane_with(work_in_deletion(applied)), ref) == "", "it deletes its copy, and so it ends"
    unhurried = work(web(), "m1", identity="id-web", applied=applied, preserveResourcesOnDeletion=True)
    assert why_cluster_stays(plane_with(unhurried), ref) == "", "nobody deletes it"
    assert (
        why_cluster_stays(plane_with(work_in_deletion(applied, preserveResourcesOnDeletion=True)), ref_of(web())) == ""
    )


@ANY
def test_deletion_of_a_cluster_names_the_work_that_blocks_it(applied, reason):
    plane = plane_with(work_in_deletion(applied, preserveResourcesOnDeletion=True))
    ref = ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "m1")
    plane.objects[ref]["metadata"] |= {"uid": "u", "finalizers": ["karmada.io/cluster-controller"]}
    plane.delete = lambda *_, **__: None
    provider = KubernetesProvider(lambda: plane)
    kind = "kubernetes:cluster.karmada.io/v1alpha1:Cluster"
    live_one = plane.objects[ref]
    old = ResourceState(f"urn:pulumi:s::p::{kind}::m1-cluster", True, kind, id="m1", inputs=live_one, outputs=live_one)
    with pytest.raises(FlotillaError, match="m1 is not gone after") as failed:
        provider.delete(old, timeout=0.01)
    assert reason in failed.value.message
    assert "remove the Work's finalizer" in failed.value.hint


@ANY
def test_pull_member_that_cannot_be_drained_has_the_reason(applied, reason):
    plane = plane_with(work_in_deletion(applied, preserveResourcesOnDeletion=True))
    plane.objects[ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "m1")]["spec"]["syncMode"] = "Pull"
    with pytest.raises(FlotillaError, match="member m1 can't leave after 0 s: Karmada doesn't finish") as failed:
        drain(plane, "m1", 0)
    assert reason in failed.value.message


def test_destroy_that_waits_for_a_kept_copy_names_what_karmada_waits_for():
    """Regression: the message said that finalizers in the members may keep the copies, but there are none."""
    ref = ref_of(web())
    plane = plane_with(work_in_deletion("True", preserveResourcesOnDeletion=True))
    with pytest.raises(FlotillaError, match="Deployment default/web in m1 is not done after 0 s: Karmada") as failed:
        await_withdrawn(plane, [ref], 0)
    assert "was the copy deleted there?" in failed.value.message
    with pytest.raises(FlotillaError, match="copies are still there after 0 s: Deployment default/web in m1"):
        await_withdrawn(plane_with(work_in_deletion("True")), [ref], 0)


@pytest.mark.parametrize(("applied", "reason"), [("", ""), ("False", ""), ("True", "was the copy deleted there?")])
def test_rollout_does_not_wait_for_a_kept_copy_that_never_existed(applied, reason):
    """A member refused the workload, and the placement now excludes it.

    Regression: it was waited for until the timeout.
    """
    template = web()
    objects = [cluster("m0"), cluster("m1"), live(template), binding(template, ["m0"], placement=on("m0"))]
    sent = work(template, "m0", identity="id-web")
    check = RolloutCheck([template], on("m0"), [], {"m0": {"id": "m0", "unanswered": ""}})
    left = work_in_deletion(applied, preserveResourcesOnDeletion=True)
    (progress,) = check.progress(read_all(Plane(*objects, sent, left), [ref_of(template)]))
    assert progress.done is not bool(reason), str(progress)
    assert reason in str(progress)
    (progress,) = check.progress(read_all(Plane(*objects, sent, work_in_deletion(applied)), [ref_of(template)]))
    assert "its copy is still there" in str(progress)


@pytest.mark.parametrize(
    ("workload", "warns"),
    [
        ({"onRemoval": "keep", "suspend": True}, True),
        ({"onRemoval": "keep", "suspend": ["member2"]}, True),
        ({"onRemoval": "keep"}, False),
        ({"suspend": True}, False),
        ({"onRemoval": "keep", "suspend": False}, False),
    ],
)
def test_kept_workload_that_was_never_sent_is_reported(fleet_of, workload, warns):
    found = [line for line in notices(fleet_of(workload)) if "onRemoval" in line]
    assert [("Karmada doesn't finish the removal" in line) for line in found] == ([True] if warns else [])


def test_plan_does_not_promise_that_an_unsent_copy_stays():
    """Regression: the plan said that the copy stays in the member, which may have none."""
    suspension = {"dispatchingOnClusters": {"clusterNames": ["member2"]}}
    both = {"templates": [web()], "placement": on("member1", "member2")}
    step = of_workload(rollout_step({**both, "placement": on("member1")}, {**both, "suspension": suspension}))
    kept = policy_step(Op.SAME, placement=both["placement"], preserveResourcesOnDeletion=True)
    ((verb, (detail,)),) = [one for name, one in planned(kept, step).items() if name == "member2"]
    assert (verb, "is suspended there: if it was never sent" in detail) == ("gone", True)
