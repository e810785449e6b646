"""Cluster identity: the UID in the state counts, another cluster replaces, and nothing is sent to the wrong cluster."""

import pytest

from components.cluster_identity import ClusterIdentityProvider, read_identity
from flotilla.deploy.unanswered import IDENTITY_TYPE, with_unanswered
from flotilla.engine.deployment import Deployment
from flotilla.engine.registry import ProviderRegistry
from flotilla.engine.run_state import Options
from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.joining.joined import join_conflict
from flotilla.karmada.status.withdrawal import await_withdrawn
from flotilla.kube.identity import AnotherCluster, is_uid, verified
from flotilla.kube.objects import ObjectRef
from flotilla.kube.wire import KindNotServed
from flotilla.plan.steps import Op, Result, Step
from flotilla.providers.stacks import no_stacks
from flotilla.state.checkpoint import ResourceState, Snapshot
from flotilla.state.values import UNKNOWN, UNKNOWN_TEXT

ONE = "11111111-2222-3333-4444-555555555555"
TWO = "11111111-2222-3333-4444-666666666666"
PROVIDER = ClusterIdentityProvider()


class Stub:
    """A cluster that answers every request with one document."""

    name = "member1"
    server = "https://one"

    def __init__(self, answer):
        self.answer = answer

    def request(self, _method, _path, **_options):
        return self.answer


def named(uid):
    return Stub({"kind": "Namespace", "metadata": {"uid": uid}})


def test_uid_of_the_state_is_used_where_a_cluster_does_not_answer():
    news = {"cluster": "member1", "uid": "", "unanswered": "no answer", "sameAs": ""}
    assert PROVIDER.check({"uid": ONE}, news).inputs["uid"] == ONE
    assert not PROVIDER.diff("", {"uid": ONE}, PROVIDER.check({"uid": ONE}, news).inputs).changes


def test_cluster_without_a_known_uid_fails_alone():
    inputs = PROVIDER.check({}, {"cluster": "member1", "uid": "", "unanswered": "no answer", "sameAs": ""}).inputs
    with pytest.raises(FlotillaError, match="nothing can be declared in member1: no answer"):
        PROVIDER.create(inputs)


def test_another_uid_is_a_replacement_and_an_unknown_uid_is_not():
    found = PROVIDER.diff("", {"uid": ONE}, {"uid": TWO})
    assert found.replaces == ["uid"]
    assert found.delete_before_replace
    assert not PROVIDER.diff("", {"uid": ONE}, {"uid": UNKNOWN}).changes


def test_two_members_with_the_same_cluster_are_refused():
    (failure,) = PROVIDER.check({}, {"cluster": "b", "uid": ONE, "unanswered": "", "sameAs": "a"}).failures
    assert "b is the same cluster as a" in failure.reason


class Member:
    """A cluster with some of the objects that a join, and later Karmada, leave in it."""

    name = "b"

    def __init__(self, kinds):
        self.kinds = kinds

    def find(self, ref, timeout=None):
        return {"metadata": {}} if ref.kind in self.kinds else None


BEGUN, SERVED = ("ServiceAccount",), ("ServiceAccount", "ClusterRoleBinding")


@pytest.mark.parametrize(
    ("known", "there", "said"),
    [
        ({}, (), ""),
        ({ONE: "b"}, SERVED, ""),
        (None, SERVED, ""),
        ({ONE: "a"}, SERVED, "b is joined to this control plane already, as Cluster a"),
        ({TWO: "a"}, SERVED, "b is joined to another control plane"),
        ({TWO: "a"}, BEGUN, ""),  # an unfinished join by karmadactl or kubectl
        ({TWO: "b"}, BEGUN, ""),  # an adoption refuses it; for the stack's own Cluster it is now another cluster
        ({ONE: "a", TWO: "b"}, BEGUN, "as Cluster a"),
    ],
)
def test_joined_cluster_is_recognised(known, there, said):
    reason = join_conflict("b", ONE, known, Member(there), "karmada-cluster")
    assert said in reason
    assert bool(reason) is bool(said)


def test_conflict_matters_only_for_a_first_join():
    news = {"cluster": "b", "uid": ONE, "unanswered": "", "sameAs": "", "joined": "b is joined elsewhere"}
    assert PROVIDER.check({}, news).failures[0].reason == "b is joined elsewhere"
    assert not PROVIDER.check({"uid": ONE}, news).failures
    assert not PROVIDER.check({}, {**news, "joined": UNKNOWN_TEXT, "sameAs": UNKNOWN_TEXT}).failures


def test_cluster_that_cannot_be_asked_is_a_reason_and_no_error():
    said = read_identity("not a kubeconfig", "member1")
    assert said["uid"] == ""
    assert said["unanswered"]


def test_nothing_is_sent_to_another_cluster():
    assert verified(named(ONE), ONE).server == "https://one"
    with pytest.raises(AnotherCluster, match="another cluster answers"):
        verified(named(TWO), ONE)
    for odd in ("<html>", [], {"metadata": None}, {"metadata": {"uid": 7}}):
        with pytest.raises(ClusterError) as caught:
            verified(Stub(odd), ONE)
        assert caught.value.whole_cluster


@pytest.mark.parametrize(
    ("old", "new", "another"),
    [
        (ONE, TWO, True),
        (ONE, ONE, False),
        ("member1", ONE, False),  # a state of an older version
        ("one", "two", True),
        (ONE, UNKNOWN, True),
        ("", ONE, False),
        (ONE, "", False),
    ],
)
def test_provider_with_another_uid_is_another_cluster(old, new, another):
    registry = ProviderRegistry(lambda _: None, no_stacks)
    before = {"clusterIdentifier": old, "kubeconfig": "a"}
    assert registry.is_other_cluster(before, {"clusterIdentifier": new, "kubeconfig": "a"}) is another
    assert is_uid(ONE)
    assert not is_uid("member1")


def state(type_, name, **more):
    urn = f"urn:pulumi:s::p::{type_}::{name}"
    return ResourceState(urn=urn, custom=True, type=type_, id=name, **more)


def test_resources_of_a_replaced_cluster_are_deleted_in_reverse_order():
    identity = state(IDENTITY_TYPE, "member1-identity")
    other = state("pulumi:providers:kubernetes", "karmada-provider", inputs={"clusterIdentifier": TWO})
    provider = state(
        "pulumi:providers:kubernetes",
        "member1-provider",
        inputs={"clusterIdentifier": ONE, "kubeconfig": "a"},
        property_dependencies={"clusterIdentifier": [identity.urn]},
    )
    account = state("kubernetes:core/v1:ServiceAccount", "account", provider=f"{provider.urn}::member1-provider")
    fields = {"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "member1"}}
    cluster = state(
        "kubernetes:cluster.karmada.io/v1alpha1:Cluster",
        "member1-cluster",
        inputs={**fields, "spec": {"id": ONE}},
        provider=f"{other.urn}::karmada-provider",
        property_dependencies={"spec": [identity.urn]},
        replace_on_changes=("spec.id",),
    )
    bystander = state("kubernetes:core/v1:Secret", "secret", provider=f"{other.urn}::karmada-provider")
    run = Deployment("s", "p", Snapshot((identity, other, provider, account, cluster, bystander)), Options())
    assert [r.name for r in run._replaced_with(identity)] == ["member1-cluster", "account", "member1-provider"]


def test_changing_run_fails_for_a_cluster_that_did_not_answer():
    inputs = {"cluster": "member1", "uid": ONE, "unanswered": "member1: no answer"}
    step = Step(Op.SAME, "urn:pulumi:s::p::t::member1-identity", IDENTITY_TYPE, new=state("t", "one", inputs=inputs))
    planned = with_unanswered(Result(steps=[step]), changing=False)
    assert (planned.unknown, planned.failures) == ({"member1": "member1: no answer"}, [])
    done = with_unanswered(Result(steps=[step]), changing=True)
    assert len(done.failures) == 1
    assert with_unanswered(done, changing=True).failures == done.failures
    assert UNKNOWN_TEXT not in str(done)


BINDING = {
    "metadata": {"name": "web-deployment", "labels": {"resourcebinding.karmada.io/permanent-id": "x"}},
    "spec": {"resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}


class ControlPlane:
    """A control plane with prepared answers: the binding, the template, clusters of Works, and Ready clusters."""

    def __init__(self, *, template=False, clusters=(), ready=()):
        self.template, self.clusters, self.ready = template, list(clusters), ready
        self.looks = 0
        self.deleted = []
        self.certain = True

    def unserved(self, _api_version, _kind):
        return self.certain

    def delete(self, ref, **_options):
        self.deleted.append(str(ref))

    def find(self, ref):
        if ref.kind == "ResourceBinding":
            return BINDING if self.clusters else None
        if isinstance(self.template, Exception):
            raise self.template
        return {"metadata": {}} if self.template else None

    def list(self, _api_version, kind, **_options):
        if kind == "Cluster":
            status = {"conditions": [{"type": "Ready", "status": "True"}]}
            return [{"metadata": {"name": name}, "status": status if name in self.ready else {}} for name in "abc"]
        self.looks += 1
        identity = BINDING["metadata"]["labels"]
        works = [
            {"metadata": {"name": "w", "namespace": f"karmada-es-{name}", "labels": identity}, "spec": {}}
            for name in self.clusters
        ]
        if self.looks > 1 and self.clusters:
            self.clusters.pop(0)
        return works


WEB = ObjectRef("apps/v1", "Deployment", "web", "default")


def test_copies_in_ready_members_are_waited_for_and_copies_in_dead_members_are_not():
    await_withdrawn(ControlPlane(), [WEB], 1)
    await_withdrawn(ControlPlane(clusters=["a", "c"], ready=["a"]), [WEB], 10)
    await_withdrawn(ControlPlane(clusters=["c"], ready=["a"]), [WEB], 0)
    await_withdrawn(ControlPlane(template=True, clusters=["a"], ready=["a"]), [WEB], 0)
    gone = ControlPlane(clusters=["c"], ready=["a"])
    gone.template = KindNotServed("karmada: serves no such kind", status=404)
    await_withdrawn(gone, [WEB], 0)
    assert gone.deleted == ["ResourceBinding default/web-deployment"], "no garbage collector finds its owner's kind"
    gone = ControlPlane(clusters=["c"], ready=["a"])
    gone.template, gone.certain = KindNotServed("karmada: an aggregated API is down", status=503), False
    await_withdrawn(gone, [WEB], 0)
    assert gone.deleted == []
    with pytest.raises(FlotillaError, match="Deployment default/web in a"):
        await_withdrawn(ControlPlane(clusters=["a"] * 9, ready=["a"]), [WEB], 0)
