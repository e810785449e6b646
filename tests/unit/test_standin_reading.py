"""The stand-in reads each object once in a pass, and applies nothing that is already applied."""

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


def test_reads_are_cached_while_nothing_is_written(api, connection):
    assert connection.renew(), "nothing was asked for yet"
    first = connection.list("v1", "ConfigMap")
    asked = connection.traffic.requests
    assert connection.list("v1", "ConfigMap") == first
    assert connection.traffic.requests == asked
    connection.list("v1", "ConfigMap", namespace="default")
    assert connection.traffic.requests == asked + 1
    assert not connection.renew()
    assert connection.list("v1", "ConfigMap") == first
    assert connection.traffic.requests == asked + 2, "the revision alone"


def test_writes_of_others_are_seen_after_the_next_look(api, connection):
    connection.renew()
    connection.list("v1", "ConfigMap")
    api.put({**SETTINGS, "metadata": {"name": "other", "namespace": "default"}})
    assert len(connection.list("v1", "ConfigMap")) == 1
    assert connection.renew()
    assert len(connection.list("v1", "ConfigMap")) == 2


def test_objects_that_change_without_a_write_are_read_at_each_look(connection):
    def asked():
        before = connection.traffic.requests
        connection.request("GET", "/apis", doing="listing API groups")
        connection.request("GET", "/api/v1", doing="listing kinds")
        return connection.traffic.requests - before

    connection.renew()
    assert [asked(), asked()] == [2, 0]
    assert not connection.renew()
    assert asked() == 2


def test_server_without_a_revision_is_always_read_again(api):
    document = kubeconfigs.select(kubeconfigs.load(api.kubeconfig))
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    nobody = ReadingOnce(document, name="member1")
    assert nobody.renew()
    assert nobody.renew()


def test_write_clears_the_cache(connection):
    ref = ObjectRef("v1", "ConfigMap", "settings", "default")
    assert connection.get(ref)["data"] == {"a": "1"}
    connection.renew()
    connection.patch(ref, {"data": {"a": "2"}})
    assert connection.get(ref)["data"] == {"a": "2"}
    assert connection.renew(), "what comes of an own write is looked at, too"


def test_missing_object_is_read_again(api, connection):
    ref = ObjectRef("v1", "ConfigMap", "later", "default")
    assert connection.find(ref) is None
    api.put({**SETTINGS, "metadata": {"name": "later", "namespace": "default"}})
    assert connection.find(ref) is not None


def test_copy_is_applied_again_only_if_it_or_its_work_has_changed(api, connection, monkeypatch):
    world, applied = World(connection), []
    apply = connection.apply
    monkeypatch.setattr(connection, "apply", lambda obj, **options: applied.append(obj) or apply(obj, **options))

    def writes(manifest):
        world.renew()
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
