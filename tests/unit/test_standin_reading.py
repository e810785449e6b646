"""The stand-in asks for each thing once in a pass, and applies nothing that is already there as it was applied."""

import pytest

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.objects import ObjectRef
from flotilla.sandbox.standin.execution import _apply_one
from flotilla.sandbox.standin.reading import ReadingOnce
from flotilla.sandbox.standin.world import World
from tests.faults import FakeApi

SETTINGS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "default", "labels": {"karmada.io/managed": "true"}},
    "data": {"a": "1"},
}


@pytest.fixture
def api():
    with FakeApi(SETTINGS) as fake:
        yield fake


@pytest.fixture
def connection(api):
    return ReadingOnce(kubeconfigs.select(kubeconfigs.load(api.kubeconfig)), name="member1")


def test_what_was_read_is_not_asked_for_again_until_the_next_pass(api, connection):
    first = connection.list("v1", "ConfigMap")
    asked = connection.traffic.requests
    assert connection.list("v1", "ConfigMap") == first
    assert connection.traffic.requests == asked
    connection.list("v1", "ConfigMap", namespace="default")
    assert connection.traffic.requests == asked + 1
    api.put({**SETTINGS, "metadata": {"name": "other", "namespace": "default"}})
    assert len(connection.list("v1", "ConfigMap")) == 1
    World(connection).begin_pass()
    assert len(connection.list("v1", "ConfigMap")) == 2


def test_a_write_makes_everything_be_read_anew(connection):
    ref = ObjectRef("v1", "ConfigMap", "settings", "default")
    assert connection.get(ref)["data"] == {"a": "1"}
    connection.patch(ref, {"data": {"a": "2"}})
    assert connection.get(ref)["data"] == {"a": "2"}


def test_an_object_that_is_not_there_is_asked_for_again(api, connection):
    ref = ObjectRef("v1", "ConfigMap", "later", "default")
    assert connection.find(ref) is None
    api.put({**SETTINGS, "metadata": {"name": "later", "namespace": "default"}})
    assert connection.find(ref) is not None


def test_a_copy_is_applied_again_when_it_or_its_work_has_changed_and_only_then(api, connection, monkeypatch):
    world, applied = World(connection), []
    apply = connection.apply
    monkeypatch.setattr(connection, "apply", lambda obj, **options: applied.append(obj) or apply(obj, **options))

    def writes(manifest):
        world.begin_pass()
        applied.clear()
        assert _apply_one(world, connection, manifest, overwrite=False)["data"] == manifest["data"]
        return bool(applied)

    changed = {**SETTINGS, "data": {"a": "2"}}
    assert writes(SETTINGS)
    assert not writes(SETTINGS)
    assert writes(changed)
    api.put({**SETTINGS, "data": {"a": "somebody's"}})
    assert writes(changed)
    assert not writes(changed)
