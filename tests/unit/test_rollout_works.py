"""When a Work has the declared content: divided completions, interpreters of the control plane, failing overrides."""

import pytest

from flotilla.karmada.objects import ResourceBinding, Work
from flotilla.karmada.status.fleet import fleet_of
from flotilla.karmada.status.rollout import RolloutCheck
from tests.unit.rollouts import binding, cluster, divided, on
from tests.unit.templates import job, pods

MEMBERS = ("member1", "member2")


def judge(declared, targets, sent, placement, *, rules=(), replicas=4):
    check = RolloutCheck([declared], placement, list(rules))
    template = {**declared, "metadata": {**declared["metadata"], "uid": "u", "generation": 1}}
    done = {"conditions": [{"type": "Applied", "status": "True"}]}
    works = {
        name: Work.read({"metadata": {"name": "w"}, "spec": {"workload": {"manifests": [one]}}, "status": done})
        for name, one in sent.items()
    }
    bound = ResourceBinding.read(binding(targets, placement, replicas=replicas))
    return str(check.judge(declared, template, bound, works, fleet_of([cluster(name) for name in MEMBERS])))


def with_spec(obj, **spec):
    return {**obj, "spec": {**obj["spec"], **spec}}


@pytest.mark.parametrize("shares", [(9, 3), (3, 9)])
def test_divided_job_is_done_with_karmadas_completions(shares):
    """Regression: every cluster was expected to have the template's completions, so the Job was waited for until the
    timeout.  Before 1.18 a cluster may get the part of another one, which is accepted.
    """
    declared = job(parallelism=4, completions=12, ttlSecondsAfterFinished=60)
    copy = with_spec(declared)
    copy["spec"].pop("ttlSecondsAfterFinished")
    targets = {"member1": 1, "member2": 3}
    sent = {
        name: with_spec(copy, parallelism=targets[name], completions=count)
        for name, count in zip(MEMBERS, shares, strict=True)
    }
    assert judge(declared, targets, sent, divided(*MEMBERS)) == "Job shop/web: healthy in member1, member2"
    wrong = {**sent, "member1": with_spec(copy, parallelism=1, completions=12)}
    assert "spec.completions" in judge(declared, targets, wrong, divided(*MEMBERS))


@pytest.mark.parametrize(("parallelism", "done"), [(3, True), (4, True), (2, False)])
def test_duplicated_job_is_done_with_the_parallelism_of_any_karmada(parallelism, done):
    """With fewer completions than parallelism, Karmada before 1.15 sends the template's parallelism, later less."""
    declared = job(parallelism=4, completions=3)
    sent = {"member1": with_spec(declared, parallelism=parallelism)}
    reported = judge(declared, {"member1": 3}, sent, on("member1"), replicas=3)
    assert ("healthy in member1" in reported) is done


def test_kind_that_karmada_divides_is_done_with_its_share():
    declared = pods("CloneSet", "apps.kruise.io/v1alpha1", replicas=4)
    sent = {"member1": with_spec(declared, replicas=3), "member2": with_spec(declared, replicas=1)}
    assert "healthy in" in judge(declared, {"member1": 3, "member2": 1}, sent, divided(*MEMBERS))


def test_kind_with_an_interpreter_in_the_control_plane_is_done_as_karmada_sends_it():
    """Only the interpreter knows which number it revises: whole numbers may differ, other fields may not."""
    declared = {**pods("Widget", "toys.example.org/v1"), "spec": {"size": 4, "color": "red", "nodes": [{"n": 1}]}}
    sent = {"member1": with_spec(declared, size=3), "member2": with_spec(declared, size=1, nodes=[{"n": 2}])}
    targets = {"member1": 3, "member2": 1}
    assert "healthy in" in judge(declared, targets, sent, divided(*MEMBERS))
    assert "spec.size" in judge(declared, targets, sent, divided(*MEMBERS), replicas=0)
    other = {**sent, "member1": with_spec(declared, color="blue")}
    assert "spec.color" in judge(declared, targets, other, divided(*MEMBERS))


def test_failing_override_is_reported_and_ends_no_look():
    rule = {"overriders": {"plaintext": [{"operator": "remove", "path": "/spec/none"}]}}
    reported = judge(pods(replicas=4), {"member1": 4}, {}, on("member1"), rules=[rule])
    assert "member1: the override fails: Deployment web: remove /spec/none" in reported
