"""A state stores the content of each template once: the workload's Rollout has only references with digests."""

import json
from dataclasses import replace

import pytest

from components import KarmadaControlPlane, PropagatedWorkload, rollout
from components.rollout import RolloutProvider, redivided
from flotilla.engine.stack import EmbeddedStack
from flotilla.karmada.propagation import template
from flotilla.karmada.scaling import scaled
from flotilla.karmada.status import waiting
from flotilla.karmada.status.rollout import ClusterProgress, Progress
from flotilla.karmada.template_references import bare, reference_to
from flotilla.kube.objects import ref_of, whole
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.rollouts import rollouts_of
from flotilla.plan.steps import Op, Result
from flotilla.stack.workloads import Workload
from flotilla.state.checkpoint import Encoder, Snapshot
from flotilla.state.config import Project
from flotilla.state.values import Secret, reveal
from tests.faults import FakeApi
from tests.unit.rollouts import changes, props, web
from tests.unit.test_plan_found import CLUSTER_TYPE, PLACEMENT, nginx, object_step, step

SETTINGS, PASSWORD = "what-the-settings-say", "what-nobody-may-see"
SYSTEM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}


def objects(settings=SETTINGS):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": settings}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"a": PASSWORD}}
    return [config, secret]


@pytest.fixture
def fake():
    with FakeApi(SYSTEM) as server:
        yield server


@pytest.fixture
def stack(fake, tmp_path, monkeypatch):
    """Return a stack of one workload whose rollout is done at once."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    (tmp_path / "Pulumi.yaml").write_text("name: unit\nruntime: python\n")
    done = [Progress(ref_of(one), (ClusterProgress("member1", None, None),)) for one in objects()]
    monkeypatch.setattr(rollout, "_looking", lambda _props, _divided, _marks: lambda: done)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.001)

    def of(settings=SETTINGS):
        def program():
            plane = KarmadaControlPlane("karmada", {"kubeconfig": fake.kubeconfig})
            shop = Workload(name="shop", manifests=["shop.yaml"], placement={})
            PropagatedWorkload("shop", {"control_plane": plane, "workload": shop, "objects": objects(settings)})

        return EmbeddedStack(Project.load(tmp_path), "dev", tmp_path / "state", program=program)

    return of


def holders(stack, text):
    """Return the names of the resources of a stack's state that contain a text, decrypted."""
    resources = stack.snapshot().resources
    return [one.name for one in resources if text in json.dumps(reveal([one.inputs, one.outputs]))]


def as_before(stack):
    """Write a stack's state in the older form, in which Rollouts had whole templates."""
    opened, _ = stack._open()
    templates = Secret([template(one, namespace="default") for one in objects()])
    old = tuple(
        replace(
            one,
            inputs={**one.inputs, "templates": templates},
            outputs={key: value for key, value in {**one.outputs, "templates": templates}.items() if key != "written"},
        )
        if one.type == ROLLOUT_TYPE
        else one
        for one in opened.snapshot.resources
    )
    stack.files.write(Encoder(opened.crypter, stack.files.qualified).encode(Snapshot(old)))


def test_only_the_resource_of_a_template_has_its_content_in_the_state(stack):
    """Regression: the state had it five times, four of them in inputs and outputs of the Rollout."""
    assert stack().up().failures == []
    assert holders(stack(), SETTINGS) == ["configmap-default/settings"]
    assert holders(stack(), PASSWORD) == []
    assert holders(stack(), "d2hhdC1ub2JvZHktbWF5LXNlZQ==") == ["secret-default/login"]
    digests = [entry["digest"] for one in stack().snapshot().resources if one.type == ROLLOUT_TYPE
               for entry in one.inputs["templates"]]  # fmt: skip
    assert [isinstance(digest, Secret) for digest in digests] == [False, True]
    assert reveal(digests[1]) not in stack().files.checkpoint.read_text()


def test_changed_value_changes_the_object_and_its_wait(stack):
    stack().up()
    plan = stack("another").preview()
    assert {(step.op, step.name) for step in plan.changes} == {
        (Op.UPDATE, "configmap-default/settings"),
        (Op.UPDATE, "shop-rollout"),
    }
    (waits,) = [step for step in plan.changes if step.type == ROLLOUT_TYPE]
    assert [change.text for change in waits.changes] == ["templates[0].digest"]
    assert stack("another").up().failures == []
    assert stack("another").preview().changes == []


def test_state_with_whole_templates_has_an_empty_plan_and_loses_them_with_the_next_change(stack):
    stack().up()
    as_before(stack())
    assert holders(stack(), SETTINGS) == ["configmap-default/settings", "shop-rollout"]
    assert stack().preview().changes == []
    assert stack().up().changes == []
    assert [step.op for step in stack("another").preview().changes] == [Op.UPDATE] * 2
    assert stack("another").up().failures == []
    assert holders(stack(), SETTINGS) == []
    assert holders(stack(), "another") == ["configmap-default/settings"]
    assert stack("another").preview().changes == []


def test_rollout_with_whole_templates_shows_the_same_changes():
    old = props(settled=True)
    new = {**old, "templates": [reference_to(web())]}
    assert not changes(old, new)
    assert changes(old, {**new, "templates": [reference_to(web(5))]})
    assert redivided(old, new) == frozenset()
    assert redivided(old, {**new, "templates": [reference_to(web(5))]}) == {ref_of(web())}
    more = {**web(), "spec": {**web()["spec"], "paused": None}}
    assert reference_to(more) == reference_to(web()), "null is the same as absent"
    assert reference_to(whole({**web(), "spec": {**web()["spec"], "replicas": 4.0}})) == reference_to(web())


def test_replicas_of_an_autoscaler_are_not_in_the_digest():
    assert reference_to(scaled(web(2), "FederatedHPA web")) == reference_to(scaled(web(7), "FederatedHPA web"))
    assert reference_to(web(2)) != reference_to(web(7))


def test_object_of_a_reference_is_recognised():
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    skipped = {**space, "metadata": {"name": "shop", "labels": {"namespace.karmada.io/skip-auto-propagation": "true"}}}
    for declared in (space, skipped, web()):
        entry = reference_to(declared)
        assert ref_of(bare(entry)) == ref_of(declared)
        assert reference_to(entry) is entry
    assert bare(reference_to(skipped)) == skipped
    assert bare(reference_to(space)) == space


def test_replicas_that_are_no_number_do_not_end_the_program():
    """The error is reported when the stack file is read, and by the wait."""
    odd = {**web(), "spec": {**web()["spec"], "replicas": "two"}}
    assert "replicas" not in reference_to(odd)


# -- plans -----------------------------------------------------------------------------------------------------------


def planned(before, after, *steps):
    props = {"workload": "nginx", "placement": PLACEMENT, "overrideRules": []}
    clusters = [
        step(CLUSTER_TYPE, f"{n}-cluster", inputs := {"kind": "Cluster", "metadata": {"name": n}}, inputs, "")
        for n in ("member1", "member2", "member3")
    ]
    waits = step(ROLLOUT_TYPE, "nginx-rollout", {**props, "templates": before}, {**props, "templates": after})
    plan = fleet_plan(Result([*clusters, waits, *steps]))
    return plan.to_json(), plan.rendered


@pytest.mark.parametrize(
    ("old", "new"), [(nginx(7), nginx(7)), (nginx(3), nginx(7)), (None, nginx(7)), (nginx(7), None)]
)
def test_plan_is_the_same_for_references_and_whole_templates(old, new):
    before, after = [one for one in (old,) if one], [one for one in (new,) if one]
    known = [reference_to(one) for one in before], [reference_to(one) for one in after]
    assert planned(*known, object_step(old, new)) == planned(before, after, object_step(old, new))


def test_secret_that_an_engine_hides_is_not_shown_as_unchanged():
    """Pulumi's CLI shows the same marker before and after, in the object and in the Rollout's digest."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}
    hidden = {**secret, "data": Secret(None)}
    entry = {**reference_to(secret), "digest": Secret(None)}
    updated = replace(object_step(hidden, {**hidden, "type": None}), op=Op.UPDATE)
    found, rendered = planned([entry], [entry], updated)
    (workload,) = found["workloads"]
    assert workload["verb"] == "changes"
    assert [copy["details"] for copy in workload["clusters"]] == [['data["[secret]"] [secret] → [secret]']] * 2
    assert "after" not in json.dumps(rendered)
    (workload,) = planned([entry], [entry], object_step(hidden, hidden))[0]["workloads"]
    assert workload["verb"] == "stays"


def test_declarations_from_a_state_have_the_content_of_templates(stack):
    stack().up()
    check = rollouts_of(stack().snapshot()).checks["shop"]
    found = {one["metadata"]["name"]: one for one in check.templates}
    assert sorted(found) == ["login", "settings"]
    assert found["settings"]["data"] == {"a": SETTINGS}
    only = Snapshot(tuple(one for one in stack().snapshot().resources if one.type == ROLLOUT_TYPE))
    assert [ref_of(one).name for one in rollouts_of(only).checks["shop"].templates] == ["settings", "login"]


def test_provider_accepts_references_with_floating_point_numbers():
    entry = {**reference_to(web()), "replicas": 4.0}
    olds = {**props(settled=True), "templates": [entry]}
    assert not RolloutProvider().diff("web", olds, {**olds, "templates": [reference_to(web())]}).changes
