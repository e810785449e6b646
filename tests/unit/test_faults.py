"""The fault proxy itself: what reaches the server and the client, and that a seed repeats the faults."""

import http.client
import json
import socket
import ssl
import threading
import time

import pytest
import yaml

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from tests.faults import Action, FakeApi, FaultProxy, answer, cut, delay, drop, garble, half, hang

SYSTEM = "/api/v1/namespaces/kube-system"


@pytest.fixture
def api():
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def proxy(api, tmp_path):
    with FaultProxy(api.kubeconfig, tmp_path / "proxy") as one:
        yield one


def line_to(proxy, seconds=5.0):
    """A client of the proxy that never repeats a request."""
    document = yaml.safe_load(proxy.kubeconfig)
    import base64

    authority = base64.b64decode(document["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    return http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context, timeout=seconds)


def ask(proxy, method="GET", path=SYSTEM, body=None, seconds=5.0):
    line = line_to(proxy, seconds)
    try:
        line.request(method, path, body=json.dumps(body) if body else None, headers={"User-Agent": "test"})
        response = line.getresponse()
        return response.status, response.read()
    finally:
        line.close()


def config_map(name="one"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


COLLECTION = "/api/v1/namespaces/default/configmaps"
NOTHING = (ConnectionError, http.client.HTTPException, ssl.SSLError)


def test_all_requests_pass_without_faults_also_streams(api, proxy):
    document = kubeconfigs.select(kubeconfigs.load(proxy.kubeconfig))
    connection = Connection(document, name="one")
    assert connection.get(ObjectRef("v1", "Namespace", "kube-system"))["metadata"]["uid"]
    created = connection.create(config_map(), field_manager="test")
    events = connection.watch("v1", "ConfigMap", resource_version=created["metadata"]["resourceVersion"], seconds=5)
    threading.Timer(0.1, api.put, [config_map("two")]).start()
    assert next(events)["object"]["metadata"]["name"] == "two"
    events.close()
    assert {entry.action for entry in proxy.log} == {Action.PASS}


def test_request_is_dropped_before_or_after_it_took_effect(api, proxy):
    for after, name in ((False, "before"), (True, "after")):
        proxy.fail(drop(after=after, method="POST"))
        with pytest.raises(NOTHING):
            ask(proxy, "POST", COLLECTION, config_map(name))
        assert bool(api.find("v1", "ConfigMap", name, "default")) is after
        proxy.clear()
    assert ask(proxy)[0] == 200


def test_fake_answers_are_sent_before_or_after_the_request_took_effect(api, proxy):
    proxy.fail(answer(503, '{"message":"later"}', {"Retry-After": "1"}, method="POST", nth=1))
    proxy.fail(answer(500, "<html>", method="POST", after=True))
    assert ask(proxy, "POST", COLLECTION, config_map("first")) == (503, b'{"message":"later"}')
    assert ask(proxy, "POST", COLLECTION, config_map("second")) == (500, b"<html>")
    assert api.find("v1", "ConfigMap", "first", "default") is None
    assert api.find("v1", "ConfigMap", "second", "default")


def test_answer_is_cut_halved_or_garbled(proxy):
    whole = ask(proxy)[1]
    proxy.fail(cut(nth=1))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(proxy)
    assert whole.startswith(caught.value.partial)
    proxy.clear()
    proxy.fail(half())
    assert ask(proxy) == (200, whole[: len(whole) // 2])
    proxy.clear()
    proxy.fail(garble())
    with pytest.raises(UnicodeDecodeError):
        ask(proxy)[1].decode()


def test_a_request_hangs_until_the_faults_are_cleared(proxy):
    proxy.fail(hang(path="kube-system"))
    with pytest.raises(TimeoutError):
        ask(proxy, seconds=0.3)
    threading.Timer(0.2, proxy.clear).start()
    with pytest.raises(NOTHING):
        ask(proxy)
    proxy.fail(delay(0.3))
    began = time.monotonic()
    assert ask(proxy)[0] == 200
    assert time.monotonic() - began >= 0.3


def test_port_can_be_closed_or_silent_and_opened_again(proxy):
    open_line = line_to(proxy)
    open_line.request("GET", SYSTEM)
    assert open_line.getresponse().read()
    proxy.close_port()
    with pytest.raises(NOTHING):  # open connections are closed
        _again(open_line)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", proxy.port), timeout=5):
            pass
    proxy.open_port()
    assert ask(proxy)[0] == 200
    proxy.silence_port()
    with pytest.raises(TimeoutError):
        ask(proxy, seconds=0.3)
    proxy.clear()
    assert ask(proxy)[0] == 200


def _again(line):
    line.request("GET", SYSTEM)
    line.getresponse()


def test_faults_are_chosen_by_method_path_client_and_occurrence(proxy):
    proxy.fail(answer(418, agent="^nobody"), answer(418, method="PATCH|POST"), answer(418, path="/nowhere"))
    assert ask(proxy)[0] == 200
    assert ask(proxy, "POST", COLLECTION, config_map())[0] == 418
    proxy.clear()
    proxy.fail(answer(418, nth=2), answer(429, times=1, path="kube-system$"))
    assert [ask(proxy)[0] for _ in range(4)] == [429, 418, 200, 200]


def test_seed_repeats_the_same_faults_however_requests_are_interleaved(api, tmp_path):
    paths = [SYSTEM, COLLECTION]

    def statuses(seed, order):
        found = {path: [] for path in paths}
        with FaultProxy(api.kubeconfig, tmp_path / f"{seed}", seed=seed) as one:
            one.fail(answer(418, probability=0.5))
            for path in order:
                found[path].append(ask(one, path=path)[0])
        return found

    forwards = statuses(7, paths * 10)
    assert {418, 200} == set(forwards[SYSTEM]) == set(forwards[COLLECTION])
    assert statuses(7, [*[paths[1]] * 10, *[paths[0]] * 10]) == forwards
    assert statuses(8, paths * 10) != forwards


def test_faults_are_logged_without_credentials(proxy):
    proxy.fail(drop(after=True, nth=1))
    with pytest.raises(NOTHING):
        ask(proxy)
    ask(proxy)
    report = proxy.report()
    assert "drop after it took effect -> 0" in report
    assert "pass -> 200" in report
    assert "a-token-of-tests" not in report
