"""Tainted clusters in a plan: clusters that a taint excludes, and earlier decisions of Karmada."""

import pytest
import yaml

from flotilla.deploy.clusters import with_clusters
from flotilla.karmada.propagation import propagation_policy
from flotilla.karmada.scheduling import ClusterFacts, Scheduler, Taint, choose, decide, demand_of, tolerates
from flotilla.karmada.versions import Version
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.stack.notices import kept_out
from flotilla.stack.problems import ConfigError
from flotilla.stack.specs import placement_of
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import Secret
from tests.unit.rollouts import CORDON, NOT_READY, TAINT, divided, on, web

URN = "urn:pulumi:test::flotilla::{}::{}"


def state(type_, name, inputs, outputs=None):
    return ResourceState(URN.format(type_, name), True, type_, id=name, inputs=inputs, outputs=outputs or inputs)


def cluster_step(name, *, declared=(), live=(), ready=True):
    metadata = {"name": name}
    inputs = {"metadata": metadata, "spec": {"syncMode": "Push", "taints": list(declared)}}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    outputs = {
        "metadata": metadata,
        "spec": {"taints": [*declared, *live]},
        "status": {"conditions": conditions},
    }
    found = state(CLUSTER_TYPE, f"{name}-cluster", inputs, outputs)
    return Step(Op.SAME, found.urn, CLUSTER_TYPE, old=found, new=found)


def rollout_step(new, old=None, scheduled=None):
    def rollout_state(props, outputs):
        return state(ROLLOUT_TYPE, "web-rollout", {"workload": "web", "overrideRules": [], **props}, outputs)

    news = rollout_state(new, {})
    if old is None:
        return Step(Op.CREATE, news.urn, ROLLOUT_TYPE, new=news)
    outputs = {"scheduled": {"Deployment default/web": scheduled}} if scheduled else {}
    return Step(Op.UPDATE, news.urn, ROLLOUT_TYPE, old=rollout_state(old, outputs), new=news)


def declared(replicas, placement):
    return {"templates": [web(replicas)], "placement": placement}


def planned(*steps):
    (workload,) = fleet_plan(Result(steps=list(steps))).workloads
    return workload


def copies(workload):
    return {copy.cluster: (copy.verb, copy.details) for copy in workload.copies}


BOTH = divided("member1", "member2")


@pytest.mark.parametrize(
    "second",
    [
        cluster_step("member2", declared=[TAINT]),
        cluster_step("member2", live=[CORDON]),
        cluster_step("member2", declared=[{**TAINT, "effect": "NoExecute"}]),
        cluster_step("member2", live=[NOT_READY], ready=False),
    ],
    ids=["declared", "cordoned", "no-execute", "not-ready"],
)
def test_plan_shows_no_replicas_on_a_tainted_member(second):
    """Six divided replicas over two members, one of them tainted. Regression: the plan showed three and three."""
    workload = planned(cluster_step("member1"), second, rollout_step(declared(6, BOTH)))
    assert copies(workload) == {"member1": ("new", ("Deployment default/web, 6 replicas, nginx:1.27",))}
    assert [one.cluster for one in workload.unscheduled] == ["member2"]


@pytest.mark.parametrize(
    ("replicas", "clusters", "passed_over"), [(4, {"member1"}, ["member2"]), (6, {"member1", "member2"}, [])]
)
def test_uncordoned_member_without_replicas_is_reported(replicas, clusters, passed_over):
    """Karmada doesn't divide again after an uncordon. Regression: the plan said only `no change`."""
    step = rollout_step(declared(replicas, BOTH), declared(4, BOTH), {"member1": 4})
    steps = [cluster_step("member1"), cluster_step("member2"), step]
    (workload,) = fleet_plan(Result(steps=steps), version="1.18.2").workloads
    assert set(copies(workload)) == clusters
    assert [one.cluster for one in workload.unscheduled if "keeps its present division" in one.reason] == passed_over


def test_json_plan_has_the_taint():
    steps = [cluster_step("member1"), cluster_step("member2", declared=[TAINT]), rollout_step(declared(6, BOTH))]
    (workload,) = fleet_plan(Result(steps=steps)).to_json()["workloads"]
    assert workload["unscheduled"] == [{"name": "member2", "taint": "site=edge:NoSchedule"}]


def test_former_taint_of_a_member_that_is_ready_again_is_ignored():
    workload = planned(
        cluster_step("member1"), cluster_step("member2", live=[NOT_READY]), rollout_step(declared(6, BOTH))
    )
    assert (set(copies(workload)), workload.unscheduled) == ({"member1", "member2"}, ())


def test_member_that_has_the_workload_keeps_it_despite_a_taint():
    tainted = cluster_step("member2", live=[TAINT])
    step = rollout_step(declared(6, BOTH), declared(4, BOTH), {"member1": 2, "member2": 2})
    workload = planned(cluster_step("member1"), tainted, step)
    assert copies(workload)["member2"] == ("changes", ("replicas 2 → 3",))
    assert workload.unscheduled == ()


def test_update_does_not_send_the_workload_to_a_tainted_member():
    step = rollout_step(declared(6, BOTH), declared(4, BOTH), {"member1": 4})
    workload = planned(cluster_step("member1"), cluster_step("member2", live=[CORDON]), step)
    assert copies(workload) == {"member1": ("changes", ("replicas 4 → 6",))}
    assert [one.cluster for one in workload.unscheduled] == ["member2"]


def test_division_that_karmada_made_by_the_templates_uid_stays():
    image = {**declared(1, BOTH), "templates": [{**web(1), "metadata": {**web(1)["metadata"], "labels": {"new": "x"}}}]}
    step = rollout_step(image, declared(1, BOTH), {"member2": 1})
    workload = planned(cluster_step("member1"), cluster_step("member2"), step)
    assert list(copies(workload)) == ["member2"]


def test_plan_after_a_refresh_shows_the_changes_in_members():
    """Somebody scaled from 7 to 3 replicas in the control plane: going back is a change in the members."""
    placement = divided("member1", "member2", member1=2, member2=1)
    step = rollout_step(declared(7, placement), declared(7, placement), {"member1": 2, "member2": 1})
    workload = planned(cluster_step("member1"), cluster_step("member2"), step)
    assert copies(workload) == {
        "member1": ("changes", ("replicas 2 → 5",)),
        "member2": ("changes", ("replicas 1 → 2",)),
    }


# -- the clusters, and their replicas --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"key": "site", "value": "edge"}, True),
        ({"key": "site", "operator": "Equal", "value": "core"}, False),
        ({"key": "site", "operator": "Exists"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "site", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"value": "edge"}, True),
        ({"key": "site", "operator": "Gt", "value": "1"}, False),
    ],
)
def test_tolerations_match_as_in_kubernetes(toleration, expected):
    assert tolerates(toleration, Taint("site", "edge", "NoSchedule")) is expected


def test_scheduler_respects_two_taint_effects_only():
    cluster = ClusterFacts("a", taints=(Taint("site", "edge", "PreferNoSchedule"),))
    assert choose([cluster], {}).chosen == (cluster,)


def test_affinity_groups_are_tried_in_order():
    tainted, free = ClusterFacts("a", taints=(Taint("x"),)), ClusterFacts("b")
    groups = [{"affinityName": "one", "clusterNames": ["a"]}, {"affinityName": "two", "clusterNames": ["b"]}]
    choice = choose([tainted, free], {"clusterAffinities": groups})
    assert (choice.group, choice.chosen) == ("two", (free,))
    assert choose([tainted, free], {"clusterAffinities": groups}, before={"a"}).group == "one"


def shares(template, minor=18):
    scheduler = Scheduler(Version(1, minor))
    return decide(
        [ClusterFacts("a"), ClusterFacts("b")], BOTH_AB, demand_of(template, scheduler), scheduler=scheduler
    ).shares


BOTH_AB = divided("a", "b")


def test_zero_replicas_are_sent_everywhere_unless_the_pods_have_requests():
    assert shares(web(0)) == {"a": 0, "b": 0}
    assert shares(web(0, {"cpu": "1"})) == {}


def test_zero_replicas_are_always_sent_everywhere_before_1_16():
    assert shares(web(0, {"cpu": "1"}), minor=15) == {"a": 0, "b": 0}


# -- the stack file -------------------------------------------------------------------------------------------------


def test_placement_that_matches_only_tainted_members_is_refused_with_the_remedy(sections, project):
    sections["members"][1]["taints"] = [{"key": "site", "value": "edge", "effect": "NoSchedule"}]
    sections["workloads"][0]["placement"] = {"clusters": ["member2"]}
    with pytest.raises(ConfigError, match=r"member2 has site=edge:NoSchedule.*tolerations") as refused:
        parse_fleet(sections, base=project)
    assert len(refused.value.problems) == 1


def test_placement_that_also_matches_tainted_members_is_reported_by_validate(sections, project):
    """Regression: the plan showed a copy there, Karmada created none, and `validate` reported nothing."""
    sections["members"][1]["taints"] = [{"key": "site", "value": "edge", "effect": "NoSchedule"}]
    workload = sections["workloads"][0]
    workload["placement"] = {"clusters": ["member1", "member2"]}
    (said,) = kept_out(parse_fleet(sections, base=project))
    assert f"workload {workload['name']}: member2 has site=edge:NoSchedule" in said
    workload["placement"]["tolerations"] = [{"key": "site", "value": "edge"}]
    assert kept_out(parse_fleet(sections, base=project)) == []


def test_tolerations_of_a_stack_are_in_the_policy_and_the_plan(sections, project):
    sections["members"][1]["taints"] = [{"key": "site", "value": "edge", "effect": "NoSchedule"}]
    fleet = parse_fleet(sections, base=project)
    assert {name for name, objects in rendered(fleet, ManifestFiles(project)).items() if objects} == {"member1"}
    sections["workloads"][0]["placement"]["tolerations"] = [{"key": "site", "value": "edge"}]
    fleet = parse_fleet(sections, base=project)
    assert {name for name, objects in rendered(fleet, ManifestFiles(project)).items() if objects} == {
        "member1",
        "member2",
    }
    given = placement_of(fleet.workloads[0].placement)["clusterTolerations"]
    assert given == [{"operator": "Equal", "key": "site", "value": "edge"}]


@pytest.mark.parametrize(
    ("toleration", "rule"),
    [
        ({"value": "x"}, "has no 'key'"),
        ({"key": "a", "operator": "Exists", "value": "x"}, "has 'value' with"),
        ({"key": "a", "seconds": 5}, "has 'seconds' without"),
        ({"key": "a", "effect": "PreferNoSchedule"}, "effect"),
    ],
)
def test_invalid_toleration_is_refused(sections, project, toleration, rule):
    sections["workloads"][0]["placement"]["tolerations"] = [toleration]
    with pytest.raises(ConfigError, match=rule):
        parse_fleet(sections, base=project)


def test_tolerations_include_those_that_the_webhook_adds(published):
    """The webhook of 1.10 adds two tolerations to every list. Our lists have them, so a plan shows no difference."""
    file = published / "recorded" / "duplicated-both" / "propagationpolicies.yaml"
    (kept,) = [obj for obj in yaml.safe_load_all(file.read_text()) if obj]
    ours = [{"key": "site", "operator": "Exists"}]
    policy = propagation_policy(
        "p", namespace="default", templates=[web()], spec={"placement": {"clusterTolerations": ours}}
    )
    written = policy["spec"]["placement"]["clusterTolerations"]
    added = kept["spec"]["placement"].get("clusterTolerations") or []
    assert written[:1] == ours
    assert all(one in written for one in added)


def test_policy_without_tolerations_has_no_such_field():
    policy = propagation_policy("p", namespace="default", templates=[web()], spec={"placement": on("a")})
    assert "clusterTolerations" not in policy["spec"]["placement"]


# -- current taints in the control plane ------------------------------------------------------------------------------


def test_cordon_since_the_last_run_is_in_the_plan():
    """The state has Clusters as last read. Regression: without a refresh, a newer cordon was in no plan."""
    step = cluster_step("member2")
    now = {**step.old.outputs, "spec": {"taints": [CORDON]}}
    steps = [cluster_step("member1"), step, rollout_step(declared(6, BOTH))]
    (workload,) = fleet_plan(Result(steps=steps, clusters={"member2": now})).workloads
    assert copies(workload) == {"member1": ("new", ("Deployment default/web, 6 replicas, nginx:1.27",))}
    assert [one.cluster for one in workload.unscheduled] == ["member2"]


def test_ended_cordon_is_in_no_plan():
    step = cluster_step("member2", live=[CORDON])
    now = {**step.old.outputs, "spec": {"taints": []}}
    steps = [cluster_step("member1"), step, rollout_step(declared(6, BOTH))]
    (workload,) = fleet_plan(Result(steps=steps, clusters={"member2": now})).workloads
    assert (set(copies(workload)), workload.unscheduled) == ({"member1", "member2"}, ())


def test_plan_reads_the_clusters_of_the_control_plane(monkeypatch):
    asked = []

    class ControlPlane:
        def ready(self, *, doing, timeout):
            asked.append(timeout)

        def list(self, _api_version, kind):
            return [{"kind": kind, "metadata": {"name": kind}}]

    monkeypatch.setattr("flotilla.deploy.clusters.connect", lambda *_, **__: ControlPlane())
    step = rollout_step({**declared(6, BOTH), "kubeconfig": Secret("a kubeconfig")})
    planned = with_clusters(Result(steps=[step]))
    assert list(planned.clusters) == ["Cluster"]
    assert [one["kind"] for one in planned.interpreters] == [
        "ResourceInterpreterCustomization",
        "ResourceInterpreterWebhookConfiguration",
    ]
    assert len(asked) == 1


INTERPRETER = {
    "kind": "ResourceInterpreterCustomization",
    "spec": {
        "target": {"apiVersion": "toys.example.org/v1", "kind": "Widget"},
        "customizations": {"replicaResource": {"luaScript": "function GetReplicas(obj) return obj.spec.size end"}},
    },
}
WIDGET = {
    "apiVersion": "toys.example.org/v1",
    "kind": "Widget",
    "metadata": {"name": "gadget", "namespace": "default"},
    "spec": {"size": 4},
}


def test_kind_with_an_interpreter_in_the_control_plane_is_karmadas_choice():
    """Karmada divides the replicas of such a kind. Regression: the plan showed no replicas."""
    steps = [cluster_step("member1"), cluster_step("member2"), rollout_step({"templates": [WIDGET], "placement": BOTH})]
    (workload,) = fleet_plan(Result(steps=steps, interpreters=[INTERPRETER]), version="1.18.2").workloads
    assert [str(one) for one in workload.undecided] == [
        "Widget default/gadget: Karmada chooses among member1, member2: by the interpreter of the kind's replicas"
    ]
    props = {"templates": [WIDGET], "placement": BOTH}
    step = rollout_step(props, props)
    step.old.outputs["scheduled"] = {"Widget default/gadget": {"member1": 3, "member2": 1}}
    (workload,) = fleet_plan(Result(steps=[*steps[:2], step], interpreters=[INTERPRETER]), version="1.18.2").workloads
    assert (copies(workload), workload.undecided) == (
        {
            "member1": ("stays", ("3 replicas, as scheduled now",)),
            "member2": ("stays", ("1 replica, as scheduled now",)),
        },
        (),
    )


@pytest.mark.parametrize("change", ["template", "placement", "not known"])
def test_new_division_by_an_interpreter_is_unknown(change):
    old = {"templates": [WIDGET], "placement": BOTH}
    new = {
        "templates": [{**WIDGET, "spec": {"size": 5}}] if change == "template" else [WIDGET],
        "placement": divided("member1", "member2", member1=2, member2=1) if change == "placement" else BOTH,
    }
    step = rollout_step(new, old)
    counts = {"member1": 0, "member2": 0} if change == "not known" else {"member1": 3, "member2": 1}
    step.old.outputs["scheduled"] = {"Widget default/gadget": counts}
    steps = [cluster_step("member1"), cluster_step("member2"), step]
    (workload,) = fleet_plan(Result(steps=steps, interpreters=[INTERPRETER]), version="1.18.2").workloads
    assert "any number of replicas, as Karmada chooses" in copies(workload)["member1"][1]
    assert len(workload.undecided) == 1


@pytest.mark.parametrize("kubeconfig", ["[secret]", "", None])
def test_plan_without_the_control_plane_uses_the_state(kubeconfig):
    step = rollout_step({**declared(6, BOTH), "kubeconfig": kubeconfig})
    assert with_clusters(Result(steps=[step])).clusters == {}
