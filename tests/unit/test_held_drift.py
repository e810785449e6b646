"""Drift during a change in waves: held back clusters are no drift; a change that was taken back is drift."""

import json
from dataclasses import replace

import pytest

from flotilla.cli.drift import _table, exit_code
from flotilla.cli.output import printer
from flotilla.deploy.declared import CONTROL_PLANE, Declared, declared
from flotilla.drift.check import Limits, check_drift
from flotilla.drift.findings import DriftReport, Remedy
from flotilla.drift.formats import FORMATS
from flotilla.karmada.propagation import propagation_policy
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.waves.record import MANAGER, Phase, reference
from flotilla.kube.connection import ApiError
from flotilla.report.build import drift_report
from flotilla.state.checkpoint import ResourceState, Snapshot
from tests.unit.planes import EVERYWHERE, Plane, binding, cluster, live, web, work
from tests.unit.waves import kept, record

NAMES = ("member1", "member2", "member3", "member4")
HELD_BACK = NAMES[1:]
MEMBERS = {name: {"id": f"uid-{name}", "unanswered": ""} for name in NAMES}
POLICY = propagation_policy("web", namespace="default", templates=[web()], spec={"placement": EVERYWHERE})
WAITS = "workload web: held back by the rollout: member2, member3, member4 (wave 2 of 3 waits for approval)"


def policy(waiting=HELD_BACK, manager=MANAGER):
    """Return the workload's policy in the control plane, which suspends some clusters."""
    fields = {"f:spec": {"f:suspension": {"f:dispatchingOnClusters": {"f:clusterNames": {}}}}}
    managed = [{"manager": manager, "operation": "Update", "time": "2026-11-26T10:00:00Z", "fieldsV1": fields}]
    suspension = {"suspension": {"dispatchingOnClusters": {"clusterNames": list(waiting)}}} if waiting else {}
    return {
        **POLICY,
        "metadata": {**POLICY["metadata"], "managedFields": managed if waiting else []},
        "spec": {**POLICY["spec"], **suspension},
    }


def plane(*objects, waiting=HELD_BACK, healthy=NAMES, template=None, manager=MANAGER):
    """A control plane in which a change has reached the first cluster."""
    template = template or web()
    works = [
        work(template, name, identity="id-web", **({"suspendDispatching": True} if name in waiting else {}))
        for name in NAMES
    ]
    clusters = [cluster(name) for name in NAMES]
    bound = binding(web(), list(NAMES), healthy=list(healthy))
    return Plane(*clusters, policy(waiting, manager), live(template), bound, *works, *objects)


@pytest.fixture
def look(monkeypatch):
    """Run a drift check of a control plane alone."""

    def do(control_plane, *, waves=True):
        check = RolloutCheck([web()], EVERYWHERE, [], MEMBERS)
        found = Declared(
            kubeconfigs={CONTROL_PLANE: "k"},
            objects={CONTROL_PLANE: [web(), POLICY]},
            rollouts={"web": check},
            waves={"web": reference("default", "web")} if waves else {},
        )
        monkeypatch.setattr("flotilla.drift.check._access", lambda *_: control_plane)
        monkeypatch.setattr("flotilla.drift.check.check_certificates", lambda *_: [])
        return check_drift(found, Limits(second_look=0, fights=False))

    return do


def rules(report):
    return [(one.rule, one.cluster, one.object) for one in report.findings]


# -- held back --------------------------------------------------------------------------------------


def test_cluster_that_a_rollout_holds_back_is_no_drift(look):
    """Regression: every cluster of a later wave was `not-healthy`, since its Work is suspended."""
    asked = plane(kept(record("web")))
    report = look(asked)
    assert (rules(report), report.unknown, report.clean) == ([], (), True)
    assert exit_code(report) == 0
    assert [one.text for one in report.held_back] == [WAITS]
    assert asked.asked["list", "Secret"] == 1


def test_cluster_that_has_the_change_is_compared_as_usual(look):
    failed = record("web", phase=Phase.FAILED, why="wave 1 of 3 (member1): unhealthy")
    report = look(plane(kept(failed), healthy=["member2", "member3"]))
    assert rules(report) == [("not-healthy", "member1", "Deployment default/web")]
    assert exit_code(report) == 3
    assert [one.text for one in report.held_back] == [
        "workload web: held back by the rollout: member2, member3, member4 (failed: wave 1 of 3 (member1): unhealthy)"
    ]


def test_records_are_read_only_for_workloads_with_waves(look):
    quiet = plane(waiting=())
    assert look(quiet, waves=False).clean
    assert quiet.asked["list", "Secret"] == 0
    assert look(quiet).clean
    assert quiet.asked["list", "Secret"] == 1


def test_workload_whose_waves_were_removed_from_the_stack_file_is_still_held_back(look):
    assert [one.text for one in look(plane(kept(record("web"))), waves=False).held_back] == [WAITS]


def test_templates_that_are_sent_before_the_waves_are_compared_as_usual(look):
    """A workload's definitions are sent to all clusters before the first wave; an unhealthy one is drift."""
    other = web("first")
    own = propagation_policy("first", namespace="default", templates=[other], spec={"placement": EVERYWHERE})
    works = [work(other, name, identity="id-first") for name in NAMES]
    control_plane = plane(
        kept(record("web")), own, live(other), binding(other, list(NAMES), healthy=["member1"]), *works
    )
    found = Declared(
        kubeconfigs={CONTROL_PLANE: "k"},
        objects={CONTROL_PLANE: [web(), other, POLICY, own]},
        rollouts={"web": RolloutCheck([web(), other], EVERYWHERE, [], MEMBERS)},
    )
    look(control_plane)  # sets the requested state
    report = check_drift(found, Limits(second_look=0, fights=False))
    assert rules(report) == [("not-healthy", name, "Deployment default/first") for name in HELD_BACK]


def test_no_false_drift_without_the_right_to_read_records(look):
    refusing = plane(kept(record("web")))
    listed = refusing.list

    def list_(api_version, kind, **more):
        if kind == "Secret":
            raise ApiError("secrets is forbidden", status=403, reason="Forbidden")
        return listed(api_version, kind, **more)

    refusing.list = list_
    report = look(refusing)
    assert rules(report) == []
    assert exit_code(report) == 1, "not everything could be asked"
    assert "why is not known" in report.held_back[0].text


# -- left over and reverted suspensions --------------------------------------------------------------


def test_suspension_without_a_rollout_is_drift(look):
    report = look(plane())
    (left,) = (one for one in report.findings if one.rule == "suspension-left")
    assert (left.object, left.remedy) == ("PropagationPolicy default/web", Remedy.MANUAL)
    assert left.message.startswith("sends nothing to member2, member3, member4 since a rollout suspended them")
    assert (left.path, left.pointer, left.manager) == ("spec.suspension", "/spec/suspension", MANAGER)
    assert report.held_back == ()
    assert {"member2", "member3", "member4"} <= {one.cluster for one in report.findings}


def test_suspension_by_somebody_else_is_reported_as_before(look):
    report = look(plane(kept(record("web")), manager="kubectl-edit"))
    assert {one.rule for one in report.findings} == {"not-healthy"}
    assert report.held_back == ()


@pytest.mark.parametrize(
    ("phase", "said"),
    [(Phase.REVERTED, "taken back by the rollout"), (Phase.REVERTING, "being taken back by the rollout")],
)
def test_change_that_was_taken_back_is_drift_with_the_reason(look, phase, said):
    """Regression: `drift --fix` applied the change again that had just failed."""
    before = web(replicas=1)
    report = look(plane(kept(record("web", phase=phase, why="wave 1 failed")), waiting=(), template=before))
    assert [(one.rule, one.remedy) for one in report.findings] == [
        ("object-changed", Remedy.MANUAL),
        ("taken-back", Remedy.MANUAL),
    ]
    assert report.findings[0].note == f"{said}: wave 1 failed"
    assert report.findings[1].message == f"its change was {said}: wave 1 failed"
    assert exit_code(report) == 3


# -- formats ----------------------------------------------------------------------------------------


def test_every_format_shows_held_back_clusters(look, capsys):
    report = look(plane(kept(record("web"))))
    assert report.to_json()["held"] == [
        {
            "workload": "web",
            "clusters": list(HELD_BACK),
            "state": "wave 2 of 3 waits for approval",
            "phase": "approval",
            "text": WAITS,
        }
    ]
    _table(printer(), report, "dev")
    shown = capsys.readouterr().out
    assert WAITS in shown
    assert "stack dev: no drift" in shown
    for name, form in FORMATS.items():
        assert WAITS.replace(":", "%3A") in form(report, "dev").replace(":", "%3A"), name
    assert '"severity": "info"' in FORMATS["gitlab"](report, "dev")
    page = drift_report(report, stack="dev")
    assert [item.summary for section in page.sections for item in section.items] == [WAITS]
    assert ("held back", "1") in [(fact.label, fact.value) for fact in page.facts]
    assert json.loads(json.dumps(DriftReport().to_json()))["held"] == []


def test_second_look_keeps_held_back_clusters(look):
    report = look(plane(kept(record("web"))))
    assert replace(report, held_back=()).confirmed_by(report).held_back == report.held_back


# -- the state --------------------------------------------------------------------------------------


def test_state_says_which_workloads_have_waves():
    inputs = {"workload": "web", "rollout": {"record": ["default", "former"], "waves": []}}
    urn = "urn:pulumi:s::p::flotilla:index:PropagatedWorkload$pulumi-python:dynamic/flotilla:Hold::web-hold"
    waiting = ResourceState(urn, custom=True, type="pulumi-python:dynamic/flotilla:Hold", inputs=inputs)
    assert declared(Snapshot((waiting,))).waves == {"web": reference("default", "former")}
