"""Objects that follow others and that no given policy selects: accepted, declared, planned and waited for."""

from dataclasses import replace

import pytest
import yaml

from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.steps import Result
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import ConfigError
from flotilla.workloads.order import in_order
from flotilla.workloads.shared import shared_notices
from tests.unit.planes import Plane, binding, check_once, cluster, live, work
from tests.unit.rollouts import check_in_state, on
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures
from tests.unit.test_given_policies import (
    EVERY_DEPLOYMENT,
    FRONT,
    config,
    deployment,
    given,  # noqa: F401 - a fixture
    names,
    policy,
    selector,
    to,
)
from tests.unit.test_plan_followers import MEMBERS, SENDS, config_map, follows, planned, user, workload

ALONG = {"propagateDeps": True}


def using(name, config_name="c", **labels):
    found = deployment(name, labels)
    found["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": config_name}}]
    return found


def test_object_that_follows_by_propagate_deps_needs_no_policy(given, project):  # noqa: F811
    """Regression: such an object was refused, although Karmada sends it along."""
    fleet = given([using("web"), config("c")], [policy("p", [EVERY_DEPLOYMENT], **ALONG, **to("member2"))])
    assert names(fleet, project) == {"shop": ["web", "c"]}
    (shop,) = fleet.workloads
    assert [one["metadata"] for one in shop.given.followers] == [{"name": "c", "namespace": "default"}]
    found = rendered(fleet, ManifestFiles(project))
    assert {m: [o["kind"] for o in objects] for m, objects in found.items() if objects} == {
        "member2": ["Deployment", "ConfigMap"]
    }


@pytest.mark.parametrize(
    ("template", "spec"),
    [(using("web"), {}), (using("web", "other"), ALONG), (FRONT, ALONG)],
    ids=["no propagateDeps", "another name", "uses nothing"],
)
def test_object_that_does_not_follow_is_refused(given, template, spec):  # noqa: F811
    with pytest.raises(ConfigError, match="no policy selects ConfigMap default/c; it would run nowhere"):
        given([template, config("c")], [policy("p", [EVERY_DEPLOYMENT], **spec, **to("member2"))])


def test_followers_do_not_bring_their_own_dependencies(given):  # noqa: F811
    """Karmada sends the dependencies of objects that a policy selects, but not the dependencies of these."""
    within = {**using("inner", "c"), "kind": "StatefulSet"}
    with pytest.raises(ConfigError, match="no policy selects StatefulSet default/inner"):
        given([using("web", "x"), within, config("c"), config("x")], [policy("p", [EVERY_DEPLOYMENT], **ALONG)])


TWO = [
    policy("one", [selector(using("front"))], **ALONG, **to("member1")),
    policy("two", [selector(using("back"))], **ALONG, **to("member2", "member3")),
]


def test_object_that_follows_objects_of_two_policies_is_declared_once(given, project):  # noqa: F811
    fleet = given([config("c"), using("front"), using("back")], TWO)
    assert names(fleet, project) == {"shop-one": ["c", "front"], "shop-two": ["back"]}
    assert [[one["metadata"]["name"] for one in w.given.followers] for w in fleet.workloads] == [["c"], ["c"]]
    needs = {
        workload.name: [need.what for need in needs] for workload, needs in in_order(fleet, ManifestFiles(project))
    }
    assert needs == {"shop-one": [], "shop-two": ["object/ConfigMap/default/c"]}
    found = rendered(fleet, ManifestFiles(project))
    assert {m: sum(o["kind"] == "ConfigMap" for o in objects) for m, objects in found.items()} == {
        "member1": 1,
        "member2": 1,
        "member3": 1,
    }
    assert shared_notices(fleet, ManifestFiles(project)) == []


def test_part_whose_policy_has_no_propagate_deps_is_reported_with_what_its_clusters_lack(given, project):  # noqa: F811
    quiet = [TWO[0], {**TWO[1], "spec": {**TWO[1]["spec"], "propagateDeps": False}}]
    fleet = given([config("c"), using("front"), using("back")], quiet)
    lines = shared_notices(fleet, ManifestFiles(project))
    assert [line.split(": ")[0] for line in lines] == [
        f"workload shop-two uses ConfigMap default/c of workload shop-one, which doesn't go to {member}"
        for member in ("member2", "member3")
    ]


def test_overrides_apply_to_followers(given, project):  # noqa: F811
    rule = {"overriders": {"labelsOverrider": [{"operator": "add", "value": {"by": "x"}}]}}
    over = policy("o", [{"apiVersion": "v1", "kind": "ConfigMap"}], "OverridePolicy", overrideRules=[rule])
    fleet = given([using("web"), config("c")], [policy("p", [EVERY_DEPLOYMENT], **ALONG, **to("member2")), over])
    assert [one["metadata"]["name"] for one in fleet.workloads[0].given.overrides] == ["o"]
    found = rendered(fleet, ManifestFiles(project))["member2"]
    assert [(one["metadata"].get("labels") or {}).get("by") for one in found] == [None, "x"]


def test_program_declares_a_follower_as_a_template_that_the_rollout_knows(run, absolute, project):  # noqa: F811
    (project / "two.yaml").write_text(yaml.safe_dump_all([using("web"), config("c")]))
    (project / "p.yaml").write_text(yaml.safe_dump(policy("p", [EVERY_DEPLOYMENT], **ALONG, **to("member2"))))
    files = {"manifests": [str(project / "two.yaml")], "policies": [str(project / "p.yaml")]}
    absolute["workloads"] = [{"name": "shop", **files}]
    registered = run(absolute)
    assert registered["configmap-default/c"].typ == "kubernetes:core/v1:ConfigMap"
    inputs = registered["shop-rollout"].inputs
    assert [one["name"] for one in inputs["templates"]] == ["web"]
    assert [one["name"] for one in inputs["followers"]] == ["c"]


# -- plans -------------------------------------------------------------------------------------------------------------


def with_followers(steps, *followers, before=None):
    """Add followers to the Rollout among the steps of a workload."""

    def add(state, listed):
        return replace(state, inputs={**state.inputs, "followers": list(listed)}) if state is not None else None

    return [
        replace(one, new=add(one.new, followers), old=add(one.old, followers if before is None else before))
        if one.type == ROLLOUT_TYPE
        else one
        for one in steps
    ]


def test_plan_shows_a_follower_in_the_clusters_of_its_users():
    front = with_followers(workload("front", [user("front")], on("member1", "member2"), SENDS), config_map())
    plan = planned(front)["front"]
    assert follows(plan) == {("ConfigMap default/common", name): "new" for name in ("member1", "member2")}
    assert {copy.cluster: copy.details[1] for copy in plan.copies} == dict.fromkeys(
        ("member1", "member2"), "ConfigMap default/common"
    )


def test_change_of_a_follower_is_shown_in_its_clusters():
    where = on("member1")
    old, new = ({**config_map(), "data": {"a": value}} for value in "bc")
    steps = workload("front", [user("front")], where, SENDS, before=([user("front")], where, SENDS))
    plan = planned(with_followers(steps, new, before=[old]))["front"]
    assert plan.verb == "changes"
    assert {copy.cluster: copy.details for copy in plan.copies} == {
        "member1": ("ConfigMap default/common: data.a b → c",)
    }


def test_follower_of_two_workloads_is_rendered_once_per_cluster():
    one, two = (
        with_followers(workload(name, [user(name)], on("member1"), SENDS), config_map()) for name in ("one", "two")
    )
    plan = fleet_plan(Result(steps=[*MEMBERS, *one, *two]), version="1.18.2")
    assert [obj["kind"] for obj in plan.rendered["member1"]].count("ConfigMap") == 1
    assert {one.origin for one in plan.workloads} == {""}


# -- waits and drift ---------------------------------------------------------------------------------------------------


def sender(**spec):
    meta = {"name": "p", "namespace": "default"}
    selectors = [{"apiVersion": "apps/v1", "kind": "Deployment"}]
    whole = {"resourceSelectors": selectors, "placement": on("member1", "member2"), **spec}
    return {"apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": meta, "spec": whole}


def test_state_has_the_followers():
    check = check_in_state("shop", user("front"), config_map(), config_map("other"), sender(**ALONG))
    assert [one["metadata"]["name"] for one in check.templates] == ["front"]
    assert [one["metadata"]["name"] for one in check.followers] == ["common"]
    assert check_in_state("shop", user("front"), config_map(), sender()).followers == []


FOLLOWER = {**config_map(), "metadata": {**config_map()["metadata"], "labels": {}, "annotations": {}}}


def attached(*clusters):
    """Return the binding of an object that follows a Deployment into clusters, and its Works there."""
    found = binding(FOLLOWER, [], healthy=clusters)
    found["spec"] = {
        "resource": found["spec"]["resource"],
        "requiredBy": [{"name": "web-deployment", "namespace": "default", "clusters": [{"name": c} for c in clusters]}],
    }
    return found


def carrying(member, obj):
    return work(obj, member, identity="id-common")


def progress_of(*objects, members=("m1", "m2"), rules=()):
    """Return the progress of a ConfigMap that follows a Deployment; the Deployment is done in two clusters."""
    declared = {**user("web"), "metadata": {**user("web")["metadata"], "labels": {}, "annotations": {}}}
    whole = [cluster(name) for name in members]
    whole += [
        live(declared),
        binding(declared, list(members)),
        *(work(declared, name, identity="id-web") for name in members),
    ]
    expected = {name: {"id": name, "unanswered": ""} for name in members}
    check = RolloutCheck([declared], {}, list(rules), expected, followers=[FOLLOWER])
    return check_once(check, Plane(*whole, *objects))[1]


def test_rollout_waits_for_a_follower_in_the_clusters_of_its_user():
    there = live(FOLLOWER, claimed=False)
    assert progress_of().waiting_for == "is not in the control plane"
    assert progress_of(there).waiting_for.startswith("doesn't follow its templates yet")
    half = progress_of(there, attached("m1"), carrying("m1", FOLLOWER))
    assert {one.cluster: one.late for one in half.clusters} == {"m1": "", "m2": "not sent yet (there is no Work)"}
    assert progress_of(there, attached("m1", "m2"), carrying("m1", FOLLOWER), carrying("m2", FOLLOWER)).done


def test_overrides_of_a_follower_are_expected_in_its_copies():
    overriders = {"labelsOverrider": [{"operator": "add", "value": {"x": "y"}}]}
    rule = {"targetCluster": {"clusterNames": ["m2"]}, "overriders": overriders}
    there = live(FOLLOWER, claimed=False)
    late = progress_of(there, attached("m1", "m2"), carrying("m1", FOLLOWER), carrying("m2", FOLLOWER), rules=[rule])
    assert [one.late for one in late.clusters] == ["", "its Work doesn't have metadata.labels.x as declared yet"]


def test_copy_of_a_follower_without_users_is_reported():
    there, every = live(FOLLOWER, claimed=False), [carrying(name, FOLLOWER) for name in ("m1", "m2", "m3")]
    found = progress_of(there, attached("m1", "m2"), cluster("m3"), *every)
    assert {one.cluster: one.late for one in found.clusters} == {
        "m1": "",
        "m2": "",
        "m3": "is not chosen any more, and its copy is still there",
    }
