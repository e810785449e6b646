"""The client library, blocking and asyncio, on Karmada's API: the same cases for real Karmada and the stand-in."""

import asyncio
import re
import runpy
import threading
import time

import pytest

from flotilla.errors import ClusterError
from flotilla.karmada.client import AsyncKarmada, Karmada
from flotilla.karmada.objects import PropagationPolicy
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from flotilla.kube.wire import ApiError, KindNotServed, Unreachable
from tests.conftest import REPOSITORY
from tests.contract.karmada import eventually, karmada, namespace  # noqa: F401 - fixtures: a fleet with members, room for a case
from tests.sandbox.test_connection import wrong_authority


@pytest.fixture
def file(fleet, karmada):  # noqa: F811
    return fleet.kubeconfigs / "karmada.yaml"


class BlockingCalls:
    """The asyncio client with blocking calls: each call runs in an event loop of its own."""

    def __init__(self, document_file):
        self.file = document_file

    def call(self, action):
        async def inner():
            async with AsyncKarmada.from_kubeconfig(self.file) as client:
                return await action(client)

        return asyncio.run(inner())


def policy(where, name="web"):
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "priority": 1,
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}],
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
        },
    }


def test_both_clients_list_clusters(file):
    blocking = Karmada.from_kubeconfig(file)
    typed = [c.metadata.name for c in blocking.clusters.list()]
    plain = [c["metadata"]["name"] for c in blocking.dynamic.list("cluster.karmada.io/v1alpha1", "Cluster")]
    waited = BlockingCalls(file).call(lambda client: client.clusters.list())
    assert typed == plain == [c.metadata.name for c in waited]
    assert "member1" in typed
    assert blocking.clusters.get("member1").spec.sync_mode == "Push"
    assert blocking.clusters.find("nobody") is None


def test_policies_are_applied_listed_in_pages_and_deleted(file, namespace):  # noqa: F811
    client = Karmada.from_kubeconfig(file)
    for index in range(5):
        made = client.propagation_policies.apply(policy(namespace, f"p{index}"))
        assert isinstance(made, PropagationPolicy)
    pages = list(client.propagation_policies.pages(limit=2, namespace=namespace))
    assert [len(page.items) for page in pages] == [2, 2, 1]
    assert [page.more for page in pages] == [True, True, False]

    async def everything(waiting):
        found = [page async for page in waiting.propagation_policies.pages(limit=2, namespace=namespace)]
        await waiting.propagation_policies.apply(policy(namespace, "p5"))
        return found, await waiting.propagation_policies.delete("p0", namespace)

    found, gone = BlockingCalls(file).call(everything)
    assert [len(page.items) for page in found] == [2, 2, 1]
    assert gone is True
    eventually(lambda: client.propagation_policies.delete("p0", namespace) is False)
    urgent = policy(namespace, "p1")
    urgent["spec"]["priority"] = 7
    with pytest.raises(ApiError) as caught:
        client.propagation_policies.apply(urgent, field_manager="other")
    assert caught.value.status == 409


def test_a_watch_continues_after_its_stream_ends(file, namespace, monkeypatch):  # noqa: F811
    """Each stream ends after one second; the watch reports every change once and in order."""
    monkeypatch.setattr(Connection.follow, "__kwdefaults__", {"seconds": 1})
    client = Karmada.from_kubeconfig(file)
    seen = []
    stop = threading.Event()

    def look():
        for change in client.propagation_policies.watch(namespace=namespace):
            seen.append((change.type, change.object.metadata.name))
            if stop.is_set():
                return

    client.propagation_policies.apply(policy(namespace, "a"))
    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    eventually(lambda: ("ADDED", "a") in seen)
    time.sleep(2.5)
    client.propagation_policies.apply(policy(namespace, "b"))
    eventually(lambda: ("ADDED", "b") in seen)
    time.sleep(1.5)
    client.propagation_policies.delete("a", namespace)
    eventually(lambda: ("DELETED", "a") in seen)
    stop.set()
    client.propagation_policies.apply(policy(namespace, "c"))
    watcher.join(20)
    assert not watcher.is_alive()
    output = [one for one in seen if one[0] != "MODIFIED"]  # Karmada's webhooks and controllers may modify it, too
    assert output == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


def test_the_asyncio_watch_reports_the_same_changes(file, namespace):  # noqa: F811
    async def look(client):
        seen = []
        await client.propagation_policies.apply(policy(namespace, "a"))
        async for change in client.propagation_policies.watch(namespace=namespace):
            seen.append((change.type, change.object.metadata.name))
            if seen[-1] == ("ADDED", "a"):
                await client.propagation_policies.delete("a", namespace)
            if seen[-1] == ("DELETED", "a"):
                return seen
        return seen

    seen = BlockingCalls(file).call(lambda client: asyncio.wait_for(look(client), 30))
    assert (seen[0], seen[-1]) == (("ADDED", "a"), ("DELETED", "a"))


WRONGS = {
    "server down": ({"server": "https://127.0.0.1:1"}, None, Unreachable, "connection refused"),
    "token wrong": ({}, {"token": "wrong"}, ApiError, "HTTP 401"),
    "CA wrong": ("authority", None, Unreachable, "certificate verify failed"),
    "API not there": ("member", None, KindNotServed, "serves no Cluster in cluster.karmada.io/v1alpha1"),
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_errors_name_the_request_the_server_and_a_remedy(file, fleet, tmp_path, wrong):
    cluster, user, kind, text = WRONGS[wrong]
    source = fleet.kubeconfigs / "member1.yaml" if cluster == "member" else file
    document = kubeconfigs.select(kubeconfigs.load(source.read_text()))
    if isinstance(cluster, dict):
        document["clusters"][0]["cluster"].update(cluster)
    if cluster == "authority":
        document["clusters"][0]["cluster"]["certificate-authority-data"] = wrong_authority()
    if user:
        document["users"][0]["user"] = user
    broken = tmp_path / "broken.yaml"
    kubeconfigs.write(broken, document)
    server = kubeconfigs.server(document)
    doing = "" if wrong == "API not there" else "while listing Clusters: .*"
    for attempt in (
        Karmada.from_kubeconfig(broken).clusters.list,
        lambda: BlockingCalls(broken).call(lambda client: client.clusters.list()),
    ):
        with pytest.raises(kind) as caught:
            attempt()
        assert isinstance(caught.value, ClusterError)
        assert re.search(f"Karmada: .*{re.escape(server)} .*{doing}{re.escape(text)}", caught.value.message)
        assert caught.value.hint
        assert caught.value.__cause__ is None


def test_a_client_is_built_from_the_outputs_of_a_stack(file):
    text = file.read_text()
    assert Karmada.from_outputs({"kubeconfig": text}).clusters.find("nobody") is None
    for outputs in ({}, {"kubeconfig": "[secret]"}):
        with pytest.raises(ClusterError, match="no readable 'kubeconfig'"):
            Karmada.from_outputs(outputs)


def examples():
    """Return the examples of the guide, by the name in the comment of their first line."""
    guide = (REPOSITORY / "docs" / "guides" / "client.md").read_text()
    blocks = re.findall(r"```python\n# (\w+)\n(.*?)```", guide, re.DOTALL)
    assert {name for name, _ in blocks} == {"typed", "dynamic", "asyncio"}
    return dict(blocks)


@pytest.mark.parametrize("name", ["dynamic", "asyncio"])
def test_the_examples_of_the_guide_run(file, fleet, tmp_path, monkeypatch, capsys, name):
    try:
        run_example(file, tmp_path, monkeypatch, name)
        assert "member1" in capsys.readouterr().out
    finally:
        # Other files of tests use the same fleet: their drift would report the object.
        fleet.connection("karmada").delete(ObjectRef("v1", "ConfigMap", "hello", "default"))


def run_example(file, folder, monkeypatch, name):
    (folder / "karmada.yaml").write_text(file.read_text())
    (folder / "example.py").write_text(examples()[name])
    monkeypatch.chdir(folder)
    runpy.run_path("example.py", run_name="__main__")
