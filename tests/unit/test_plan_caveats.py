"""A plan says where it shows less than will happen, or changes that happen later, instead of seeming certain."""

from dataclasses import replace

import pytest

from flotilla.deploy.clusters import with_clusters
from flotilla.karmada.propagation import propagation_policy
from flotilla.kube.connection import KindNotServed, Unreachable
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Op, Result, Step
from flotilla.state.values import UNKNOWN, Secret
from tests.unit.rollouts import on, web
from tests.unit.test_plan_taints import BOTH, cluster_step, copies, declared, rollout_step
from tests.unit.test_suspension_and_removal import of_workload, resource

MEMBERS = (cluster_step("member1"), cluster_step("member2"))
HIDDEN = pytest.mark.parametrize("hidden", ["[secret]", Secret("[secret]"), Secret(None)])


def planned(*steps, **keys):
    (workload,) = fleet_plan(Result(steps=list(steps), **keys), version="1.18.2").workloads
    return workload


def notices_by_reason(workload):
    return {str(one.what): notice_text(one) for one in workload.notices}


# -- the control plane is not asked -----------------------------------------------------------------------------------


@HIDDEN
def test_plan_says_that_taints_are_those_of_the_state(hidden):
    """Pulumi's CLI hides kubeconfigs. Regression: a cordon since the last run was in no plan, and no text said so."""
    step = rollout_step({**declared(6, BOTH), "kubeconfig": hidden})
    result = with_clusters(Result(steps=[*MEMBERS, step]))
    (workload,) = fleet_plan(result, version="1.18.2").workloads
    assert notices_by_reason(workload)["by-the-state"].startswith(
        "the control plane was not read (this engine hides its kubeconfig): this plan uses the taints and interpreters"
    )
    assert "by-the-state" in str(fleet_plan(result).to_json()["workloads"])


def test_control_plane_that_does_not_answer_is_named(monkeypatch):
    def refuse(*_args, **_keys):
        raise Unreachable("Karmada: no answer within 5 s", status=0)

    monkeypatch.setattr("flotilla.deploy.clusters.connect", refuse)
    step = rollout_step({**declared(6, BOTH), "kubeconfig": Secret("a kubeconfig")})
    result = with_clusters(Result(steps=[*MEMBERS, step]))
    assert "(Karmada: no answer within 5 s)" in notices_by_reason(fleet_plan(result).workloads[0])["by-the-state"]


def test_control_plane_without_interpreter_kinds_counts_as_asked(monkeypatch):
    class ControlPlane:
        def ready(self, **_keys):
            return None

        def list(self, _api_version, kind):
            if kind == "Cluster":
                return [{"metadata": {"name": "member1"}}]
            raise KindNotServed("Karmada: serves no ResourceInterpreterCustomization", status=404)

    monkeypatch.setattr("flotilla.deploy.clusters.connect", lambda *_args, **_keys: ControlPlane())
    step = rollout_step({**declared(6, BOTH), "kubeconfig": Secret("a kubeconfig")})
    result = with_clusters(Result(steps=[*MEMBERS, step]))
    assert (result.unasked, list(result.clusters), result.interpreters) == ("", ["member1"], [])


def test_no_caveat_where_the_control_plane_makes_no_difference():
    """There is no Cluster yet, the workload doesn't change, or this run creates the control plane."""
    new = {**declared(6, BOTH), "kubeconfig": "[secret]"}
    coming = [Step(Op.CREATE, one.urn, one.type, new=one.new) for one in MEMBERS]
    assert notices_by_reason(planned(*coming, rollout_step(new), unasked="why")) == {}
    same = replace(rollout_step(new, new), op=Op.SAME)
    assert notices_by_reason(planned(*MEMBERS, same, unasked="why")) == {}
    assert with_clusters(Result(steps=[rollout_step({**new, "kubeconfig": UNKNOWN})])).unasked == ""
    assert with_clusters(Result(steps=list(MEMBERS))).unasked == ""


# -- values that the engine hides ------------------------------------------------------------------------------------


@HIDDEN
def test_copies_with_hidden_overrides_are_not_shown_as_certain(hidden):
    new = {**declared(2, BOTH), "overrideRules": hidden}
    workload = planned(*MEMBERS, rollout_step(new))
    assert notices_by_reason(workload) == {
        "hidden-overrides": "its overrides are hidden, since one of them sets a secret: copies are shown without any "
        "of its overrides"
    }
    open_ = {**declared(2, BOTH), "overrideRules": [{"overriders": {"plaintext": [{"value": Secret("x")}]}}]}
    assert "hidden-overrides" not in notices_by_reason(planned(*MEMBERS, rollout_step({**open_, "templates": []})))


@HIDDEN
@pytest.mark.parametrize(("op", "verb"), [(Op.CREATE, "new"), (Op.UPDATE, "changes"), (Op.DELETE, "gone")])
def test_workload_that_is_hidden_as_a_whole_is_not_shown_as_unchanged(hidden, op, verb):
    """With Pulumi's CLI this is a workload with a Secret. Regression: the plan had no line for it."""
    both = {**declared(2, BOTH), "templates": hidden}
    step = replace(rollout_step(both, both), op=op)
    workload = planned(*MEMBERS, replace(step, new=None) if op is Op.DELETE else step)
    assert (workload.verb, workload.copies) == (verb, ())
    assert ("hidden-objects" in notices_by_reason(workload)) is (op is not Op.DELETE)
    assert planned(*MEMBERS, replace(step, op=Op.SAME)).verb == "stays"


# -- changes that take effect later ----------------------------------------------------------------------------------


def lazy(placement, old_placement, *, templates=None, op=Op.UPDATE, **keys):
    """Return the steps of a workload whose lazy policy changes from one placement to another."""
    old = {"templates": [web()], "placement": old_placement, "lazy": True}
    new = {"templates": templates or [web()], "placement": placement, "lazy": True, **keys}
    rollout = of_workload(rollout_step(new, old, {"member1": 4}))
    kind = "kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy"
    befores, afters = (
        resource(
            kind,
            "web-policy",
            propagation_policy("web", namespace="default", templates=[web()], spec={"placement": one, **more}),
        )
        for one, more in ((old_placement, {}), (placement, {"priority": 2} if placement == old_placement else {}))
    )
    return rollout, Step(op, befores.urn, kind, old=befores, new=afters)


def test_change_of_a_lazy_policy_is_not_shown_as_immediate():
    """Karmada moves nothing until a template changes. Regression: the plan showed the copies at the new placement."""
    workload = planned(*MEMBERS, *lazy(on("member2"), on("member1")))
    assert copies(workload) == {"member1": ("stays", ())}
    assert notices_by_reason(workload) == {
        "lazy": "the change of the policy has no effect yet on Deployment default/web: with `activation: Lazy` Karmada "
        "applies it with the next change of the object"
    }


def test_changed_template_applies_the_lazy_policys_change():
    workload = planned(*MEMBERS, *lazy(on("member2"), on("member1"), templates=[web(5)]))
    assert {name: verb for name, (verb, _) in copies(workload).items()} == {"member1": "gone", "member2": "new"}
    assert notices_by_reason(workload) == {}


def test_policy_that_is_no_longer_lazy_takes_effect_at_once():
    workload = planned(*MEMBERS, *lazy(on("member2"), on("member1"), lazy=False))
    assert {name: verb for name, (verb, _) in copies(workload).items()} == {"member1": "gone", "member2": "new"}
    assert notices_by_reason(workload) == {}


@pytest.mark.parametrize(("op", "waits"), [(Op.UPDATE, True), (Op.SAME, False)])
def test_every_field_of_a_lazy_policy_takes_effect_later(op, waits):
    workload = planned(*MEMBERS, *lazy(on("member1"), on("member1"), op=op))
    assert ("lazy" in notices_by_reason(workload)) is waits


def test_lazy_suspension_without_effect_yet_is_not_shown():
    every = {"dispatching": True}
    workload = planned(*MEMBERS, *lazy(on("member1"), on("member1"), suspension=every))
    assert copies(workload) == {"member1": ("stays", ())}
    assert "lazy" in notices_by_reason(workload)
