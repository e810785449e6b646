"""Plans of runs that only wait: existing objects are not shown as new, and the wait is named."""

from dataclasses import replace

import pytest

from flotilla.cli.output import Output
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.notices import notice_text
from flotilla.plan.rollouts import rollouts_of
from flotilla.plan.steps import Op, Phase, Result, Step, StepEvent
from flotilla.state.checkpoint import Snapshot
from flotilla.state.values import Secret
from tests.unit.test_plan_found import PARENT, PLACEMENT, nginx, object_step, override, policy, state, step

PROPS = {"workload": "nginx", "templates": [nginx(7)], "placement": PLACEMENT, "overrideRules": []}
STANDING = [object_step(one, one) for one in (nginx(7), policy(PLACEMENT), override())]


def planned(rollout, *steps):
    clusters = [
        step(CLUSTER_TYPE, f"{n}-cluster", inputs := {"kind": "Cluster", "metadata": {"name": n}}, inputs, "")
        for n in ("member1", "member2")
    ]
    (workload,) = fleet_plan(Result(steps=[*clusters, *steps, rollout]), version="1.18.2").workloads
    return workload


def said(workload):
    return [notice_text(one) for one in workload.notices]


def rollout(old, new=None, *, outputs=None):
    """Return a Rollout's step; `outputs` are the former outputs."""
    made = step(ROLLOUT_TYPE, "nginx-rollout", old, new or PROPS)
    return replace(made, old=replace(made.old, outputs=outputs)) if outputs is not None else made


WAITS = "no object changes: `up` waits until it is ready everywhere"


def test_run_after_a_failed_first_wait_shows_no_object_as_new():
    """Pulumi's CLI stores no rollout whose first wait fails.

    Regression: every object was shown as new in every cluster.
    """
    workload = planned(rollout(None), *STANDING)
    assert (workload.verb, [copy.verb for copy in workload.copies]) == ("stays", ["stays", "stays"])
    assert said(workload) == [WAITS]


def test_run_after_a_failed_first_wait_shows_changes_since_then():
    steps = [object_step(nginx(7), nginx(7, "nginx:1.28")), *STANDING[1:]]
    workload = planned(rollout(None, {**PROPS, "templates": [nginx(7, "nginx:1.28")]}), *steps)
    assert [copy.details for copy in workload.copies] == [("image nginx:1.27 → nginx:1.28",)] * 2
    assert said(workload) == []


def test_run_after_a_failed_update_shows_no_change_that_was_made_already():
    """Pulumi's CLI keeps the former rollout. Regression: the image that runs already was shown as a change again."""
    before = {**PROPS, "templates": [nginx(7, "nginx:1.26")], "placement": {}, "overrideRules": [{"overriders": {}}]}
    workload = planned(rollout(before), *STANDING)
    assert (workload.verb, [copy.verb for copy in workload.copies]) == ("stays", ["stays", "stays"])
    assert said(workload) == [WAITS]


def test_changes_of_a_plan_are_shown_together_with_those_of_a_failed_update():
    before = {**PROPS, "templates": [nginx(7, "nginx:1.26")]}
    steps = [object_step(nginx(7), nginx(7, "nginx:1.28")), *STANDING[1:]]
    workload = planned(rollout(before, {**PROPS, "templates": [nginx(7, "nginx:1.28")]}), *steps)
    assert [copy.details for copy in workload.copies] == [("image nginx:1.27 → nginx:1.28",)] * 2


def test_removed_object_after_a_failed_first_wait_is_shown_as_deleted():
    second = {**nginx(7), "metadata": {"name": "second", "namespace": "default"}}
    gone = step("kubernetes:x:Deployment", "second-deployment", second, None)
    workload = planned(rollout(None), *STANDING, gone)
    assert [copy.details for copy in workload.copies] == [("Deployment default/second is removed",)] * 2


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [object_step(None, one) for one in (nginx(7), policy(PLACEMENT), override())],
        [STANDING[0], object_step(None, policy(PLACEMENT))],
        [object_step(None, nginx(7)), STANDING[1]],
    ],
    ids=["nothing known", "all new", "policy new", "template new"],
)
def test_workload_that_does_not_exist_is_new(steps):
    assert planned(rollout(None), *steps).verb == "new"


def test_objects_of_another_workload_are_not_taken_for_its_own():
    elsewhere = [replace(one, old=replace(one.old, parent=f"{PARENT}-other")) for one in STANDING]
    assert planned(rollout(None), *elsewhere).verb == "new"


def test_no_wait_is_shown_if_the_engine_hides_the_objects():
    workload = planned(rollout(None, {**PROPS, "templates": Secret(None)}), *STANDING)
    assert (workload.verb, workload.copies) == ("new", ())


def test_failed_rollout_in_the_state_is_only_waited_for():
    again = replace(rollout(PROPS, outputs={**PROPS, "settled": False}), op=Op.UPDATE)
    workload = planned(again, *STANDING)
    assert (workload.verb, said(workload)) == ("stays", [WAITS])
    assert said(planned(rollout(PROPS), *STANDING)) == [], "one that is done is not waited for"


def test_plan_shows_the_readiness_rules_of_objects():
    ready = {"Service": "applied", "Job/migrate": {"condition": "Complete", "status": "True"},
             "Widget": {"jsonPath": ".status.phase", "value": "Running"}}  # fmt: skip
    workload = planned(rollout(None, {**PROPS, "ready": ready}))
    (line,) = said(workload)
    assert line == (
        "done when every object is healthy, but Service: applied, Job/migrate: condition Complete, "
        "Widget: .status.phase = Running"
    )
    relaxed = planned(rollout(PROPS, {**PROPS, "ready": {"Deployment": "applied"}}), *STANDING)
    assert said(relaxed) == ["done when every object is healthy, but Deployment: applied", WAITS]


def test_plan_names_objects_that_no_controller_served_at_the_last_look():
    text = "no load balancer address yet"
    unserved = {"Service default/web": {"member1": text, "member2": text}}
    workload = planned(rollout(PROPS, outputs={**PROPS, "settled": True, "unserved": unserved}), *STANDING)
    assert workload.verb == "stays"
    (line,) = said(workload)
    assert line.startswith(f"Service default/web in member1, member2: {text}: nothing seemed to provide it")


def test_drift_and_status_use_the_readiness_rules_of_the_state():
    """Regression: a workload that was compared by its policies and templates lost its readiness rules."""
    made = {**PROPS, "ready": {"Deployment": "applied"}, "members": {}}
    resources = [
        state(ROLLOUT_TYPE, "nginx-rollout", made),
        *(state(f"kubernetes:x:{one['kind']}", one["kind"], one) for one in (selecting(policy(PLACEMENT)), nginx(7))),
    ]
    resources = [replace(one, parent=PARENT) for one in resources]
    assert rollouts_of(Snapshot(tuple(resources))).checks["nginx"].ready == {"Deployment": "applied"}


def selecting(made):
    selector = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nginx", "namespace": "default"}
    return {**made, "spec": {**made["spec"], "resourceSelectors": [selector]}}


def waiting(text):
    return StepEvent(Phase.WAITING, Step(Op.CREATE, "urn:pulumi:dev::p::x::web-rollout", ROLLOUT_TYPE), said=text)


@pytest.mark.parametrize(("form", "shown"), [({}, True), ({"quiet": True}, False), ({"as_json": True}, False)])
def test_wait_of_a_run_is_one_line_of_text(form, shown, capsys):
    Output(**{"as_json": False, **form}).on_step(waiting("rollout of web waits for m1: \x1b[2Jx\nerror: y"))
    seen = capsys.readouterr().err
    assert (seen == "  … rollout of web waits for m1: \\x1b[2Jx error: y\n") is shown
    assert shown or not seen
