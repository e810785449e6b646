"""The waves of a workload in a plan, and what happens to a change that is in progress."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from flotilla.agent.bounds import PagedArguments
from flotilla.agent.judging import plan_answer
from flotilla.agent.planning import Planned
from flotilla.cli.output import Output
from flotilla.deploy.clusters import with_clusters
from flotilla.deploy.interface import EngineName
from flotilla.karmada.waves.record import Phase, Record, record_data, reference, secret_of
from flotilla.karmada.waves.subject import ROLLOUT, declaration_of
from flotilla.kube.connection import ApiError, Unreachable
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Op, Result, Step
from flotilla.report.build import plan_report
from flotilla.report.html import html
from flotilla.state.values import UNKNOWN, Secret
from tests.unit.rollouts import cluster, on, web
from tests.unit.test_plan_taints import cluster_step, rollout_step

NAMES = ("member1", "member2", "member3", "member4")
MEMBERS = [cluster_step(name) for name in NAMES]
EVERYWHERE = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}
WHERE = reference("default", "web")
STRATEGY = {
    "waves": [
        {"clusters": ["member1"]},
        {"clusters": ["member2", "member3"], "approve": ["before"]},
    ],
    "gate": {"healthySeconds": 60},
    "onFailure": "stop",
}


def inputs(replicas=2, strategy=STRATEGY, **more):
    beside = {"policies": [], "overrides": [], "record": ["default", "web"]}
    found = {"kubeconfig": "k", "timeout": 30, "templates": [web(replicas)], "placement": EVERYWHERE, **more}
    return {**found, **({ROLLOUT: {**strategy, **beside}} if strategy else {})}


def planned(new, old=None, *, op=None, records=None, members=MEMBERS, **keys):
    step = rollout_step(new, old)
    result = Result(steps=[*members, replace(step, op=op) if op else step], records=records or {}, **keys)
    return fleet_plan(result, version="1.18.2"), result


def workload(*args, **keys):
    (found,) = planned(*args, **keys)[0].workloads
    return found


def lines(*args, **keys):
    found = workload(*args, **keys).rollout
    return found.lines if found else []


def digest(props):
    return declaration_of({"overrideRules": [], **props})


WAVES = "rollout: wave 1: member1; wave 2 (approval before): member2, member3; then the rest: member4"

# -- the waves --------------------------------------------------------------------------------------------------------


def test_change_is_shown_with_its_waves_gate_and_failure_action():
    assert lines(inputs(3), inputs(2)) == [WAVES, "after each: healthy for 60 s", "if a wave fails: stop"]


def test_first_rollout_also_has_waves():
    assert lines(inputs())[0] == WAVES


def test_unchanged_workload_has_no_waves():
    """A changed strategy alone changes nothing in members, so there are no waves."""
    assert workload(inputs(), inputs(), op=Op.SAME).rollout is None
    other = {**STRATEGY, "onFailure": "revert"}
    found = workload(inputs(strategy=other), inputs())
    assert found.rollout is None
    assert "rollout" not in found.to_json()


def test_removal_alone_has_no_waves():
    fewer = {**EVERYWHERE, "clusterAffinity": {"clusterNames": ["member1", "member2", "member3"]}}
    assert {one.verb for one in workload(inputs(placement=fewer), inputs()).copies} == {"stays", "gone"}
    assert lines(inputs(placement=fewer), inputs()) == []
    assert workload(inputs(), inputs(), op=Op.DELETE).rollout is None


def test_workload_without_a_strategy_has_no_waves():
    assert lines(inputs(3, strategy=None), inputs(2, strategy=None)) == []


def test_only_clusters_of_the_placement_are_in_waves():
    assert lines(inputs(placement=on("member1", "member4")))[0] == "rollout: wave 1: member1; then the rest: member4"
    by_label = {"waves": [{"labels": {"tier": "canary"}}], "onFailure": "stop"}
    labelled = [*MEMBERS[1:], _labelled("member1", tier="canary")]
    assert lines(inputs(strategy=by_label), members=labelled)[0] == (
        "rollout: wave 1: member1; then the rest: member2, member3, member4"
    )


def _labelled(name, **labels):
    step = cluster_step(name)
    metadata = {"metadata": {"name": name, "labels": labels}}
    state = replace(step.new, inputs={**step.new.inputs, **metadata}, outputs={**step.new.outputs, **metadata})
    return replace(step, old=state, new=state)


def test_all_checks_of_a_gate_are_named():
    strategy = {
        "waves": [{"percent": 100, "maxConcurrent": "50%", "approve": ["before", "after"]}],
        "gate": {
            "maxUnavailable": 1,
            "checks": [
                {"command": ["./smoke.sh", "--fast"], "timeoutSeconds": 60},
                {"prometheus": "http://prom:9090", "query": "up"},
                {"condition": "Complete", "status": "True", "of": "Job/migrate"},
            ],
        },
        "onFailure": "revert",
    }
    found = workload(inputs(strategy=strategy))
    assert found.rollout is not None
    first, gate, failure = found.rollout.lines
    assert first == "rollout: wave 1 (approval before and after, 2 at a time): member1, member2, member3, member4"
    assert gate.split(", ") == [
        "after each: healthy",
        "at most 1 of its clusters not",
        "./smoke.sh passes",
        "a query of http://prom:9090 passes",
        "Job/migrate is Complete=True",
    ]
    assert failure == "if a wave fails: revert"
    assert found.to_json()["rollout"] == {
        "waves": [{"number": 1, "clusters": list(NAMES), "approve": ["before", "after"], "atATime": 2}],
        "gate": {"maxUnavailable": 1, "checks": strategy["gate"]["checks"]},
        "onFailure": "revert",
        "text": found.rollout.lines,
    }


def test_json_plan_has_the_waves():
    assert workload(inputs(3), inputs(2)).to_json()["rollout"] == {
        "waves": [
            {"number": 1, "clusters": ["member1"]},
            {"number": 2, "clusters": ["member2", "member3"], "approve": ["before"]},
            {"number": 3, "clusters": ["member4"], "rest": True},
        ],
        "gate": {"healthySeconds": 60},
        "onFailure": "stop",
        "text": [WAVES, "after each: healthy for 60 s", "if a wave fails: stop"],
    }


@pytest.mark.parametrize("hidden", ["[secret]", Secret(None)])
def test_waves_of_a_workload_that_an_engine_hides_are_shown(hidden):
    assert lines(inputs(templates=hidden))[0] == WAVES


def test_definitions_that_a_cluster_does_not_serve_are_sent_before_the_waves():
    kinds = {**STRATEGY, "kinds": [{"apiVersion": "example.org/v1", "kind": "Widget"}]}
    served = {
        "apiEnablements": [{"groupVersion": "apps/v1", "resources": [{"kind": "Deployment", "name": "deployments"}]}]
    }
    live = {name: {**cluster(name), "status": {**cluster(name)["status"], **served}} for name in NAMES}
    found = lines(inputs(strategy=kinds), clusters=live)
    assert found[1] == "before: its CustomResourceDefinitions go to all clusters"
    served["apiEnablements"].append(
        {"groupVersion": "example.org/v1", "resources": [{"kind": "Widget", "name": "widgets"}]}
    )
    assert lines(inputs(strategy=kinds), clusters=live)[1] == "after each: healthy for 60 s"


def _serves(version, kind):
    return {"groupVersion": version, "resources": [{"kind": kind, "name": f"{kind.lower()}s"}]}


# -- a change in progress ---------------------------------------------------------------------------------------------


def record(props, **values):
    """Return the record of a change that member1 already has."""
    waves = ((1, ("member1",)), (2, ("member2", "member3")), (3, ("member4",)))
    return {WHERE: Record("web", digest(props), waves, **{"reached": ("member1",), "passed": ("member1",), **values})}


def under_way(*args, **keys):
    found = workload(*args, **keys).rollout
    assert found is not None
    assert found.under_way is not None
    assert found.lines[-1] == found.under_way.text
    return found.under_way


def test_change_in_progress_continues_with_its_next_wave():
    """No object changes any more, but some clusters still have to get the change; the plan says so."""
    found = under_way(inputs(), inputs(), records=record(inputs()))
    assert found.text == "goes on: wave 2 of 3 (member1 has it already)"
    assert found.to_json() == {
        "course": "goes-on",
        "phase": "held",
        "wave": 2,
        "of": 3,
        "reached": ["member1"],
        "left": ["member2", "member3", "member4"],
        "text": "goes on: wave 2 of 3 (member1 has it already)",
    }
    whole = workload(inputs(), inputs(), records=record(inputs()))
    assert whole.rollout is not None
    assert whole.rollout.lines[0] == WAVES
    assert whole.notices == (), "that it only waits would be wrong: clusters are still to change"
    assert [str(one.what) for one in workload(inputs(), inputs()).notices] == ["waits"]
    at_the_start = record(inputs(), reached=(), passed=())
    assert under_way(inputs(), inputs(), records=at_the_start).text == "goes on: wave 1 of 3 (no cluster has it yet)"
    done = record(inputs(), reached=NAMES, passed=NAMES)
    assert under_way(inputs(), inputs(), records=done).text == "goes on: every wave has passed"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"phase": Phase.FAILED, "why": "wave 1 of 3 (member1) waits"}, "; it stopped: wave 1 of 3 (member1) waits"),
        ({"phase": Phase.APPROVAL, "why": "wave 2 waits for approval"}, "; wave 2 waits for approval"),
        ({"phase": Phase.MOVING, "why": "is getting the change"}, ""),
        ({"phase": Phase.PAUSED, "paused": "jo, at 9"}, "; paused by jo, at 9: `flotilla rollout resume web`"),
        ({"aborted": "jo, at 9"}, "; jo, at 9 asked to revert it"),
    ],
)
def test_reason_of_a_stop_and_requests_of_a_person_are_shown(values, text):
    found = under_way(inputs(), inputs(), records=record(inputs(), **values))
    assert found.text == f"goes on: wave 2 of 3 (member1 has it already){text}"


def test_another_declaration_starts_a_new_change():
    found = under_way(inputs(4), inputs(3), records=record(inputs(3), phase=Phase.FAILED, why="wave 1 waits"))
    assert found.text == "begins again with wave 1: the declaration has changed (member1 has the former one)"
    assert found.to_json()["course"] == "begins-again"


def test_old_declaration_takes_the_change_back():
    kept = record(inputs(3), before=digest(inputs(2)), touched=("member2",))
    found = under_way(inputs(2), inputs(3), records=kept)
    assert found.text == (
        "the former declaration is back: member1, member2 get it back; member3, member4 never had the change"
    )
    assert found.to_json()["course"] == "goes-back"


def test_reverted_change_goes_through_the_waves_again():
    found = under_way(inputs(), inputs(), records=record(inputs(), phase=Phase.REVERTED, why="wave 1 failed"))
    assert found.text == "was reverted: goes through the waves again"
    assert found.to_json()["wave"] == 1


def test_change_in_progress_without_waves_reaches_all_remaining_clusters():
    """If `rollout` is removed from the stack file during a change, all clusters get it at once."""
    found = workload(inputs(strategy=None), inputs(), records=record(inputs())).rollout
    assert found is not None
    assert found.lines == ["no waves any more: the change that is under way reaches member2, member3, member4 at once"]
    assert found.to_json()["underWay"]["course"] == "at-once"
    assert workload(inputs(strategy=None), inputs()).rollout is None


def test_continuation_is_not_guessed_if_values_are_unknown():
    rules = [{"overriders": {"plaintext": [{"path": "/a", "operator": "add", "value": UNKNOWN}]}}]
    found = under_way(inputs(overrideRules=rules), inputs(), records=record(inputs()))
    assert found.text == "a change is under way (member1 has it); whether it goes on is known at `up`"
    hidden = under_way(inputs(templates="[secret]"), inputs(), records=record(inputs()))
    assert hidden.to_json()["course"] == "uncertain"


def details(*args, **keys):
    return {copy.cluster: (copy.verb, copy.details) for copy in workload(*args, **keys).copies}


def test_copies_show_in_which_clusters_a_change_is_still_to_come():
    """The control plane has the change already, so a comparison with it shows none.

    The waiting clusters will change.
    """
    coming, done = ("stays", ("gets the change that is under way",)), ("stays", ())
    kept = record(inputs())
    assert details(inputs(), inputs(), records=kept) == {
        "member1": done,
        **dict.fromkeys(("member2", "member3", "member4"), coming),
    }
    assert details(inputs(strategy=None), inputs(), records=kept)["member2"] == coming
    reverted = record(inputs(), phase=Phase.REVERTED)
    assert set(details(inputs(), inputs(), records=reverted).values()) == {coming}


def test_copies_show_which_clusters_a_change_never_reached():
    """member2 never had three replicas, so declaring two again changes nothing there."""
    kept = record(inputs(3), before=digest(inputs(2)))
    found = details(inputs(2), inputs(3), records=kept)
    assert found["member1"] == ("changes", ("replicas 3 → 2",))
    assert found["member2"] == ("stays", ("keeps what it runs: the change that is under way has not reached it",))
    assert planned(inputs(2), inputs(3), records=kept)[0].blast_radius.clusters == ("member1",)
    again = details(inputs(4), inputs(3), records=kept)
    assert again["member1"] == ("changes", ("replicas 3 → 4",))
    assert again["member2"] == (
        "changes",
        ("replicas 3 → 4", "it runs the declaration before the change that is under way"),
    )


def test_removed_workload_has_no_waves():
    assert workload(inputs(), inputs(), op=Op.DELETE, records=record(inputs())).rollout is None


# -- requests ---------------------------------------------------------------------------------------------------------


class ControlPlane:
    """Answers the requests of a plan; `refused` is the error for a list of Secrets."""

    def __init__(self, refused=None):
        self.refused, self.asked = refused, []

    def ready(self, **_keys):
        return None

    def list(self, api_version, kind, **keys):
        self.asked.append((kind, keys))
        if kind != "Secret":
            return [cluster(name) for name in NAMES] if kind == "Cluster" else []
        if self.refused:
            raise self.refused
        ((where, found),) = record(inputs()).items()
        return [secret_of(where, record_data(found)), {"metadata": {"name": "broken"}, "data": {"record": "e30="}}]


def result_with_clusters(monkeypatch, *steps, refused=None):
    plane = ControlPlane(refused)
    monkeypatch.setattr("flotilla.deploy.clusters.connect", lambda *_args, **_keys: plane)
    return with_clusters(Result(steps=[*MEMBERS, *steps])), plane.asked


def test_records_are_read_once_and_only_if_a_workload_has_waves(monkeypatch):
    result, requests = result_with_clusters(monkeypatch, rollout_step(inputs(), inputs()))
    assert result.records == record(inputs())
    secrets = [keys for kind, keys in requests if kind == "Secret"]
    assert secrets == [{"namespace": "kube-system", "labels": "flotilla.dev/rollout=record"}]
    result, requests = result_with_clusters(monkeypatch, rollout_step(inputs(strategy=None), inputs(strategy=None)))
    assert (result.records, [kind for kind, _ in requests if kind == "Secret"]) == ({}, [])
    result, _ = result_with_clusters(monkeypatch, rollout_step(inputs(strategy=None), inputs()))
    assert result.records, "a workload that had waves before may be in the middle of them"


def test_plan_works_without_the_right_to_read_secrets(monkeypatch):
    refused = ApiError("Karmada: may not list secrets", status=403)
    result, _ = result_with_clusters(monkeypatch, rollout_step(inputs(3), inputs(2)), refused=refused)
    assert (result.unasked, len(result.clusters)) == ("", len(NAMES))
    (found,) = fleet_plan(result, version="1.18.2").workloads
    assert found.rollout is not None
    assert found.rollout.lines[-1] == "whether a change is under way isn't known: Karmada: may not list secrets"
    assert found.rollout.to_json()["unread"] == "Karmada: may not list secrets"


def test_control_plane_that_was_not_asked_is_reported_with_the_waves(monkeypatch):
    result = with_clusters(Result(steps=[*MEMBERS, rollout_step(inputs(3, kubeconfig="[secret]"), inputs(2))]))
    assert result.unread_records == "this engine hides its kubeconfig"
    refused = Unreachable("Karmada: no answer", status=0)
    result, _ = result_with_clusters(monkeypatch, rollout_step(inputs(3), inputs(2)), refused=refused)
    assert (result.unasked, result.unread_records) == ("Karmada: no answer", "Karmada: no answer")


# -- output -----------------------------------------------------------------------------------------------------------


def test_waves_are_printed_below_the_workload():
    plan, result = planned(inputs(3), inputs(2), records=record(inputs(3), phase=Phase.FAILED, why="a\x1b[2Jb\nzz"))
    text = StringIO()
    output = Output(as_json=False)
    output.console = Console(file=text, width=200)
    shown = {"stack": "test", "engine": EngineName.EMBEDDED, "detail": False, "rendered": False, "title": "Plan"}
    output.plan(plan, result, **shown)
    printed = text.getvalue()
    assert f"  ~ web\n      {WAVES}\n      after each: healthy for 60 s\n      if a wave fails: stop\n" in printed
    assert "      goes on: wave 2 of 3 (member1 has it already); it stopped: a" in printed
    assert "\x1b" not in printed
    assert "\nzz" not in printed, "a record is data: no line of it may look like the plan's own"


def test_reports_and_agents_get_the_same_data():
    plan, result = planned(inputs(3), inputs(2), records=record(inputs(3)))
    page = html(plan_report(plan, result, stack="test", engine="embedded"))
    assert WAVES in page
    answer = plan_answer(Planned(result, [], "", plan), PagedArguments(), enabled=True)
    (effect,) = [one for one in answer.workloads if one.verb == "rollout"]
    assert (effect.what, effect.details[0], effect.details[-1]) == (
        "web",
        WAVES,
        "goes on: wave 2 of 3 (member1 has it already)",
    )
    json.dumps(plan.to_json())


def test_blast_radius_equals_that_of_the_change_without_waves():
    with_waves, _ = planned(inputs(3), inputs(2))
    without, _ = planned(inputs(3, strategy=None), inputs(2, strategy=None))
    assert with_waves.blast_radius.to_json() == without.blast_radius.to_json()
    assert [notice_text(one) for one in with_waves.workloads[0].notices] == [
        notice_text(one) for one in without.workloads[0].notices
    ]


def test_resource_of_the_waves_is_not_shown_as_an_object():
    state = rollout_step(inputs()).new
    type_ = "pulumi-python:dynamic/flotilla:Hold"
    hold = replace(state, urn=f"urn:pulumi:test::flotilla::{type_}::web-hold", type=type_)
    step = rollout_step(inputs())
    plan = fleet_plan(Result(steps=[*MEMBERS, Step(Op.CREATE, hold.urn, type_, new=hold), step]), version="1.18.2")
    assert plan.to_json() == fleet_plan(Result(steps=[*MEMBERS, step]), version="1.18.2").to_json()
