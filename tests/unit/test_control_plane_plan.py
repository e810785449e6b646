"""Objects of the control plane itself in the program, in plans, in drift and in policies."""

import datetime as dt

import pytest
import yaml

from flotilla.agent.judging import plan_answer
from flotilla.agent.planning import Planned
from flotilla.agent.tool import PagedArguments
from flotilla.cli.output import Output
from flotilla.deploy.declared import CONTROL_PLANE, Declared
from flotilla.deploy.interface import EngineName
from flotilla.drift.propagation import check_unclaimed
from flotilla.karmada.status.reading import read_for
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.plan.control_plane import GROUP_TYPE, ObjectPlan, own_objects
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.interpreters import interpreted_kinds
from flotilla.plan.steps import Op, Result, Step
from flotilla.policy.evaluate import Status, evaluate
from flotilla.policy.model import StackView
from flotilla.report.build import plan_report
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change, ChangeKind
from policies.rules import RULES as LISTED
from tests.unit.control_plane import AUTOSCALER, OBJECTS, REBALANCER, manifest, write
from tests.unit.planes import EVERYWHERE, Plane
from tests.unit.test_components import absolute, run  # noqa: F401 - the program, with recording mocks
from tests.unit.test_plan_taints import BOTH, INTERPRETER, WIDGET, cluster_step, rollout_step
from tests.unit.test_policies import secret

RULES = {rule.name: rule for rule in LISTED}
PARENT = f"urn:pulumi:s::p::{GROUP_TYPE}::platform"


def step(op, obj, *, changes=()):
    type_ = f"kubernetes:{obj['apiVersion']}:{obj['kind']}"
    urn = f"urn:pulumi:s::p::{GROUP_TYPE}${type_}::{obj['kind'].lower()}-{obj['metadata']['name']}"
    found = ResourceState(urn, True, type_, id="id", inputs=obj, outputs=obj, parent=PARENT)
    return Step(
        op, urn, type_, changes=changes, old=None if op is Op.CREATE else found, new=None if op is Op.DELETE else found
    )


# -- what the program declares ---------------------------------------------------------------------------------------


@pytest.fixture
def registered(run, absolute, project):  # noqa: F811
    """Return the resources that the program registers for some groups, by name in the order of registration."""

    def registered(**files):
        absolute["controlPlane"]["version"] = "1.18.2"
        absolute["objects"] = write(project, **files)
        for group in absolute["objects"]:
            group["manifests"] = [str(project / name) for name in group["manifests"]]
        return run(absolute)

    return registered


def test_objects_of_a_group_are_children_of_its_component(registered):
    found = registered(platform=OBJECTS, scaling=AUTOSCALER + "---" + REBALANCER)
    assert found["platform"].typ == found["scaling"].typ == GROUP_TYPE
    names = {
        "namespace-team": "kubernetes:core/v1:Namespace",
        "clusterrole-flotilla-viewer": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        "clusterrolebinding-flotilla-viewers": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
        "federatedresourcequota-team/quota": "kubernetes:policy.karmada.io/v1alpha1:FederatedResourceQuota",
        "clustertaintpolicy-flotilla-lost": "kubernetes:policy.karmada.io/v1alpha1:ClusterTaintPolicy",
        "resourceinterpretercustomization-flotilla-gadgets": (
            "kubernetes:config.karmada.io/v1alpha1:ResourceInterpreterCustomization"
        ),
        "federatedhpa-default/web": "kubernetes:autoscaling.karmada.io/v1alpha1:FederatedHPA",
        "workloadrebalancer-once": "kubernetes:apps.karmada.io/v1alpha1:WorkloadRebalancer",
    }
    assert {name: found[name].typ for name in names} == names
    assert all("::karmada-provider::" in found[name].provider for name in names)
    order = list(found)
    first = [name for name in names if name.split("-")[0] not in ("federatedhpa", "workloadrebalancer")]
    assert order.index("namespace-team") < order.index("federatedresourcequota-team/quota")
    assert max(order.index(name) for name in first) < order.index("nginx-policy")
    assert order.index("deployment-default/nginx") < order.index("federatedhpa-default/web")
    assert order.index("nginx-rollout") < order.index("workloadrebalancer-once")


def test_stack_without_such_objects_declares_the_same_as_before(run, absolute):  # noqa: F811
    assert not any(args.typ == GROUP_TYPE for args in run(absolute).values())


# -- plans -----------------------------------------------------------------------------------------------------------


def test_plan_shows_the_change_of_each_object():
    obj = {**manifest(AUTOSCALER), "metadata": {"name": "web", "namespace": "default"}}
    change = Change(("spec", "maxReplicas"), ChangeKind.UPDATE, 5, 6)
    role, quota, once = (
        {**one, "metadata": {**one["metadata"]}}
        for one in (*list(yaml.safe_load_all(OBJECTS))[1:3], manifest(REBALANCER))
    )
    steps = [
        step(Op.UPDATE, obj, changes=(change,)),
        step(Op.DELETE, role),
        step(Op.SAME, quota),
        step(Op.CREATE, once),
        step(Op.REPLACE, {**role, "metadata": {"name": "again"}}),
        step(Op.CREATE_REPLACEMENT, {**role, "metadata": {"name": "again"}}),
        step(Op.DELETE_REPLACED, {**role, "metadata": {"name": "again"}}),
    ]
    expected = (
        ObjectPlan("ClusterRole again", "changes", ("is replaced",)),
        ObjectPlan("ClusterRole flotilla-viewer", "gone"),
        ObjectPlan("FederatedHPA default/web", "changes", ("maxReplicas 5 → 6",)),
        ObjectPlan("FederatedResourceQuota team/quota", "stays"),
        ObjectPlan("WorkloadRebalancer once", "new", ("Karmada schedules Deployment default/nginx again",)),
    )
    assert own_objects(steps) == expected
    document = fleet_plan(Result(steps=steps)).to_json()
    assert document["controlPlane"][1] == {"name": "ClusterRole flotilla-viewer", "verb": "gone", "details": []}
    assert "controlPlane" not in fleet_plan(Result()).to_json()


def test_text_plan_lists_the_objects_under_the_control_plane(capsys):
    result = Result(steps=[step(Op.CREATE, manifest(AUTOSCALER)), step(Op.DELETE, manifest(REBALANCER))])
    shown = {"stack": "dev", "engine": EngineName.EMBEDDED, "detail": False, "rendered": False, "title": "Plan"}
    Output(as_json=False).plan(fleet_plan(result), result, **shown)
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("control plane")
    assert lines[at + 1 : at + 3] == [
        "  + FederatedHPA web: scales Deployment default/nginx",
        "  - WorkloadRebalancer once",
    ]


def test_report_and_agents_plan_have_the_objects():
    result = Result(steps=[step(Op.CREATE, manifest(AUTOSCALER)), step(Op.SAME, manifest(REBALANCER))])
    report = plan_report(fleet_plan(result), result, stack="dev", engine="embedded")
    (section,) = [one for one in report.sections if one.title == "Control plane"]
    assert [(item.title, item.word) for item in section.items] == [
        ("FederatedHPA web", "new"),
        ("WorkloadRebalancer once", "stays"),
    ]
    answer = plan_answer(Planned(result, [], ""), PagedArguments(), enabled=False)
    assert [(one.what, one.verb) for one in answer.control_plane] == [("FederatedHPA web", "new")]


def planned(*own, interpreters=()):
    steps = [cluster_step("member1"), cluster_step("member2"), rollout_step({"templates": [WIDGET], "placement": BOTH})]
    (workload,) = fleet_plan(Result(steps=[*steps, *own], interpreters=list(interpreters)), version="1.18.2").workloads
    return [str(one) for one in workload.undecided]


WEBHOOK = {
    "apiVersion": "config.karmada.io/v1alpha1",
    "kind": "ResourceInterpreterWebhookConfiguration",
    "metadata": {"name": "gadgets"},
    "webhooks": [
        {
            "name": "gadgets.example.org",
            "rules": [
                {"operations": ["InterpretReplica"], "apiGroups": ["*"], "apiVersions": ["*"], "kinds": ["Widget"]}
            ],
        }
    ],
}


@pytest.mark.parametrize("interpreter", [INTERPRETER, WEBHOOK], ids=["customization", "webhook"])
def test_interpreter_declared_in_the_same_run_is_respected(interpreter):
    """Such an interpreter is not in the control plane yet. Regression: interpreter webhooks were never considered."""
    said = ["Widget default/gadget: Karmada chooses among member1, member2: by the interpreter of the kind's replicas"]
    assert (
        planned(step(Op.CREATE, {"apiVersion": WEBHOOK["apiVersion"], "metadata": {"name": "one"}, **interpreter}))
        == said
    )
    assert planned(interpreters=[interpreter]) == said
    assert planned() == []


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        ({"operations": ["*"], "apiGroups": ["apps"], "kinds": ["*"]}, True),
        ({"operations": ["InterpretHealth"], "apiGroups": ["apps"], "kinds": ["*"]}, False),
        ({"operations": ["*"], "apiGroups": ["batch"], "kinds": ["*"]}, False),
        ({"operations": ["*"], "apiGroups": ["apps"], "kinds": ["StatefulSet"]}, False),
        ({"operations": "*", "kinds": None}, False),
    ],
)
def test_interpreter_webhook_applies_to_the_kinds_of_its_rules(rule, read):
    webhook = {**WEBHOOK, "webhooks": [{"name": "one", "rules": [rule]}, {"rules": "none"}, None]}
    kinds = [("apps", "Deployment")]
    assert interpreted_kinds([webhook], asked=kinds) == (frozenset(kinds) if read else frozenset())


# -- drift and policies ----------------------------------------------------------------------------------------------


def test_control_plane_object_is_no_unclaimed_template():
    """Regression: a control plane ConfigMap next to a ConfigMap of a workload was reported as running nowhere."""
    shared = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "default"}}
    own = {**shared, "metadata": {**shared["metadata"], "name": "own"}}
    other = {**shared, "metadata": {**shared["metadata"], "name": "other"}}
    rollouts = {"web": RolloutCheck([shared], EVERYWHERE, [])}
    stack = Declared(objects={CONTROL_PLANE: [own, shared]}, rollouts=rollouts)
    plane = Plane(shared, own, other)
    found = check_unclaimed(plane, stack, read_for(plane, [shared]))
    assert [(f.rule, f.object) for f in found] == [("template-unclaimed", "ConfigMap default/other")]


def test_clear_text_secret_of_the_control_plane_is_reported():
    view = StackView((secret(parent=PARENT),))
    verdicts = evaluate([RULES["no-plaintext-secrets"]], view, today=dt.date(2026, 1, 1))
    assert {verdict.status for verdict in verdicts} == {Status.FAIL}
