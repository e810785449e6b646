"""A plan with existing objects: adopted, claimed by others, or listed if nobody asked to adopt them."""

import argparse
from importlib import import_module

import pytest

from components.dynamic_providers import PROVIDERS
from components.ends import EndProvider
from flotilla.agent.bounds import PagedArguments
from flotilla.agent.judging import plan_answer
from flotilla.agent.planning import Planned
from flotilla.cli.adopting import refuse_unmatched
from flotilla.cli.ending import UsageError
from flotilla.cli.output import Output, plan_document
from flotilla.cli.setting import adoption_of
from flotilla.deploy.interface import EngineName
from flotilla.engine.adoption import NOTHING, Adoption
from flotilla.engine.digest import plan_digest
from flotilla.plan.adoptions import ONLY_LOOKING
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.notices import notice_text
from flotilla.plan.rollouts import ROLLOUT_TYPE
from flotilla.plan.steps import Op, Result, Step, There
from flotilla.report.build import plan_report
from flotilla.report.html import html
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import compare

WORKLOAD = "urn:pulumi:dev::p::flotilla:index:PropagatedWorkload::web"
MEMBER = "urn:pulumi:dev::p::flotilla:index:PushMember::member1"
PLACEMENT = {"clusterAffinity": {"clusterNames": ["member1"]}}
THERE = There("member1", "ServiceAccount karmada-cluster/karmada-member1", "member1", ("karmadactl",))


def cluster(**labels):
    spec = {"syncMode": "Push", "apiEndpoint": "https://10.0.0.7:6443", "id": "1"}
    metadata = {"name": "member1", **({"labels": labels} if labels else {})}
    return {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": metadata, "spec": spec}


def deployment(replicas=2):
    meta = {"name": "web", "namespace": "default"}
    pods = {"spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}}
    spec = {"replicas": replicas, "template": pods}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def policy(**spec):
    selectors = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "default"}]
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"resourceSelectors": selectors, "placement": PLACEMENT, **spec},
    }


def step(op, type_, name, old, new, parent=WORKLOAD, annotations=None, import_id="", detail=""):
    def state(inputs):
        urn = f"urn:pulumi:dev::p::{type_}::{name}"
        outputs = {**inputs, "metadata": {**(inputs.get("metadata") or {}), "annotations": annotations or {}}}
        more = {"parent": parent, "import_id": import_id}
        return ResourceState(urn=urn, custom=True, type=type_, id=name, inputs=inputs, outputs=outputs, **more)

    olds, news = (None if one is None else state(one) for one in (old, new))
    changes = tuple(compare(old, new)) if old is not None and new is not None else ()
    return Step(op, (news or olds).urn, type_, "", changes, olds, news, detail)


def adopted_cluster(**labels):
    return step(Op.ADOPT, CLUSTER_TYPE, "member1-cluster", cluster(), cluster(**labels), MEMBER)


def adopted_workload(was=2, annotations=None, kind=Op.ADOPT, **spec):
    inputs = {"workload": "web", "templates": [deployment()], "placement": PLACEMENT, "overrideRules": []}
    policy_type = "kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy"
    declared = policy(**spec)
    return [
        step(Op.ADOPT, "kubernetes:apps/v1:Deployment", "d", deployment(was), deployment(), annotations=annotations),
        step(kind, policy_type, "p", declared if kind is Op.ADOPT else None, declared),
        step(Op.CREATE, ROLLOUT_TYPE, "web-rollout", None, inputs),
    ]


def notices(*steps):
    (workload,) = fleet_plan(Result(steps=list(steps)), version="1.18.2").workloads
    return workload, [notice_text(notice) for notice in workload.notices]


def printed(capsys, result, **more):
    shown = {"stack": "prod", "engine": "embedded", "detail": False, "rendered": False, "title": "Plan", **more}
    Output(as_json=False).plan(fleet_plan(result), result, **shown)
    return capsys.readouterr().out


def test_plan_says_that_an_existing_member_and_workload_are_adopted(capsys):
    result = Result(steps=[adopted_cluster(), *adopted_workload()])
    plan = fleet_plan(result, version="1.18.2")
    assert [(c.name, c.verb, c.details) for c in plan.clusters] == [
        ("member1", "adopted", ("push mode, at https://10.0.0.7:6443",))
    ]
    (workload,) = plan.workloads
    assert (workload.verb, [(c.cluster, c.verb) for c in workload.copies]) == ("adopted", [("member1", "stays")])
    text = printed(capsys, result)
    assert "= member1 adopted: push mode" in text
    assert "= web" in text
    assert "3 to adopt, 1 to create, 0 unchanged" in text
    assert "nothing changes in any cluster" in text


def test_difference_is_shown_as_a_change_of_the_adopted_object(capsys):
    result = Result(steps=[adopted_cluster(env="prod"), *adopted_workload(was=3)])
    plan = fleet_plan(result, version="1.18.2")
    assert plan.clusters[0].details[1:] == ("labels = {'env': 'prod'}",)
    (workload,) = plan.workloads
    assert [(c.verb, c.details) for c in workload.copies] == [("changes", ("replicas 3 → 2",))]
    assert plan.changed["?"] == [
        "Deployment default/web: is adopted: replicas 3 → 2",
        "Cluster member1: is adopted: labels = {'env': 'prod'}",
    ]
    assert "nothing changes in any cluster" not in printed(capsys, result)


@pytest.mark.parametrize(
    ("annotations", "spec", "said"),
    [
        ({}, {}, ""),
        ({"name": "web", "namespace": "default"}, {}, ""),
        (
            {"name": "old", "namespace": "default"},
            {},
            "claimed by PropagationPolicy default/old, which this stack does not",
        ),
        (
            {"name": "old", "namespace": "default"},
            {"preemption": "Always"},
            "this stack's policy takes the object over",
        ),
    ],
)
@pytest.mark.parametrize("kind", [Op.ADOPT, Op.CREATE])
def test_template_claimed_by_another_policy_is_reported(annotations, spec, said, kind):
    claim = {f"propagationpolicy.karmada.io/{key}": value for key, value in annotations.items()}
    _, texts = notices(adopted_cluster(), *adopted_workload(annotations=claim, kind=kind, **spec))
    found = [text for text in texts if "claimed" in text]
    assert [said in text for text in found] == ([True] if said else [])
    assert any(text.startswith("Deployment default/web exists already") for text in texts)


def test_copies_that_a_narrower_policy_removes_are_shown_and_counted():
    """The existing policy sends to two members, the declared one to one member."""
    both = policy(placement={"clusterAffinity": {"clusterNames": ["member1", "member2"]}})
    object_step, _, rollout = adopted_workload()
    policy_type = "kubernetes:policy.karmada.io/v1alpha1:PropagationPolicy"
    second = {**cluster(), "metadata": {"name": "member2"}}
    joined = step(Op.ADOPT, CLUSTER_TYPE, "member2-cluster", second, second, MEMBER.replace("member1", "member2"))
    narrower = step(Op.ADOPT, policy_type, "p", both, policy())
    result = Result(steps=[adopted_cluster(), joined, object_step, narrower, rollout])
    plan = fleet_plan(result, version="1.18.2")
    (workload,) = plan.workloads
    assert [(c.cluster, c.verb) for c in workload.copies] == [("member1", "stays"), ("member2", "gone")]
    assert plan.blast_radius.total("removed") == 1


@pytest.mark.parametrize("lazy", [True, False])
def test_lazy_policy_takes_effect_when_its_template_is_adopted(lazy, capsys):
    spec = {"activationPreference": "Lazy"} if lazy else {}
    _, texts = notices(adopted_cluster(), *adopted_workload(**spec))
    found = [text for text in texts if "web is lazy, and the adoption changes the object" in text]
    assert [text.startswith("Deployment default/web: PropagationPolicy default/web is lazy") for text in found] == (
        [True] if lazy else []
    )
    result = Result(steps=[adopted_cluster(), *adopted_workload(**spec)])
    assert ("nothing changes in any cluster" in printed(capsys, result)) is not lazy


def test_plan_reports_the_removal_of_a_member_that_the_stack_did_not_join():
    for import_id, said in (("member1", True), ("", False)):
        gone = step(Op.DELETE, CLUSTER_TYPE, "member1-cluster", cluster(), None, MEMBER, import_id=import_id)
        (leaving,) = fleet_plan(Result(steps=[gone])).clusters
        assert ("this stack did not join it" in str(leaving.details)) is said


def test_existing_objects_are_one_table_with_the_command_that_adopts_them(capsys):
    result = Result(steps=[], there=[THERE, There("karmada", "Secret karmada-cluster/member1", "web", ())])
    text = printed(capsys, result)
    lines = [line.split() for line in text.splitlines()]
    assert ["member1", "ServiceAccount", "karmada-cluster/karmada-member1", "member1", "karmadactl"] in lines
    assert ["karmada", "Secret", "karmada-cluster/member1", "web", "-"] in lines
    assert "flotilla up -s prod --adopt, or only some of them: --adopt member1 web" in text
    document = plan_document(fleet_plan(result), result, stack="prod", engine=EngineName.EMBEDDED)
    assert document["there"][0] == {
        "cluster": "member1",
        "object": "ServiceAccount karmada-cluster/karmada-member1",
        "part": "member1",
        "managers": ["karmadactl"],
    }


def test_json_digest_and_report_have_the_adopt_operation():
    result = Result(steps=[adopted_cluster(env="prod"), *adopted_workload()])
    document = plan_document(fleet_plan(result), result, stack="prod", engine=EngineName.EMBEDDED)
    assert document["summary"] == {"adopt": 3, "create": 1}
    assert [c["path"] for s in document["steps"] if s["op"] == "adopt" for c in s.get("changes", [])] == [
        "metadata.labels"
    ]
    unchanged = Result(steps=[adopted_cluster(), *adopted_workload()])
    created = Result(steps=[step(Op.CREATE, CLUSTER_TYPE, "member1-cluster", None, cluster(), MEMBER)])
    digests = [plan_digest(one, b"key") for one in (result, unchanged, created)]
    assert len(set(digests)) == 3
    page = html(plan_report(fleet_plan(result), result, stack="prod", engine="embedded"))
    assert "to adopt" in page
    assert "adopted" in page
    refused = Result(there=[THERE])
    page = html(plan_report(fleet_plan(refused), refused, stack="prod", engine="embedded"))
    assert "ServiceAccount karmada-cluster/karmada-member1 in member1" in page
    assert "`up --adopt` takes them over" in page


def test_adoption_that_would_fail_half_way_is_refused_for_an_agent():
    answer = plan_answer(Planned(Result(there=[THERE]), [], ""), PagedArguments(), enabled=True)
    (refusal,) = answer.refused_by
    assert "a person decides with `flotilla up --adopt`" in refusal
    adopted = plan_answer(Planned(Result(steps=[adopted_cluster()]), [], ""), PagedArguments(), enabled=True)
    assert [(one.what, one.verb) for one in adopted.clusters] == [("member1", "adopted")]
    assert [one.operation for one in adopted.resources] == ["adopt"]


# -- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, NOTHING),
        ([[]], Adoption(True)),
        ([["a", "b"]], Adoption(True, ("a", "b"))),
        ([["a"], ["b"]], Adoption(True, ("a", "b"))),
        ([["a"], []], Adoption(True)),
    ],
)
def test_values_of_the_adopt_option(given, meant):
    assert adoption_of(argparse.Namespace(adopt=given)) == meant
    assert adoption_of(argparse.Namespace()) == NOTHING


def test_adopt_with_an_unknown_name_is_refused():
    with pytest.raises(UsageError, match="--adopt 'memer1': nothing in the stack has this name"):
        refuse_unmatched(Result(unmatched=("memer1",)))
    refuse_unmatched(Result())


def test_resources_that_act_only_on_deletion_change_no_cluster_when_created():
    """Every workload has such a resource. Regression: no plan of a fleet said "nothing changes in any cluster"."""
    found = {token.rpartition(":")[2]: where.split(":") for token, where in PROVIDERS.items()}
    ends = [name for name, (module, of) in found.items() if issubclass(getattr(import_module(module), of), EndProvider)]
    assert sorted(ends) == ["Keeping", "Withdrawal"]
    assert set(ends) <= set(ONLY_LOOKING)
