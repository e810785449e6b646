"""Moves of workloads in plans and in drift."""

from dataclasses import replace

import pytest

from flotilla.deploy.declared import Declared
from flotilla.drift.findings import Finding, Layer
from flotilla.drift.moving import UNDER_WAY, without_moving
from flotilla.drift.plan import compare_object
from flotilla.karmada.moving.marks import MOVING, Mark
from flotilla.kube.connection import KindNotServed
from flotilla.kube.objects import ref_of
from flotilla.plan.adoptions import only_looks
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.gapless import MOVE_TYPE
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Op, Result
from tests.unit.moving import policy as sender
from tests.unit.planes import Answers, web
from tests.unit.rollouts import on
from tests.unit.test_plan_found import nginx, object_step, policy, step

JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "default"}, "spec": {}}


def planned(before, after, *, moves=True, templates=None, **more):
    templates = templates or [nginx(2)]
    props = {"workload": "nginx", "templates": templates, "overrideRules": [], **more}
    rollout = step(ROLLOUT_TYPE, "nginx-rollout", {**props, "placement": before}, {**props, "placement": after})
    names = ("member1", "member2", "member3")
    inputs = {name: {"kind": "Cluster", "metadata": {"name": name}} for name in names}
    clusters = [step(CLUSTER_TYPE, f"{name}-cluster", one, one, "") for name, one in inputs.items()]
    moving = step(MOVE_TYPE, "nginx-move", {**props, "placement": before}, {**props, "placement": after})
    sent = policy(after)
    if "suspension" in more:
        sent["spec"]["suspension"] = more["suspension"]
    objects = [object_step(policy(before), sent), *(object_step(one, one) for one in templates)]
    return Result(steps=[*clusters, *objects, moving if moves else replace(moving, op=Op.SAME), rollout])


def notices_and_plan(result):
    plan = fleet_plan(result, version="1.18.2")
    return [notice_text(one) for one in plan.workloads[0].notices], plan


ORDER = "first on member2, then off member1"


def test_plan_shows_the_order_of_a_move_and_counts_copies_as_usual():
    result = planned(on("member1"), on("member2"))
    texts, plan = notices_and_plan(result)
    assert texts == [ORDER]
    (radius,) = plan.blast_radius.workloads
    assert (radius.added, radius.removed) == (("member2",), ("member1",))
    assert plan.workloads[0].to_json()["notices"][0]["what"] == "moves"


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        (on("member1"), on("member1", "member2"), {}),
        (on("member1", "member2"), on("member1"), {}),
        (on("member1"), on("member2"), {"moves": False}),
        (on("member1"), on("member2"), {"lazy": True}),
        (on("member1"), on("member2"), {"suspension": {"dispatching": True}}),
        (on("member1"), on("member2"), {"templates": [nginx(2), JOB]}),
    ],
)
def test_plan_shows_no_order_if_nothing_moves_or_karmada_moves_it(before, after, more):
    assert ORDER not in notices_and_plan(planned(before, after, **more))[0]


def test_first_plan_after_an_upgrade_creates_the_move_resource_and_changes_no_cluster():
    made = step(MOVE_TYPE, "nginx-move", None, {"workload": "nginx"})
    assert made.op is Op.CREATE
    assert only_looks(made)


# -- drift -----------------------------------------------------------------------------------------

MARK = Mark(leaving=("a",), coming=("b",), by="process 7 on ci-3", since="2026-01-01T10:00:00+00:00")


class Plane(Answers):
    """Serves no definitions, so that lists are compared as a whole."""

    def resource(self, api_version, kind):
        raise KindNotServed(f"no {kind} in {api_version}", status=404)


def moving_policy(placement, **spec):
    """Return a policy as it is while its workload moves."""
    live = sender(placement, web(), **spec)
    return {**live, "metadata": {**live["metadata"], "annotations": {MOVING: MARK.write()}}}


def test_policy_with_both_places_is_a_move_in_progress_and_not_changed():
    declared = sender(on("a"), web())
    (found,) = compare_object(Plane(moving_policy(on("a", "b"))), "karmada", declared)
    assert (found.rule, found.time) == (UNDER_WAY, "2026-01-01T10:00:00+00:00")
    assert "from a to b is under way by process 7 on ci-3" in found.message
    assert "`flotilla up` continues" in found.message


def test_other_differences_of_such_a_policy_are_found():
    declared = sender(on("a"), web(), priority=3)
    rules = [one.rule for one in compare_object(Plane(moving_policy(on("a", "b"), priority=5)), "karmada", declared)]
    assert rules == [UNDER_WAY, "object-changed"]


def test_changes_by_a_move_are_no_drift_and_changes_by_others_are():
    template, policy_ = web(), sender(on("a"), web())
    declared = Declared(objects={"karmada": [template, policy_]})
    name = str(ref_of(template))
    moving = Finding(Layer.PLAN, UNDER_WAY, "karmada", str(ref_of(policy_)), "")
    raised = Finding(Layer.PLAN, "object-changed", "karmada", name, "", path="spec.replicas")
    elsewhere = Finding(Layer.PROPAGATION, "not-propagated", "karmada", name, "")
    image = Finding(Layer.PLAN, "object-changed", "karmada", name, "", path="spec.template")
    copy = Finding(Layer.MEMBERS, "copy-changed", "a", name, "", path="spec.replicas")
    other = Finding(Layer.PROPAGATION, "not-propagated", "karmada", "Deployment default/other", "")
    everything = [moving, raised, elsewhere, image, copy, other]
    assert without_moving(everything, declared) == [moving, image, copy, other]
    assert without_moving(everything[1:], declared) == everything[1:]
