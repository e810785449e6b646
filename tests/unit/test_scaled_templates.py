"""An autoscaler of the control plane owns the replicas of its template: no run, plan or drift check interferes."""

from dataclasses import replace

import pytest

from flotilla.deploy.declared import declared
from flotilla.engine.goal import keep_ignored
from flotilla.engine.refresh import _differences
from flotilla.karmada.scaling import SCALED_BY, replicas_from, scaled
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Result
from flotilla.providers.ownership import left_to_others
from flotilla.state.checkpoint import ResourceState, Snapshot
from tests.unit.control_plane import AUTOSCALER, write
from tests.unit.planes import EVERYWHERE, Plane, binding, check_once, cluster, live, work
from tests.unit.rollouts import changes, divided, on, props, web
from tests.unit.test_components import absolute, run  # noqa: F401 - the program, with recording mocks
from tests.unit.test_kubernetes_provider import Server, entry
from tests.unit.test_plan_taints import cluster_step, copies, rollout_step

SCALER = "FederatedHPA web"
OURS = entry("us", "Apply", {"f:spec": {"f:replicas": {}}})
THEIRS = entry("karmada-controller-manager", "Update", {"f:spec": {"f:replicas": {}}}, subresource="scale")


def autoscaled(replicas=2):
    return scaled(web(replicas), SCALER)


def stored_template(replicas, *owners):
    live = {**web(replicas)}
    return {**live, "metadata": {**live["metadata"], "uid": "1", "resourceVersion": "7", "managedFields": list(owners)}}


def state(inputs, **more):
    own = "flotilla:index:PropagatedWorkload$kubernetes:apps/v1:Deployment"
    urn = f"urn:pulumi:s::p::{own}::deployment-default/web"
    outputs = {**inputs, "__fieldManager": "us"}
    return ResourceState(urn, True, "kubernetes:apps/v1:Deployment", inputs=inputs, outputs=outputs, **more)


# -- apply -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owners", "sent"),
    [([OURS], 5), ([OURS, THEIRS], 5), ([THEIRS], None), ([], 5)],
    ids=["ours", "both", "theirs", "nobody's"],
)
def test_ignored_field_is_sent_with_its_current_value_or_not_at_all(owners, sent):
    """Regression: with only `ignore_changes`, the state's value was applied by force: 5 replicas became 2 again."""
    applied = left_to_others(web(2), stored_template(5, *owners), "us", ["spec.replicas"])
    assert applied["spec"].get("replicas") == sent
    assert applied["spec"]["template"] == web(2)["spec"]["template"]


def test_ignored_field_that_the_object_does_not_have_is_sent_as_declared():
    live = stored_template(5)
    del live["spec"]["replicas"]
    assert left_to_others(web(2), live, "us", ["spec.replicas"]) == web(2)
    assert left_to_others(web(2), live, "us", ["spec.paused"]) == web(2)


@pytest.mark.parametrize("dry_run", [True, False])
def test_update_leaves_an_ignored_field_to_its_owner(dry_run):
    server = Server(stored_template(5, THEIRS), there=stored_template(5, THEIRS))
    old = state(web(2), id="default/web", ignore_changes=("spec.replicas",))
    server.answers[0]["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    if dry_run:
        server.provider.dry_run(old, web(2))
    else:
        server.provider.update(old, web(2), timeout=None)
    assert "replicas" not in server.asked[0][1]["spec"]
    server.provider.update(replace(old, ignore_changes=()), web(2), timeout=None)
    assert server.asked[-1][1]["spec"]["replicas"] == 2


class Registry:
    def provider(self, *_names):
        return Server(stored_template(2)).provider


def test_refresh_reports_no_change_of_an_ignored_field():
    deployment = type("Deployment", (), {"registry": Registry()})()
    old = state(web(2), id="default/web")
    found = replace(old, inputs=web(5))
    assert [change.text for change in _differences(deployment, old, found)] == ["spec.replicas"]
    ignored = replace(old, ignore_changes=("spec.replicas",))
    assert _differences(deployment, ignored, replace(found, ignore_changes=("spec.replicas",))) == ()


# -- declarations ----------------------------------------------------------------------------------------------------


def test_field_that_is_left_to_others_is_not_declared():
    """Regression: drift reported each scaling as a change of the template."""
    found = declared(Snapshot((state(web(2), ignore_changes=("spec.replicas",)),)))
    (template,) = found.objects[""]
    assert template == keep_ignored(web(2), {}, ("spec.replicas",))
    assert "replicas" not in template["spec"]


def test_program_declares_the_annotation_and_ignores_the_replicas(run, absolute, project):  # noqa: F811
    scaling = {"name": "web", "namespace": "default"}
    absolute["objects"] = write(project, scaling=AUTOSCALER)
    absolute["objects"][0]["manifests"] = [str(project / "scaling.yaml")]
    registered = run(absolute)
    assert registered["federatedhpa-default/web"].inputs["metadata"] == scaling
    template = registered["deployment-default/nginx"].inputs
    assert template["metadata"]["annotations"][SCALED_BY] == SCALER
    (rolled,) = registered["nginx-rollout"].inputs["templates"]
    assert "replicas" not in rolled, "another number in the manifest is no change"
    order = list(registered)
    assert order.index("deployment-default/nginx") < order.index("federatedhpa-default/web")


def test_replicas_are_left_alone_only_if_an_autoscaler_owns_them():
    assert replicas_from(autoscaled(2), web(5))["spec"]["replicas"] == 5
    assert replicas_from(web(2), web(5))["spec"]["replicas"] == 2
    assert replicas_from(autoscaled(2), None) == autoscaled(2)
    assert replicas_from(autoscaled(2), {"spec": {}}) == autoscaled(2)


# -- the rollout -----------------------------------------------------------------------------------------------------


def test_rollout_is_done_with_the_replicas_of_the_autoscaler():
    """Regression: it waited until its timeout for the number in the manifest."""
    sent = work(autoscaled(5), "m0", identity="id-web")
    plane = Plane(cluster("m0"), live(autoscaled(5)), binding(autoscaled(5), ["m0"]), sent)
    (progress,) = check_once(RolloutCheck([autoscaled(2)], EVERYWHERE, []), plane)
    assert progress.done, str(progress)
    (progress,) = check_once(RolloutCheck([web(2)], EVERYWHERE, []), plane)
    assert "spec.replicas differs" in progress.waiting_for


def test_changed_replicas_in_the_manifest_are_no_new_rollout():
    assert not changes(props(templates=[autoscaled(2)]), props(templates=[autoscaled(3)]))
    assert changes(props(templates=[web(2)]), props(templates=[web(3)]))
    assert changes(props(templates=[web(2)]), props(templates=[autoscaled(2)]))


# -- the plan --------------------------------------------------------------------------------------------------------


def test_plan_promises_no_replicas_that_the_autoscaler_owns():
    members = [cluster_step("member1"), cluster_step("member2")]
    placement = divided("member1", "member2", member1=1, member2=1)
    step = rollout_step(
        {"templates": [autoscaled(8)], "placement": placement},
        {"templates": [autoscaled(4)], "placement": placement},
        {"member1": 2, "member2": 2},
    )
    (workload,) = fleet_plan(Result(steps=[*members, step]), version="1.18.2").workloads
    assert copies(workload) == {"member1": ("stays", ()), "member2": ("stays", ())}
    (said,) = [notice_text(one) for one in workload.notices if one.what == "scaled"]
    assert said.startswith("Deployment default/web: FederatedHPA web of the control plane sets its replicas")


def test_new_workload_starts_with_the_replicas_of_its_manifest():
    step = rollout_step({"templates": [autoscaled(3)], "placement": on("member1")})
    (workload,) = fleet_plan(Result(steps=[cluster_step("member1"), step]), version="1.18.2").workloads
    verb, details = copies(workload)["member1"]
    assert verb == "new"
    assert any("3 replicas" in line for line in details)
