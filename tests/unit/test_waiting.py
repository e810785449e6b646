"""Waits for clusters end soon after the run is asked to end; none of them sleeps until its timeout."""

import re

import pytest

from components import installation, rollout
from flotilla import waiting
from flotilla.errors import FlotillaError
from flotilla.karmada.joining import abandon, identity, membership
from flotilla.karmada.status import withdrawal
from flotilla.karmada.status.rollout import Progress
from flotilla.karmada.status.written import Marks
from flotilla.kube.objects import ObjectRef
from flotilla.providers.awaits import NotReady, await_gone, await_ready

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b", "uid": "1"}, "status": {}}
READY = {"type": "Ready", "status": "True"}
PULL = {"spec": {"syncMode": "Pull"}, "status": {"conditions": [READY]}}
WORK = {"metadata": {"name": "w", "namespace": "n", "deletionTimestamp": "now"}}


class Cluster:
    """Answers every request, but never with the awaited result."""

    name = "member1"

    def get(self, _ref):
        return POD

    def find(self, ref):
        return PULL if ref.kind == "Cluster" else POD

    def list(self, *_args, **_more):
        return [WORK]


class Missing(Cluster):
    def find(self, _ref):
        return None


def wait_rollout(monkeypatch):
    progress = Progress(ObjectRef("apps/v1", "Deployment", "nginx", "default"), waiting_for="is not there")
    monkeypatch.setattr(rollout, "_looking", lambda _props, _divided, _marks: lambda: [progress])
    monkeypatch.setattr(rollout, "shared_reader", lambda _kubeconfig: type("Reader", (), {"connection": None}))
    rollout.wait({"timeout": 600, "workload": "nginx", "kubeconfig": ""}, "nginx", frozenset(), Marks())


def wait_control_plane(monkeypatch):
    def unreachable(_props):
        raise FlotillaError("no answer")

    monkeypatch.setattr(installation, "_kubeconfig", unreachable)
    installation._ready({"timeout": 600, "server": "https://x"})


def wait_withdrawal(monkeypatch):
    monkeypatch.setattr(
        withdrawal, "_members_with_copies", lambda _connection, refs: {ref: ["member1"] for ref in refs}
    )
    withdrawal.await_withdrawn(Cluster(), [ObjectRef("v1", "X", "x")], 600)


WAITS = {
    "withdrawal": wait_withdrawal,
    "notice": lambda _: abandon.await_not_ready(Cluster(), "member1", str),
    "leave": lambda _: abandon._gone(Cluster(), ObjectRef("v1", "X", "x"), 600),
    "ready": lambda _: await_ready(Cluster(), POD, 600),
    "gone": lambda _: await_gone(Cluster(), POD, 600),
    "rollout": wait_rollout,
    "control plane": wait_control_plane,
    "member": lambda _: membership.await_member(Missing(), "member1", 600),
    "drain": lambda _: membership.drain(Cluster(), "member1", 600),
    "certificate": lambda _: identity._await_certificate(Cluster(), ObjectRef("v1", "X", "csr")),
}


@pytest.fixture
def asked_to_end():
    waiting.ask_to_end()
    yield
    waiting.begin()


@pytest.mark.timeout(60)  # a wait that ignores the request takes ten minutes
@pytest.mark.parametrize("wait", WAITS)
def test_wait_ends_at_its_next_pause_after_the_run_is_asked_to_end(monkeypatch, asked_to_end, wait):
    with pytest.raises(FlotillaError, match="interrupted while waiting"):
        WAITS[wait](monkeypatch)


def test_created_resource_that_is_waited_for_stays_in_the_state(asked_to_end):
    with pytest.raises(NotReady) as stopped:
        await_ready(Cluster(), POD, 600)
    assert stopped.value.live == POD


def test_no_wait_of_the_engine_or_the_components_sleeps(repository):
    """A loop with sleep would keep a run from ending; it must pause with `flotilla.waiting.pause`."""
    for folder in ("flotilla/providers", "flotilla/karmada", "components"):
        for file in (repository / folder).rglob("*.py"):
            assert not re.search(r"\btime\.sleep\(", file.read_text()), file
