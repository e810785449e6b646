"""Renamed members: Karmada loses its access under the former name only, and plans show the consequences."""

import pytest

from components.cluster_identity import ClusterIdentityProvider
from components.membership import MembershipProvider
from flotilla.errors import FlotillaError
from flotilla.karmada.joining import abandon, agent, renaming
from flotilla.kube.objects import ObjectRef
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack import ConfigError, parse_fleet
from flotilla.state.checkpoint import ResourceState

ONE, TWO = "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666"
IDENTITY = ClusterIdentityProvider()
NEWS = {
    "cluster": "edge",
    "uid": ONE,
    "unanswered": "",
    "former": "member2",
    "controlPlane": "",
    "agentNamespace": "",
    "refused": "",
}


def cluster(name, uid=ONE, *, mode="Push", ready=True):
    reference = {"namespace": "karmada-cluster", "name": name}
    spec = {"id": uid, "syncMode": mode, "secretRef": reference}
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return {"metadata": {"name": name, "uid": name}, "spec": spec, "status": status}


class ControlPlane:
    """Has Clusters and Works. A cluster without its Secret is not Ready; an unreachable cluster keeps its Works."""

    def __init__(self, *clusters, works=()):
        self.clusters = {one["metadata"]["name"]: one for one in clusters}
        self.works = list(works)
        self.deleted = []
        self.stubborn = False

    def find(self, ref):
        return {} if ref.kind == "Deployment" else self.clusters.get(ref.name)

    def list(self, _version, kind, namespace=""):
        return list(self.clusters.values()) if kind == "Cluster" else self.works

    def patch(self, ref, body):
        assert (ref.kind, body) == ("Deployment", {"spec": {"replicas": 0}})
        self.clusters["member2"]["status"] = cluster("", ready=False)["status"]

    def delete(self, ref, **_options):
        self.deleted.append(ref)
        if ref.kind == "Secret" and not self.stubborn:
            self.clusters[ref.name]["status"] = cluster("", ready=False)["status"]
        if ref.kind == "Cluster":
            del self.clusters[ref.name]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(renaming, "NOTICE_SECONDS", 0.0)
    monkeypatch.setattr(abandon, "pause", lambda _: False)


def test_karmada_loses_its_access_under_the_former_name():
    control_plane = ControlPlane(cluster("member1", TWO), cluster("member2"))
    renaming.cut_access(control_plane, "member2", ONE)
    assert control_plane.deleted == [ObjectRef("v1", "Secret", "member2", "karmada-cluster")]


def test_agent_of_the_former_name_is_stopped():
    """Otherwise it would see the deletion of the Works and delete the copies."""
    control_plane = ControlPlane(cluster("member2", mode="Pull"))
    renaming.cut_access(control_plane, "member2", ONE, renaming.Agent(control_plane, "karmada-system"))
    assert control_plane.deleted == []
    assert control_plane.clusters["member2"]["status"]["conditions"][0]["status"] == "False"


@pytest.mark.parametrize("there", [[], [cluster("member2", TWO)]])
def test_cluster_with_another_uid_is_not_changed(there):
    control_plane = ControlPlane(*there)
    renaming.cut_access(control_plane, "member2", ONE)
    assert control_plane.deleted == []


def test_run_stops_while_karmada_still_reaches_the_former_name():
    """The copies would be deleted with the Cluster of the former name."""
    control_plane = ControlPlane(cluster("member2"))
    control_plane.stubborn = True
    with pytest.raises(FlotillaError, match="Karmada still reaches member2"):
        renaming.cut_access(control_plane, "member2", ONE)
    with pytest.raises(FlotillaError, match="Karmada still reaches member2"):
        renaming.cut_access(ControlPlane(cluster("member2", mode="Pull")), "member2", ONE)


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        ([cluster("member2", ready=False)], False),
        ([cluster("member2", ready=False), cluster("edge")], True),
        ([cluster("member2"), cluster("edge")], False),
        ([cluster("member2", ready=False), cluster("edge", TWO)], False),
        ([cluster("edge")], True),
    ],
)
def test_member_is_recognised_under_another_name_by_its_uid(clusters, expected):
    assert renaming.has_joined_elsewhere(ControlPlane(*clusters), "member2", ONE) is expected
    assert not renaming.has_joined_elsewhere(ControlPlane(*clusters), "member2", "")


def test_new_name_changes_the_identity_once():
    olds = {"cluster": "member2", "uid": ONE}
    found = IDENTITY.diff("", olds, NEWS)
    assert (found.changes, found.replaces) == (True, [])
    assert not IDENTITY.diff("", {**olds, "cluster": "edge"}, NEWS).changes, "`formerly` may stay in the stack file"
    assert not IDENTITY.diff("", {**olds, "cluster": "other"}, NEWS).changes
    assert IDENTITY.diff("", olds, {**NEWS, "uid": TWO}).replaces == ["uid"], "another cluster is no rename"


def test_member_that_does_not_answer_keeps_its_access():
    """It could not join under the new name, and Karmada would have lost its access."""
    with pytest.raises(FlotillaError, match="nothing can be declared in edge: no answer"):
        IDENTITY.update("", {"cluster": "member2", "uid": ONE}, {**NEWS, "unanswered": "no answer"})


def test_name_that_an_agent_refuses_is_refused_in_the_plan_only_while_it_matters():
    news = {**NEWS, "refused": "the agent can't take the name over"}
    assert IDENTITY.check({"cluster": "member2", "uid": ONE}, news).failures[0].reason == news["refused"]
    assert not IDENTITY.check({"cluster": "edge", "uid": ONE}, news).failures


@pytest.mark.parametrize(
    ("name", "former", "version", "refused"),
    [
        ("zone", "member2", "1.13.4", True),
        ("edge", "member2", "1.13.4", False),
        ("zone", "member2", "1.14.0", False),
        ("zone", "member2", "1.18.2", False),
    ],
)
def test_agent_before_1_14_refuses_a_name_that_sorts_after_the_former_one(name, former, version, refused):
    assert bool(agent.refuses_name(name, former, version)) is refused


def test_renamed_membership_is_deleted_last_and_that_of_another_cluster_first():
    """If it were drained before the new name joins, the member would lose its copies."""
    olds = {"agent": "a", "controlPlane": "k", "clusterId": ONE, "member": "member2"}
    renamed = MembershipProvider().diff("", olds, {**olds, "member": "edge", "agent": "b"})
    assert (renamed.replaces, renamed.delete_before_replace) == (["member"], False)
    another = MembershipProvider().diff("", olds, {**olds, "clusterId": TWO})
    assert (another.replaces, another.delete_before_replace) == (["clusterId"], True)
    assert not MembershipProvider().diff("", olds, olds).changes


@pytest.mark.parametrize(("others", "drained"), [([cluster("edge")], False), ([], True)])
def test_member_that_has_a_new_name_is_not_drained(monkeypatch, others, drained):
    control_plane = ControlPlane(cluster("member2", mode="Pull", ready=False), *others)
    asked = []
    monkeypatch.setattr("components.membership.connect", lambda *_, **__: control_plane)
    monkeypatch.setattr("components.membership.drain", lambda *parts: asked.append(parts))
    props = {"controlPlane": "", "member": "member2", "clusterId": ONE, "timeout": 5}
    MembershipProvider().delete("", props)
    assert bool(asked) is drained
    assert ("member2" in control_plane.clusters) is drained


# -- plans --


def cluster_state(name, cluster_id):
    inputs = {
        "apiVersion": "cluster.karmada.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {"id": cluster_id, "syncMode": "Push"},
    }
    return ResourceState(
        urn=f"urn:pulumi:s::p::{CLUSTER_TYPE}::{name}-cluster", custom=True, type=CLUSTER_TYPE, inputs=inputs
    )


def step(op, *, old=None, new=None):
    state = new or old
    return Step(op, state.urn, CLUSTER_TYPE, old=old, new=new)


def test_undeclared_rename_of_a_member_is_recognised_and_refused():
    """The same cluster would leave and join again, and its copies would be deleted."""
    result = Result(
        [
            step(Op.CREATE, new=cluster_state("edge", "uid-2")),
            step(Op.DELETE, old=cluster_state("member2", "uid-2")),
            step(Op.DELETE, old=cluster_state("member3", "uid-3")),
        ]
    )
    plan = fleet_plan(result)
    (refusal,) = plan.refusals
    assert "member edge is the cluster that has joined as member2" in refusal
    assert "add `formerly: member2` to edge" in refusal
    edge = next(cluster for cluster in plan.clusters if cluster.name == "edge")
    assert edge.details[0] == "formerly member2: its copies are deleted and created again"


def renamed_plan(old, new):
    return fleet_plan(
        Result([step(Op.CREATE_REPLACEMENT, old=old, new=new), step(Op.DELETE_REPLACED, old=old)]),
    )


def test_member_with_a_declared_former_name_keeps_its_copies():
    plan = renamed_plan(cluster_state("member2", "uid-2"), cluster_state("edge", "uid-2"))
    assert plan.refusals == ()
    assert [(c.name, c.verb, c.details[0]) for c in plan.clusters] == [
        ("edge", "joins", "formerly member2: its copies stay"),
        ("member2", "leaves", "it is edge now"),
    ]


def test_new_name_together_with_a_new_mode_is_refused():
    """The former agent would delete copies that the new name has taken over, or nobody would take them over."""
    new = cluster_state("edge", "uid-2")
    new.inputs["spec"]["syncMode"] = "Pull"
    plan = renamed_plan(cluster_state("member2", "uid-2"), new)
    (refusal,) = plan.refusals
    assert "it would join in pull mode instead" in refusal


def test_other_cluster_under_another_name_leaves_and_joins():
    plan = renamed_plan(cluster_state("member2", "uid-2"), cluster_state("edge", "uid-3"))
    assert plan.refusals == ()
    assert [(c.name, c.verb, c.details[0]) for c in plan.clusters] == [
        ("edge", "joins", "push mode, at None"),
        ("member2", "leaves", "its workloads are removed first"),
    ]


def test_unrelated_leaving_and_joining_clusters_are_no_rename():
    steps = [step(Op.CREATE, new=cluster_state("a", "1")), step(Op.DELETE, old=cluster_state("b", "2"))]
    assert fleet_plan(Result(steps)).refusals == ()


def test_former_name_of_a_member_cannot_be_used_twice(sections, project):
    sections["workloads"] = []
    sections["members"][0]["formerly"] = "member2"
    with pytest.raises(ConfigError, match="is the name of another of the stack's members"):
        parse_fleet(sections, base=project)
