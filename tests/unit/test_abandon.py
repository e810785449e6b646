"""`flotilla abandon`: the member is removed from the control plane and from the state, and nothing else is removed."""

from http import HTTPStatus

import pytest

from flotilla.deploy import abandon as abandoning
from flotilla.deploy.abandon import Abandonment, plan_abandonment
from flotilla.engine.deployment import Deployment
from flotilla.engine.removal import delete_all
from flotilla.engine.run_state import Options
from flotilla.karmada.joining.abandon import Leftovers, remove_cluster
from flotilla.karmada.names import WORK_FINALIZER
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import ObjectRef
from flotilla.state.checkpoint import Operation, ResourceState, Snapshot, without

URN = "urn:pulumi:s::p::"
MEMBER = f"{URN}flotilla:index:PushMember::member1"
INSIDE = f"{URN}flotilla:index:PushMember$"
DIALS = f"{INSIDE}pulumi:providers:kubernetes::member1-provider"
KARMADA = f"{URN}pulumi:providers:kubernetes::karmada-provider"


def namespace(name, provider, **more):
    inputs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    urn = f"{INSIDE}kubernetes:core/v1:Namespace::{name}"
    kind = "kubernetes:core/v1:Namespace"
    return ResourceState(urn, custom=True, type=kind, inputs=inputs, parent=MEMBER, provider=f"{provider}::1", **more)


def state():
    """Return a state with a member, one of whose creations was interrupted."""
    known = namespace("known", KARMADA, id="known", outputs={"metadata": {"uid": "7"}})
    resources = (
        ResourceState(KARMADA, custom=True, type="pulumi:providers:kubernetes", id="1"),
        ResourceState(MEMBER, custom=False, type="flotilla:index:PushMember"),
        ResourceState(DIALS, custom=True, type="pulumi:providers:kubernetes", id="1", parent=MEMBER),
        known,
    )
    begun = [Operation(namespace(name, by), "creating") for name, by in (("begun", DIALS), ("sent", KARMADA))]
    return Snapshot(resources, tuple(begun))


class Stack:
    def __init__(self, snapshot):
        self._snapshot = snapshot

    def snapshot(self):
        return self._snapshot


def test_abandon_removes_pending_operations_of_the_member(monkeypatch):
    monkeypatch.setattr(abandoning, "embedded_stack", lambda _setting: Stack(state()))
    monkeypatch.setattr(abandoning, "_why_gone", lambda *_: "no answer")
    monkeypatch.setattr(abandoning, "control_plane_of", lambda *_: None)
    monkeypatch.setattr(abandoning, "leftovers", lambda *_: Leftovers((), ()))
    plan = plan_abandonment(None, None, "member1")
    assert isinstance(plan, Abandonment)
    assert ObjectRef("v1", "Namespace", "begun") in plan.running
    assert plan.uids == {ObjectRef("v1", "Namespace", "known"): "7"}
    left = without(state(), set(plan.urns))
    assert [r.urn for r in left.resources] == [KARMADA]
    (sent,) = (
        left.pending
    )  # the control plane answers, so the next run finds out whether the object exists and deletes it
    assert (sent.resource.name, sent.resource.parent) == ("sent", "")


@pytest.mark.parametrize("dry_run", [False, True])
def test_provider_of_an_unsettled_creation_is_kept(dry_run):
    run = Deployment("s", "p", Snapshot(state().resources, state().pending[:1]), Options(dry_run=dry_run))
    run.registry.provider = lambda *_: pytest.fail("nobody is asked")
    known = state().resources[-1]
    run.base = Snapshot(tuple(r for r in run.base.resources if r.urn != known.urn), run.base.pending[:1])
    delete_all(run, list(run.base.resources), [])
    assert [r.urn for r in run.snapshot().resources] == [MEMBER, DIALS]
    assert [step.name for step in run.result.steps] == ["karmada-provider"]
    reported = run.result.messages if dry_run else run.result.failures
    assert any("begun: its creation broke off" in line for line in reported)


class ControlPlane:
    """Has Works of a member whose Cluster is deleted. They change between reads."""

    def __init__(self):
        self.finalizers = [WORK_FINALIZER, "other/finalizer"]
        self.deleted, self.patches = [], []

    def find(self, ref):
        if ref.kind == "Cluster":
            return None
        return {"metadata": {"finalizers": self.finalizers, "resourceVersion": str(len(self.patches))}}

    def list(self, *_args, namespace):
        return [{"metadata": {"name": "w", "namespace": namespace}, "spec": {}}]

    def delete(self, ref, **_options):
        self.deleted.append(ref.name)

    def patch(self, _ref, body):
        self.patches.append(body)
        if len(self.patches) == 1:
            raise ApiError("changed", status=HTTPStatus.CONFLICT, reason="Conflict")
        self.finalizers = body["metadata"]["finalizers"]


def test_works_of_a_deleted_cluster_are_removed_too():
    control_plane = ControlPlane()
    remove_cluster(control_plane, "member1", "")
    assert control_plane.deleted == ["w"]
    assert control_plane.finalizers == ["other/finalizer"]
