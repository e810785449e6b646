"""Notices of a plan: overrides that fail, match nothing or lose a digest; owners of replicas; Jobs."""

import json

import pytest

from flotilla.cli.output import Output
from flotilla.deploy.interface import EngineName
from flotilla.karmada.rendering.reach import Notice, Reach, reach
from flotilla.karmada.rendering.upkeep import Upkeep, upkeep
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.kube.objects import ref_of
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Op, Result, Step
from tests.unit.templates import A, config, field, image_step, job, pods
from tests.unit.test_plan_taints import cluster_step, copies, state

MEMBERS = (ClusterFacts("member1"), ClusterFacts("member2"))


def notices_for(templates, *rules):
    placed = {str(ref_of(template)): MEMBERS for template in templates}
    return reach(templates, list(rules), placed)


def rule(clusters=None, **overriders):
    target = {"targetCluster": {"clusterNames": clusters}} if clusters else {}
    return {**target, "overriders": overriders}


def patch(operator, path, value=1):
    return rule(plaintext=[{"operator": operator, "path": path, "value": value}])


def words(container):
    return rule(commandOverrider=[{"containerName": container, "operator": "add", "value": ["-x"]}])


def without_inits(kind="Deployment", image="app:v1", api="apps/v1"):
    template = pods(kind, api)
    template["spec"]["template"]["spec"] = {"containers": [{"name": "app", "image": image}]}
    return template


def cron():
    inner = without_inits()["spec"]["template"]
    return {
        **pods("CronJob", "batch/v1"),
        "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": inner}}},
    }


@pytest.mark.parametrize(
    ("template", "one", "expected"),
    [
        (without_inits(), rule(imageOverrider=[image_step("Registry", "mirror.example")]), None),
        (without_inits(), rule(imageOverrider=[image_step("Tag", "v1")]), None),
        (cron(), rule(imageOverrider=[image_step("Tag", "v2")]), "skips CronJobs"),
        (config(), rule(imageOverrider=[image_step("Tag", "v2")]), "a ConfigMap has no image"),
        (
            pods("CloneSet", "apps.kruise.io/v1alpha1"),
            rule(imageOverrider=[image_step("Tag", "v2")]),
            "skips CloneSets",
        ),
        (without_inits(), rule(imageOverrider=[image_step("Tag", f"v2@{A}")]), "neither a tag nor a digest"),
        (without_inits(), words("app"), None),
        (without_inits(), words("init"), "there is no container init"),
        (without_inits(), rule(labelsOverrider=[{"operator": "remove", "value": {"app": ""}}]), None),
        (without_inits(), rule(labelsOverrider=[{"operator": "remove", "value": {"none": ""}}]), "has none of them"),
        (config(), rule(annotationsOverrider=[{"operator": "replace", "value": {"a": "1"}}]), "has none of them"),
        (job(), patch("add", "/spec/ttlSecondsAfterFinished"), "never travels"),
        (job(), patch("add", "/metadata/finalizers", ["a/b"]), "never travels"),
        (without_inits(), patch("replace", "/spec/strategy/type", "Recreate"), None),
    ],
)
def test_override_that_matches_nothing_is_reported(template, one, expected):
    found = [notice for notice in notices_for([template], one) if notice.what == Reach.NOTHING]
    assert [expected in notice.detail for notice in found] == ([True] if expected else [])


def test_override_that_matches_one_of_several_templates_is_not_reported():
    assert notices_for([config(), without_inits()], rule(imageOverrider=[image_step("Tag", "v2")])) == []


@pytest.mark.parametrize(
    ("image", "step", "expected"),
    [
        (f"app:v1@{A}", ("Registry", "mirror.example"), f"app:v1@{A} → mirror.example/app:v1"),
        (f"app:v1@{A}", ("Tag", "v2"), f"app:v1@{A} → app:v2"),
        (f"app@{A}", ("Registry", "mirror.example"), None),
        ("app:v1", ("Registry", "mirror.example"), None),
        (f"app@{A}", ("Tag", "v2"), f"app@{A} → app:v2"),
        (f"app:v1@{A}", ("Tag", A.replace("a", "b").replace("shb", "sha")), None),
    ],
)
def test_digest_that_karmada_drops_is_reported(image, step, expected):
    """Regression: the plan named an image with its digest, but Karmada sent only the tag, so the image isn't pinned."""
    found = notices_for([without_inits(image=image)], rule(["member1"], imageOverrider=[image_step(*step)]))
    assert [(notice.what, notice.clusters, notice.detail) for notice in found] == (
        [(Reach.DROPS_DIGEST, ("member1",), expected)] if expected else []
    )


def test_init_containers_that_an_image_override_skips_are_reported():
    found = notices_for([pods()], rule(imageOverrider=[image_step("Registry", "mirror.example")]))
    assert [(notice.what, notice.clusters, notice.detail) for notice in found] == [
        (Reach.PASSES_OVER, ("member1", "member2"), "/spec/template/spec/initContainers/0/image")
    ]
    named = image_step("Registry", "mirror.example", path="/spec/template/spec/initContainers/0/image")
    assert notices_for([pods()], rule(imageOverrider=[named])) == []


@pytest.mark.parametrize(
    "one",
    [
        patch("replace", "/spec/none"),
        rule(imageOverrider=[image_step("Tag", "v2", path="/spec/image")]),
        rule(fieldOverrider=[field("/data/a", "json", ("add", "/b", "secret"))]),
    ],
)
def test_failing_override_is_reported_with_its_clusters(one):
    (notice,) = notices_for([without_inits()], {**one, "targetCluster": {"clusterNames": ["member2"]}})
    assert (notice.what, notice.clusters) == (Reach.FAILS, ("member2",))
    assert "secret" not in notice_text(notice)


def test_rule_for_no_cluster_of_the_workload_is_reported():
    (notice,) = notices_for([without_inits()], rule(["member3"], imageOverrider=[image_step("Tag", "v2")]))
    assert (notice.what, notice.clusters) == (Reach.NO_CLUSTER, ("member3",))
    assert notices_for([without_inits()], {"overriders": {}}) == []


def scaler(target, kind="Deployment", name="web", api="autoscaling/v2", scaler_kind="HorizontalPodAutoscaler"):
    reference = {"apiVersion": target, "kind": kind, "name": name}
    metadata = {"name": "scaler", "namespace": "shop"}
    return {"apiVersion": api, "kind": scaler_kind, "metadata": metadata, "spec": {"scaleTargetRef": reference}}


def retained(template):
    labels = {"resourcetemplate.karmada.io/retain-replicas": "true"}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


@pytest.mark.parametrize(
    ("template", "other", "expected"),
    [
        (without_inits(), scaler("apps/v1"), [Upkeep.TWO_OWNERS]),
        (without_inits(), scaler("apps/v1", api="keda.sh/v1alpha1", scaler_kind="ScaledObject"), [Upkeep.TWO_OWNERS]),
        (retained(without_inits()), scaler("apps/v1"), [Upkeep.OWN_REPLICAS]),
        (retained(without_inits()), config(), [Upkeep.OWN_REPLICAS]),
        (without_inits(), scaler("apps/v1", name="other"), []),
        (without_inits(), scaler("apps/v1", kind="StatefulSet"), []),
        (without_inits(), scaler("apps.kruise.io/v1alpha1"), []),
        (without_inits(), scaler("apps/v1", api="autoscaling.karmada.io/v1alpha1", scaler_kind="FederatedHPA"), []),
        (retained(config()), config(), []),
        (retained(pods("StatefulSet")), scaler("apps/v1", kind="StatefulSet"), [Upkeep.TWO_OWNERS]),
    ],
)
def test_owner_of_the_replicas_is_reported(template, other, expected):
    """Regression: an autoscaler in the members and Karmada set the replicas in turn, and nothing reported it."""
    assert [notice.what for notice in upkeep([template], divided=False, everything=[other])] == expected
    if other["kind"] != "ConfigMap":
        assert [notice.what for notice in upkeep([template, other], divided=False)] == expected


@pytest.mark.parametrize(
    ("template", "divided", "expected"),
    [
        (cron(), True, [Upkeep.RUNS_EVERYWHERE]),
        (cron(), False, []),
        (job(ttlSecondsAfterFinished=60), True, [Upkeep.DELETED_WHEN_DONE]),
        (job(), True, []),
    ],
)
def test_restart_of_jobs_is_reported(template, divided, expected):
    assert [notice.what for notice in upkeep([template], divided=divided)] == expected


# -- in the plan ----------------------------------------------------------------------------------


def plan_of(*templates, rules=(), scheduling=None):
    props = {"workload": "web", "templates": list(templates), "overrideRules": list(rules)}
    inputs = {**props, "placement": {"replicaScheduling": scheduling} if scheduling else {}}
    made = state(ROLLOUT_TYPE, "web-rollout", inputs, {})
    step = Step(Op.CREATE, made.urn, ROLLOUT_TYPE, new=made)
    return fleet_plan(Result(steps=[cluster_step("member1"), cluster_step("member2"), step]))


def printed(plan, capsys):
    result = Result()
    options = {"stack": "a", "engine": EngineName.EMBEDDED, "detail": False, "rendered": False, "title": "plan"}
    Output(as_json=False).plan(plan, result, **options)
    return capsys.readouterr().out


WEIGHTS = {
    "replicaSchedulingType": "Divided",
    "weightPreference": {
        "staticWeightList": [
            {"targetCluster": {"clusterNames": ["member1"]}, "weight": 3},
            {"targetCluster": {"clusterNames": ["member2"]}, "weight": 1},
        ]
    },
}


def test_plan_divides_the_completions_of_a_job():
    """Regression: a divided Job could not be deployed, since the plan promised all completions to every cluster."""
    plan = plan_of(job(parallelism=4, completions=12, ttlSecondsAfterFinished=60), scheduling=WEIGHTS)
    shown = {name: details[0] for name, (_, details) in copies(plan.workloads[0]).items()}
    assert "3 replicas, 9 completions" in shown["member1"]
    assert "1 replica, 3 completions" in shown["member2"]
    assert all("ttlSecondsAfterFinished" not in item["spec"] for items in plan.rendered.values() for item in items)
    assert [notice.what for notice in plan.workloads[0].notices] == [Upkeep.DELETED_WHEN_DONE]


def test_plan_divides_a_kind_that_karmada_knows_but_no_other_kind_of_the_same_name():
    clone = pods("CloneSet", "apps.kruise.io/v1alpha1", replicas=4)
    plan = plan_of(clone, scheduling=WEIGHTS)
    assert {name: items[0]["spec"]["replicas"] for name, items in plan.rendered.items()} == {"member1": 3, "member2": 1}
    volcano = {**job(minAvailable=1), "apiVersion": "batch.volcano.sh/v1alpha1"}
    plan = plan_of(volcano, scheduling=WEIGHTS)
    assert {name: items[0]["spec"] for name, items in plan.rendered.items()} == dict.fromkeys(
        ("member1", "member2"), volcano["spec"]
    )


def test_notices_are_in_text_and_json(capsys):
    template = without_inits(image=f"app:v1@{A}")
    plan = plan_of(template, rules=[rule(imageOverrider=[image_step("Registry", "mirror.example")])])
    (notice,) = plan.workloads[0].notices
    assert f"drops the digest: app:v1@{A} → mirror.example/app:v1" in notice_text(notice)
    assert notice_text(notice) in printed(plan, capsys)
    (shown,) = json.loads(json.dumps(plan.to_json()))["workloads"][0]["notices"]
    assert (shown["what"], shown["clusters"]) == ("drops-digest", ["member1", "member2"])


def test_plan_reports_that_members_keep_their_own_replicas():
    plan = plan_of(retained(pods(replicas=2)), scaler("apps/v1"))
    assert "2 replicas at first, then the member's own" in copies(plan.workloads[0])["member1"][1][0]
    assert [notice.what for notice in plan.workloads[0].notices] == [Upkeep.OWN_REPLICAS]


def test_plan_with_a_failing_override_reports_it():
    plan = plan_of(without_inits(), rules=[patch("replace", "/spec/none")])
    assert "the override fails: Deployment web: replace /spec/none" in plan.workloads[0].problem


def test_every_notice_has_a_text():
    for what in (*Reach, *Upkeep):
        assert notice_text(Notice(what, "Deployment shop/web", ("member1",), "step", "detail"))
