"""Workloads in a plan for which only Karmada knows the clusters, and workloads that run nowhere."""

from io import StringIO

import pytest
from rich.console import Console

from flotilla.cli.output import Output
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.steps import Op, Result, Step
from flotilla.report.graph import plan_graph
from flotilla.report.model import State
from flotilla.state.values import Secret
from tests.unit.rollouts import divided, web
from tests.unit.test_plan_taints import BOTH, cluster_step, copies, declared, rollout_step, state

DYNAMIC = {
    **BOTH,
    "replicaScheduling": {
        "replicaSchedulingType": "Divided",
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"dynamicWeight": "AvailableReplicas"},
    },
}
MEMBERS = (cluster_step("member1"), cluster_step("member2"))


def planned(*steps, version="1.18.2"):
    (workload,) = fleet_plan(Result(steps=list(steps)), version=version).workloads
    return workload


def serving(name, *kinds):
    """Return a member that serves only these kinds."""
    step = cluster_step(name)
    listed = [{"groupVersion": version, "resources": [{"kind": kind}]} for version, kind in kinds]
    step.old.outputs["status"]["apiEnablements"] = listed
    return step


def template_step(obj, uid):
    """Return the step of an existing template."""
    live = {**obj, "metadata": {**obj["metadata"], "uid": uid}}
    found = state("kubernetes:apps/v1:Deployment", "deployment-default/web", obj, live)
    return Step(Op.SAME, found.urn, found.type, old=found, new=found)


def test_division_by_free_capacity_is_karmadas_choice():
    """Regression: the plan promised a division by free capacity, which is unknown to it."""
    workload = planned(*MEMBERS, rollout_step(declared(6, DYNAMIC)))
    assert copies(workload) == {}
    assert [str(one) for one in workload.undecided] == [
        "Deployment default/web, 6 replicas: Karmada chooses among member1, member2: by free capacity"
    ]
    assert workload.verb == "new"


def test_karmadas_choice_with_one_candidate_names_the_cause():
    """Regression: the plan said that Karmada chooses among a single cluster."""
    aggregated = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}
    placement = {"clusterAffinity": {"clusterNames": ["member1"]}, "replicaScheduling": aggregated}
    workload = planned(*MEMBERS, rollout_step(declared(6, placement)))
    assert [str(one) for one in workload.undecided] == [
        "Deployment default/web, 6 replicas: what Karmada gives member1 depends on free capacity"
    ]


def test_replicas_by_free_capacity_stay_while_nothing_changes():
    step = rollout_step(declared(6, DYNAMIC), declared(6, DYNAMIC), {"member1": 5, "member2": 1})
    workload = planned(*MEMBERS, step)
    assert (copies(workload)["member1"][0], workload.undecided) == ("stays", ())


def test_more_replicas_by_free_capacity_are_shown_with_their_bounds():
    step = rollout_step(declared(8, DYNAMIC), declared(6, DYNAMIC), {"member1": 5, "member2": 1})
    workload = planned(*MEMBERS, step)
    assert copies(workload)["member1"] == ("changes", ("5 to 7 replicas, as Karmada chooses",))


def test_tie_is_karmadas_choice_until_the_template_has_a_uid():
    """Karmada breaks the tie by the template's UID.

    Regression: for one replica over two members, the plan named member1.
    """
    workload = planned(*MEMBERS, rollout_step(declared(1, BOTH)))
    assert copies(workload) == {}
    assert dict(workload.undecided[0].candidates) == {"member1": (0, 1), "member2": (0, 1)}
    step = rollout_step(declared(1, BOTH), declared(4, BOTH), {"member1": 2, "member2": 2})
    assert copies(planned(*MEMBERS, template_step(web(1), "1"), step))["member2"][0] == "gone"
    assert copies(planned(*MEMBERS, template_step(web(1), "2"), step))["member1"][0] == "gone"


def test_copies_that_are_certain_are_shown_with_their_bounds():
    workload = planned(*MEMBERS, rollout_step(declared(3, BOTH)))
    assert copies(workload) == dict.fromkeys(
        ("member1", "member2"), ("new", ("Deployment default/web, 1 or 2 replicas, nginx:1.27",))
    )


def test_tie_is_shown_with_the_minimum_and_maximum_of_each_cluster():
    """Regression: the plan also named clusters whose replicas are certain, and not how many replicas are open."""
    placement = divided("member1", "member2", "member3", member1=4, member2=2, member3=2)
    workload = planned(*MEMBERS, cluster_step("member3"), rollout_step(declared(6, placement)))
    assert str(*workload.undecided) == (
        "Deployment default/web, 6 replicas: Karmada chooses among member2 (1 or 2), member3 (1 or 2): "
        "by a tie, which the template's UID or chance breaks"
    )
    assert copies(workload)["member1"] == ("new", ("Deployment default/web, 3 replicas, nginx:1.27",))


def test_unequal_division_before_1_16_differs():
    placement = divided("member1", "member2", "member3", member1=5, member2=3, member3=1)
    asked = (*MEMBERS, cluster_step("member3"), rollout_step(declared(7, placement)))
    assert set(copies(planned(*asked))) == {"member1", "member2", "member3"}
    assert set(copies(planned(*asked, version="1.15"))) == {"member1", "member2"}
    (undecided,) = planned(*asked, version=None).undecided
    assert undecided.why == "Karmada's version"


def test_kind_that_a_member_does_not_serve_is_reported_before_up():
    workload = planned(
        serving("member1", ("v1", "ConfigMap")), cluster_step("member2"), rollout_step(declared(6, BOTH))
    )
    assert set(copies(workload)) == {"member2"}
    assert [(one.cluster, str(one)) for one in workload.unscheduled] == [
        ("member1", "it doesn't serve Deployment in apps/v1")
    ]


def test_kind_that_the_workload_itself_defines_is_waited_for():
    """A stack declares custom objects once their members serve the kind."""
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.toys.example.org"},
        "spec": {
            "group": "toys.example.org",
            "scope": "Namespaced",
            "names": {"kind": "Widget"},
            "versions": [{"name": "v1", "served": True}],
        },
    }
    widget = {"apiVersion": "toys.example.org/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "default"}}
    kinds = [("apiextensions.k8s.io/v1", "CustomResourceDefinition")]
    step = rollout_step({"templates": [definition, widget], "placement": BOTH})
    workload = planned(serving("member1", *kinds), cluster_step("member2"), step)
    assert copies(workload)["member1"][1] == ("CustomResourceDefinition widgets.toys.example.org", "Widget default/w")


def test_zero_replicas_that_run_nowhere_are_reported():
    """If the pods have resource requests, Karmada deletes the copies; the plan says so before."""
    zero = {"templates": [web(0, {"cpu": "1"})], "placement": BOTH}
    step = rollout_step(zero, {"templates": [web(4, {"cpu": "1"})], "placement": BOTH}, {"member1": 2, "member2": 2})
    workload = planned(*MEMBERS, step)
    assert {verb for verb, _ in copies(workload).values()} == {"gone"}
    assert "Karmada deletes it in member1, member2" in workload.unplaced[0]
    assert set(copies(planned(*MEMBERS, step, version="1.15"))) == {"member1", "member2"}


def test_spread_that_cannot_be_met_is_reported():
    placement = {**BOTH, "spreadConstraints": [{"spreadByField": "cluster", "minGroups": 3, "maxGroups": 3}]}
    scheduling = {"replicaSchedulingType": "Duplicated"}
    workload = planned(*MEMBERS, rollout_step(declared(4, {**placement, "replicaScheduling": scheduling})))
    assert copies(workload) == {}
    assert "won't be scheduled" in workload.unplaced[0]


def test_kind_with_an_interpreter_in_the_control_plane_is_karmadas_choice():
    own = {
        "apiVersion": "config.karmada.io/v1alpha1",
        "kind": "ResourceInterpreterCustomization",
        "metadata": {"name": "widgets"},
        "spec": {
            "target": {"apiVersion": "toys.example.org/v1", "kind": "Widget"},
            "customizations": {"replicaResource": {"luaScript": "function GetReplicas(obj) return 1 end"}},
        },
    }
    kept = state("kubernetes:config.karmada.io/v1alpha1:ResourceInterpreterCustomization", "own", own)
    widget = {"apiVersion": "toys.example.org/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "default"}}
    step = rollout_step({"templates": [widget], "placement": BOTH})
    workload = planned(*MEMBERS, Step(Op.SAME, kept.urn, kept.type, old=kept, new=kept), step)
    assert [one.why for one in workload.undecided] == ["the interpreter of the kind's replicas"]


@pytest.fixture
def printed():
    """Return what the command prints for a plan."""

    def of(*steps):
        output = Output(as_json=False)
        text = StringIO()
        output.console = Console(file=text, width=200)
        result = Result(steps=list(steps))
        plan = fleet_plan(result, version="1.18.2")
        output.plan(plan, result, stack="s", engine="embedded", detail=False, rendered=False, title="plan")
        return text.getvalue()

    return of


def test_text_plan_shows_karmadas_choices_and_workloads_that_run_nowhere(printed):
    text = printed(*MEMBERS, rollout_step(declared(6, DYNAMIC)))
    assert "Karmada chooses among member1, member2: by free capacity" in text
    lost = printed(serving("member1", ("v1", "Pod")), cluster_step("member2"), rollout_step(declared(6, BOTH)))
    assert "won't be scheduled on member1: it doesn't serve Deployment in apps/v1" in lost


def test_picture_shows_the_clusters_that_karmada_chooses_from():
    plan = fleet_plan(Result(steps=[*MEMBERS, rollout_step(declared(6, DYNAMIC))]), version="1.18.2")
    edges = plan_graph(plan, title="plan").edges
    assert {(one.member, one.state) for one in edges} == {
        (f"member:{name}", State.WAITING) for name in ("member1", "member2")
    }


def test_json_plan_has_the_same():
    plan = fleet_plan(Result(steps=[*MEMBERS, rollout_step(declared(6, DYNAMIC))]), version="1.18.2").to_json()
    assert plan["workloads"][0]["undecided"] == [
        {
            "template": "Deployment default/web",
            "why": "free capacity",
            "replicas": 6,
            "candidates": [{"name": name, "least": 0, "most": 6} for name in ("member1", "member2")],
        }
    ]


@pytest.mark.parametrize("hidden", ["[secret]", Secret("[secret]")])
def test_rules_hidden_by_the_cli_do_not_end_a_plan(hidden):
    """Pulumi's CLI replaces a secret value as a whole: the list of rules is then a text."""
    new = {**declared(2, BOTH), "overrideRules": hidden}
    assert planned(*MEMBERS, rollout_step(new)).name == "web"
    assert planned(*MEMBERS, rollout_step(new, {**declared(1, BOTH), "overrideRules": hidden})).name == "web"
