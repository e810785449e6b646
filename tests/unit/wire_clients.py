"""Both connections through the fault proxy in front of a fake API server, for the tests of the wire."""

import asyncio

import pytest

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.aio import AsyncConnection
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from flotilla.kube.operations import EVERYTHING
from tests.faults import FakeApi, FaultProxy

SETTINGS = ObjectRef("v1", "ConfigMap", "settings", "default")
OBJECT = "/configmaps/settings"
JSON = {"Content-Type": "application/json"}


def config_map(name="settings"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


@pytest.fixture(scope="module")
def api():
    with FakeApi(config_map()) as fake:
        yield fake


@pytest.fixture
def proxy(api, tmp_path):
    with FaultProxy(api.kubeconfig, tmp_path / "proxy") as one:
        yield one


class Blocking:
    """The blocking connection."""

    kind = "blocking"

    def __init__(self, document, **options):
        self._connection = Connection(document, name="member1", **options)

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send(self, request):
        return self._connection.send(request)

    def watched(self, count):
        events = self._connection.follow("v1", "ConfigMap", EVERYTHING, seconds=5)
        return [next(events) for _ in range(count)]


class Looped:
    """The asyncio connection, called from outside of its loop."""

    kind = "asyncio"

    def __init__(self, document, **options):
        self._arguments = (document, options)

    def _run(self, ask):
        async def whole():
            document, options = self._arguments
            async with AsyncConnection(document, name="member1", **options) as connection:
                return await ask(connection)

        return asyncio.run(whole())

    def __getattr__(self, name):
        return lambda *args, **options: self._run(lambda connection: getattr(connection, name)(*args, **options))

    def send(self, request):
        return self._run(lambda connection: connection.request(request))

    def watched(self, count):
        async def some(connection):
            found = []
            async for event in connection.follow("v1", "ConfigMap", EVERYTHING, seconds=5):
                found.append(event)
                if len(found) == count:
                    break
            return found

        return self._run(some)


@pytest.fixture(params=[Blocking, Looped], ids=["blocking", "asyncio"])
def client(request):
    return request.param


def document_of(text, *, user=None, cluster=None):
    document = kubeconfigs.select(kubeconfigs.load(text))
    if user is not None:
        document["users"][0]["user"] = user
    document["clusters"][0]["cluster"].update(cluster or {})
    return document


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("flotilla.kube.sending.back_off", lambda _: 0.01)
    monkeypatch.setattr("flotilla.kube.wire.back_off", lambda _: 0.01)
