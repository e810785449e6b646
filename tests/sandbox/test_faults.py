"""The fault proxy before a real API server: client certificates, tokens, watches, and requests that took effect."""

import copy
import threading

import pytest

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import ObjectRef
from tests.faults import FaultProxy, drop

pytestmark = pytest.mark.sandbox


@pytest.fixture
def proxy(cluster, tmp_path):
    text = kubeconfigs.dump(kubeconfigs.select(kubeconfigs.load(cluster.kubeconfig.read_text())))
    with FaultProxy(text, tmp_path / "proxy") as one:
        yield one


def through(proxy, **user):
    document = kubeconfigs.select(kubeconfigs.load(proxy.kubeconfig))
    if user:
        document = copy.deepcopy(document)
        document["users"][0]["user"] = user
    return Connection(document, name="member1")


def config_map(namespace, **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": namespace},
        "data": data,
    }


def test_the_proxy_authenticates_only_the_client_of_its_kubeconfig(proxy, namespace):
    connection = through(proxy)
    first = connection.apply(config_map(namespace, a="1"), field_manager="one")
    version = first["metadata"]["resourceVersion"]
    events = connection.watch("v1", "ConfigMap", namespace=namespace, resource_version=version, seconds=10)
    change = threading.Timer(0.2, connection.apply, [config_map(namespace, a="2")], {"field_manager": "one"})
    change.start()
    event = next(e for e in events if e["object"]["metadata"]["name"] == "settings")
    change.join()
    assert event["object"]["data"] == {"a": "2"}
    for user in ({"token": "wrong"}, {"username": "nobody", "password": "nothing"}):
        with pytest.raises(ApiError) as caught:
            through(proxy, **user).get(ObjectRef("v1", "ConfigMap", "settings", namespace))
        assert caught.value.status in (401, 403), "a request that brings its own credentials isn't the administrator's"


def test_drop_after_closes_the_connection_after_the_request_took_effect(proxy, connection, namespace):
    proxy.fail(drop(after=True, method="POST"))
    with pytest.raises(ApiError) as caught:
        through(proxy).create(config_map(namespace, a="1"), field_manager="one")
    assert caught.value.status == 0, proxy.report()
    assert connection.find(ObjectRef("v1", "ConfigMap", "settings", namespace))
