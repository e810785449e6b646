"""Objects that follow workloads in a plan: `dependencies: true`, Karmada's propagateDeps."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from flotilla.cli.output import Output
from flotilla.deploy.clusters import with_clusters
from flotilla.deploy.interface import EngineName
from flotilla.karmada.objects import POLICY_API
from flotilla.kube.objects import ObjectRef
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.followers import undeclared
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Op, Result, Step
from tests.unit.rollouts import divided, on, web
from tests.unit.test_plan_taints import cluster_step, state

POLICY_TYPE = f"kubernetes:{POLICY_API}:PropagationPolicy"
MEMBERS = tuple(cluster_step(name) for name in ("member1", "member2", "member3"))
SENDS = {"propagateDeps": True}


def config_map(name="common"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def user(name, config="common", replicas=1):
    found = web(replicas)
    container = {"name": "a", "image": "nginx:1.27", "envFrom": [{"configMapRef": {"name": config}}]}
    pod = {"spec": {"containers": [container]}}
    return {**found, "metadata": {**found["metadata"], "name": name}, "spec": {**found["spec"], "template": pod}}


def component(name):
    return f"urn:pulumi:test::flotilla::flotilla:index:PropagatedWorkload::{name}"


def step(found, op, old=None):
    return Step(op, found.urn, found.type, old=old or (None if op is Op.CREATE else found), new=found)


def workload(name, templates, placement, orders=None, *, op=Op.CREATE, before=None):
    """Return the steps of a workload: its policy and its rollout.

    `before` has the former templates, placement and overrides.
    """

    def side(templates, placement, orders):
        spec = {"placement": placement, "conflictResolution": "Abort", **(orders or {})}
        policy = state(
            POLICY_TYPE,
            f"{name}-policy",
            {"apiVersion": POLICY_API, "kind": "PropagationPolicy", "metadata": {"name": name}, "spec": spec},
        )
        inputs = {"workload": name, "overrideRules": [], "templates": templates, "placement": placement}
        rollout = state(ROLLOUT_TYPE, f"{name}-rollout", inputs, {"scheduled": {}})
        return replace(policy, parent=component(name)), replace(rollout, parent=component(name))

    news = side(templates, placement, orders)
    if op is Op.DELETE:
        return [Step(op, one.urn, one.type, old=one) for one in news]
    olds = side(*before) if before else (None, None)
    return [step(new, Op.UPDATE if before else op, old) for new, old in zip(news, olds, strict=True)]


def planned(*steps, version="1.18.2", **result):
    plan = fleet_plan(Result(steps=[*MEMBERS, *(one for each in steps for one in each)], **result), version=version)
    return {one.name: one for one in plan.workloads}


def follows(plan):
    return {(one.object, name): verb for one in plan.follows for name, verb in one.clusters.items()}


BASE = workload("base", [config_map()], on("member1"))


def test_shared_object_is_shown_in_the_clusters_of_its_users():
    plans = planned(
        BASE,
        workload("front", [user("front")], on("member1", "member2"), SENDS),
        workload("back", [user("back")], on("member2", "member3"), SENDS),
    )
    assert follows(plans["front"]) == {("ConfigMap default/common", "member2"): "new"}
    assert follows(plans["back"]) == {
        ("ConfigMap default/common", "member2"): "new",
        ("ConfigMap default/common", "member3"): "new",
    }
    assert follows(plans["base"]) == {}
    (front,) = plans["front"].follows
    assert front.to_json() == {
        "object": "ConfigMap default/common",
        "templates": ["Deployment default/front"],
        "clusters": [{"name": "member2", "verb": "new"}],
    }
    assert front.text("member2") == "ConfigMap default/common follows Deployment default/front"


def test_without_dependencies_nothing_follows():
    plans = planned(BASE, workload("front", [user("front")], on("member2")))
    assert plans["front"].follows == plans["base"].follows == ()
    assert "follows" not in fleet_plan(Result(steps=[*MEMBERS, *BASE])).to_json()["workloads"][0]


def test_object_is_removed_only_from_clusters_of_the_removed_user():
    stays = {"op": Op.SAME}
    front = workload("front", [user("front")], on("member1", "member2"), SENDS, op=Op.DELETE)
    back = workload("back", [user("back")], on("member2", "member3"), SENDS, **stays)
    alone = workload("alone", [user("alone")], on("member3"), SENDS, op=Op.DELETE)
    base = workload("base", [config_map()], on("member1"), **stays)
    plans = planned(base, front, back)
    assert follows(plans["front"]) == {}, "another user keeps it in member2, and its own policy in member1"
    assert follows(plans["back"]) == {
        ("ConfigMap default/common", "member2"): "stays",
        ("ConfigMap default/common", "member3"): "stays",
    }
    plans = planned(base, front, alone)
    assert follows(plans["front"]) == {("ConfigMap default/common", "member2"): "gone"}
    assert follows(plans["alone"]) == {("ConfigMap default/common", "member3"): "gone"}


def test_disabled_dependencies_remove_the_object():
    before = ([user("front")], on("member2"), SENDS)
    plans = planned(BASE, workload("front", [user("front")], on("member2"), before=before))
    assert follows(plans["front"]) == {("ConfigMap default/common", "member2"): "gone"}


@pytest.mark.parametrize(("version", "kept"), [("1.18.2", True), ("1.13", None), ("1.10.7", False)])
def test_removed_object_stays_if_one_of_its_users_has_keep(version, kept):
    keeping = {**SENDS, "preserveResourcesOnDeletion": True}
    front = workload("front", [user("front")], on("member1"), keeping, op=Op.DELETE)
    back = workload("back", [user("back")], on("member2"), SENDS, op=Op.DELETE)
    plan = planned(front, back, version=version)["back"]
    assert follows(plan) == {("ConfigMap default/common", "member2"): "gone"}
    (follower,) = plan.follows
    assert follower.kept is kept
    assert ("its copy stays" in follower.text("member2")) is (kept is not False)


def test_object_may_follow_where_only_karmada_knows_the_users_clusters():
    plans = planned(BASE, workload("front", [user("front")], divided("member2", "member3"), SENDS))
    assert follows(plans["front"]) == {
        ("ConfigMap default/common", "member2"): "may",
        ("ConfigMap default/common", "member3"): "may",
    }


@pytest.mark.parametrize(("version", "wanted"), [("1.18.2", "Overwrite"), ("1.13", "uncertain"), ("1.10.7", "Abort")])
def test_object_without_a_policy_follows_the_policies_of_its_users(version, wanted):
    overwriting = {**SENDS, "conflictResolution": "Overwrite"}
    plans = planned(
        workload("front", [user("front")], on("member1"), SENDS),
        workload("back", [user("back")], on("member2"), overwriting),
        version=version,
    )
    assert [one.conflict_resolution for one in plans["front"].follows] == [wanted]


def test_object_that_does_not_exist_is_named_and_follows_nobody():
    front = workload("front", [user("front", "lost")], on("member1"), SENDS)
    lost = ObjectRef("v1", "ConfigMap", "lost", "default")
    assert undeclared([*front, *BASE]) == [lost]
    plan = planned(front, absent=frozenset({lost}))["front"]
    assert plan.follows == ()
    (notice,) = plan.notices
    assert notice_text(notice) == (
        "Deployment default/front uses ConfigMap default/lost, which neither this stack nor the control plane has: it "
        "follows once it is in the control plane; until then members need it already"
    )


def test_interpreter_of_the_user_decides_about_dependencies():
    customization = {
        "kind": "ResourceInterpreterCustomization",
        "spec": {
            "target": {"apiVersion": "apps/v1", "kind": "Deployment"},
            "customizations": {"dependencyInterpretation": {"luaScript": "-"}},
        },
    }
    plan = planned(workload("front", [user("front")], on("member2"), SENDS), interpreters=[customization])["front"]
    assert plan.follows == ()
    assert [one.what for one in plan.notices] == ["dependencies-interpreted"]


class ControlPlane:
    """A control plane that has one ConfigMap."""

    def ready(self, **_):
        pass

    def list(self, *_):
        return []

    def find(self, ref):
        return {} if ref.name == "there" else None


def test_control_plane_is_asked_for_objects_that_the_stack_lacks(monkeypatch):
    monkeypatch.setattr("flotilla.deploy.clusters.connect", lambda *_, **__: ControlPlane())
    steps = workload("front", [user("front", "lost"), user("second", "there")], on("member1"), SENDS)
    for one in steps:
        one.new.inputs["kubeconfig"] = "kubeconfig"
    result = with_clusters(Result(steps=steps))
    assert result.absent == {ObjectRef("v1", "ConfigMap", "lost", "default")}


def test_followers_are_printed_by_cluster():
    plan = fleet_plan(
        Result(steps=[*MEMBERS, *BASE, *workload("front", [user("front")], on("member2"), SENDS)]), version="1.18.2"
    )
    text = StringIO()
    output = Output(as_json=False)
    output.console = Console(file=text, width=200)
    output.plan(
        plan,
        Result(),
        stack="test",
        engine=EngineName.EMBEDDED,
        detail=False,
        rendered=False,
        title="Plan",
        digest=False,
    )
    assert "    + on member2: ConfigMap default/common follows Deployment default/front" in text.getvalue()


def test_rendered_preview_has_the_followers_with_their_overrides():
    """Regression: `preview --rendered` left followers out."""
    rules = [
        {
            "targetCluster": {},
            "overriders": {"plaintext": [{"operator": "add", "path": "/data", "value": {"by": "us"}}]},
        }
    ]
    base = [replace(one, new=replace(one.new, inputs={**one.new.inputs, "overrideRules": rules})) for one in BASE]
    front = workload("front", [user("front")], on("member2"), SENDS)
    plan = fleet_plan(Result(steps=[*MEMBERS, *base, *front]), version="1.18.2")
    (found,) = [one for one in plan.rendered["member2"] if one["kind"] == "ConfigMap"]
    assert found["data"] == {"by": "us"}


def test_copy_that_its_placement_removes_and_a_user_needs_is_shown_to_stay():
    before = ([config_map()], on("member1", "member2"), None)
    base = workload("base", [config_map()], on("member1"), before=before)
    front = workload("front", [user("front")], on("member2"), SENDS, op=Op.SAME)
    plans = planned(base, front)
    assert follows(plans["front"]) == {("ConfigMap default/common", "member2"): "stays"}
    details = {copy.cluster: copy.details for copy in plans["base"].copies}
    assert "ConfigMap default/common stays: it follows Deployment default/front" in details["member2"]
    assert not any("stays" in detail for detail in details["member1"])
