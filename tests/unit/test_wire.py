"""A response that is no valid answer of an API server is an error of its cluster: no traceback, and never used as data.

The same cases for the blocking and the asyncio connection, through the fault proxy in front of a fake API server.
"""

# ruff: noqa: F811 - fixtures are arguments

import gzip
import json
import threading
import time

import pytest

from flotilla.kube.connection import ApiError, Connection, KindNotServed, NotTheApi, Unreachable
from flotilla.kube.wire import ATTEMPTS, Request, pause_for
from tests.faults import answer, cut, drop, garble, half, hang, login_page
from tests.unit.wire_clients import JSON, OBJECT, SETTINGS, api, client, config_map, document_of, no_pauses, proxy  # noqa: F401 - some are fixtures

COLLECTION = "/configmaps\\?"
DAMAGED = gzip.compress(b"{}" * 100)[:-12] + b"garbage....."
STRANGE = {
    "a login page with 200": (login_page(), "an HTML page, 'Sign in' (HTTP 200)"),
    "a login page with 401": (login_page(401), "an HTML page, 'Sign in' (HTTP 401)"),
    "a login page with 404": (login_page(404), "an HTML page, 'Sign in' (HTTP 404)"),
    "a proxy's 403": (answer(403, "blocked by policy 7", {"Content-Type": "text/plain"}), "blocked by policy 7"),
    "a balancer's 502": (login_page(502), "an HTML page, 'Sign in' (HTTP 502)"),
    "a redirect, 302": (login_page(302), "a redirect to https://login.example/oauth2/authorize (HTTP 302)"),
    "a redirect, 307": (login_page(307), "a redirect to https://login.example/oauth2/authorize (HTTP 307)"),
    "a redirect, 308": (login_page(308), "a redirect to https://login.example/oauth2/authorize (HTTP 308)"),
    "a redirect to nowhere": (answer(301, ""), "a redirect to nowhere"),
    "an empty answer": (answer(200, ""), "nothing (HTTP 200)"),
    "an empty 404": (answer(404, ""), "an empty body (HTTP 404)"),
    "plain text": (answer(200, "OK\x1b[31m", {"Content-Type": "text/plain"}), "a text that is not JSON: 'OK [31m'"),
    "a list": (answer(200, "[1, 2]"), "JSON that is a list where an object was asked for"),
    "a number": (answer(200, "7"), "JSON that is a single value"),
    "another JSON": (answer(200, '{"status": "up"}'), "JSON that is not of kind "),
    "another JSON with 404": (answer(404, '{"error": "no route"}'), "a text that is not the API's"),
    "another kind": (answer(200, '{"kind": "Pod", "metadata": {"name": "settings"}}'), "JSON that is not of kind "),
    "half a document": (half(), "JSON that breaks off or is damaged at character"),
    "garbage": (garble(), "bytes that are not UTF-8"),
    "deeply nested JSON": (answer(200, "[" * 200_000), "JSON that is nested too deeply"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_invalid_answer_is_described_and_says_nothing_about_the_object(client, proxy, case):
    fault, text = STRANGE[case]
    proxy.fail(fault)
    connection = client(document_of(proxy.kubeconfig))
    began = time.monotonic()
    for ask, doing in (
        (lambda: connection.find(SETTINGS), "reading ConfigMap default/settings"),
        (lambda: connection.list("v1", "ConfigMap"), "listing ConfigMaps"),
        (lambda: connection.create(config_map("new"), field_manager="x"), "creating ConfigMap new"),
        (lambda: connection.delete(SETTINGS, uid="other"), "deleting ConfigMap default/settings"),
    ):
        with pytest.raises(Unreachable) as caught:
            ask()
        message = caught.value.message
        assert message.startswith(f"member1: {proxy.server} "), message
        assert doing in message
        assert "\n" not in message
        assert "\x1b" not in message
        assert "state=" not in message
        assert len(message) < 400
        assert (caught.value.status, caught.value.missing) == (0, False)
    assert text in message or case in ("another JSON", "another kind"), message
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("case", STRANGE)
def test_invalid_answer_for_a_single_object_is_an_error(client, proxy, case):
    fault, text = STRANGE[case]
    connection = client(document_of(proxy.kubeconfig))
    from dataclasses import replace

    proxy.fail(replace(fault, path=OBJECT))
    for ask in (lambda: connection.find(SETTINGS), lambda: connection.patch(SETTINGS, {"data": {"a": "1"}})):
        with pytest.raises(NotTheApi) as caught:
            ask()
        assert text in caught.value.message
        assert not caught.value.nothing_done, "a change that was answered so may have been made"


NO_NAMES = '{"kind": "ConfigMapList", "metadata": {}, "items": [{"metadata": {}}]}'
SHAPES = {
    "items that are no list": (COLLECTION, '{"kind": "ConfigMapList", "metadata": {}, "items": 5}'),
    "no items": (COLLECTION, '{"kind": "ConfigMapList", "metadata": {}}'),
    "metadata that is no object": (COLLECTION, '{"kind": "ConfigMapList", "metadata": "x", "items": []}'),
    "items without a name": (COLLECTION, NO_NAMES),
    "items that are no objects": (COLLECTION, '{"kind": "ConfigMapList", "metadata": {}, "items": ["a"]}'),
    "no resources": ("/api/v1$", '{"kind": "APIResourceList"}'),
    "resources without names": ("/api/v1$", '{"kind": "APIResourceList", "resources": [{"kind": "ConfigMap"}]}'),
    "an object instead of a list": (COLLECTION, '{"kind": "ConfigMap", "metadata": {"name": "a"}}'),
}


@pytest.mark.parametrize("case", SHAPES)
def test_list_or_discovery_of_another_shape_is_an_error(client, proxy, case):
    path, body = SHAPES[case]
    proxy.fail(answer(200, body, JSON, path=path))
    with pytest.raises(NotTheApi, match="did not answer as an API server while"):
        client(document_of(proxy.kubeconfig)).list("v1", "ConfigMap")


def test_answer_with_another_object_is_an_error(client, proxy):
    proxy.fail(answer(200, json.dumps(config_map("other")), JSON, path=OBJECT))
    with pytest.raises(NotTheApi, match="without the name 'settings'"):
        client(document_of(proxy.kubeconfig)).get(SETTINGS)


def test_path_that_is_not_served_is_no_missing_object(client, proxy):
    connection = client(document_of(proxy.kubeconfig))
    proxy.fail(answer(404, "404 page not found\n", {"Content-Type": "text/plain"}, path=OBJECT))
    with pytest.raises(KindNotServed) as caught:
        connection.find(SETTINGS)
    assert not caught.value.missing


def test_damaged_answers_to_reads_are_requested_again_and_changes_are_not(client, proxy):
    for fault in (half, cut, garble, drop):
        proxy.clear()
        proxy.fail(fault(path=OBJECT, times=ATTEMPTS - 1))
        assert client(document_of(proxy.kubeconfig)).get(SETTINGS)["metadata"]["name"] == "settings", fault
    for fault in (half, cut, garble):
        proxy.clear()
        sent = len(proxy.log)
        proxy.fail(fault(method="POST"))
        with pytest.raises(Unreachable) as caught:
            client(document_of(proxy.kubeconfig)).create(
                config_map(f"{fault.__name__}-{client.kind}"), field_manager="x"
            )
        assert sum(entry.method == "POST" for entry in proxy.log[sent:]) == 1
        assert not caught.value.nothing_done


def test_creation_is_not_repeated_after_a_bad_gateway(client, api, proxy):
    """The second creation would be answered with 409, and the object taken for somebody else's."""
    for status in (502, 504):
        name = f"gateway-{status}-{client.kind}"
        proxy.fail(answer(status, '{"kind":"Status","message":"later"}', JSON, method="POST", after=True))
        with pytest.raises(ApiError, match="later") as caught:
            client(document_of(proxy.kubeconfig)).create(config_map(name), field_manager="x")
        assert caught.value.status == status
        assert api.find("v1", "ConfigMap", name, "default")
        proxy.clear()


def test_damaged_or_too_large_compressed_answers_are_errors(client, proxy, monkeypatch):
    proxy.fail(answer(200, DAMAGED, {"Content-Encoding": "gzip"}, path=OBJECT))
    with pytest.raises(Unreachable, match="reading ConfigMap"):
        client(document_of(proxy.kubeconfig)).get(SETTINGS)
    proxy.clear()
    monkeypatch.setattr("flotilla.kube.sending.LARGEST_ANSWER", 2**20)
    proxy.fail(answer(200, gzip.compress(b" " * 2**24), {"Content-Encoding": "gzip"}, path=OBJECT))
    with pytest.raises(Unreachable, match="more than 1 MiB"):
        client(document_of(proxy.kubeconfig)).get(SETTINGS)


def test_retry_after_is_bounded():
    assert pause_for(429, "0.5", 1, "POST") == 0.5
    for nonsense in ("nan", "inf", "-3", "soon", "", "\x00"):
        assert 0 < pause_for(503, nonsense, 1) <= 5, nonsense
    assert pause_for(503, None, 1, "POST") is None
    assert pause_for(503, "1", 1, "POST") == 1
    assert pause_for(502, "1", 1, "POST") is None


def test_request_is_repeated_while_the_server_asks_to_retry_later(client, proxy):
    proxy.fail(answer(429, "Too many requests, please try again later.", {"Retry-After": "0.01"}, path=OBJECT, times=2))
    assert client(document_of(proxy.kubeconfig)).get(SETTINGS)
    proxy.fail(answer(503, '{"kind":"Status","message":"starting"}', JSON, path=OBJECT))
    with pytest.raises(ApiError, match=r"starting \(HTTP 503\)") as caught:
        client(document_of(proxy.kubeconfig)).get(SETTINGS)
    assert caught.value.status == 503


def test_hanging_request_has_a_timeout_as_a_whole(client, proxy):
    connection = client(document_of(proxy.kubeconfig))
    for setting in (lambda: proxy.fail(hang()), proxy.silence_port):
        proxy.clear()
        setting()
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer from .* while reading ConfigMap default/settings: timed out"):
            connection.find(SETTINGS, timeout=0.5)
        assert 0.3 < time.monotonic() - began < 25
    proxy.clear()
    proxy.fail(answer(503, '{"kind":"Status","message":"starting"}', {"Retry-After": "3"}))
    began = time.monotonic()
    with pytest.raises(ApiError, match="starting"):
        connection.find(SETTINGS, timeout=0.5)
    assert time.monotonic() - began < 25, "pauses count"


def test_request_queued_behind_hanging_ones_has_a_timeout(proxy):
    connection = Connection(document_of(proxy.kubeconfig), name="member1", concurrency=1, timeout=20)
    connection.get(SETTINGS)
    proxy.fail(hang(nth=1))

    def hangs():
        with pytest.raises(Unreachable):
            connection.get(SETTINGS)

    first, asked = threading.Thread(target=hangs, daemon=True), len(proxy.log)
    first.start()
    until = time.monotonic() + 10
    while len(proxy.log) == asked and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(Unreachable, match="was not asked while reading ConfigMap") as caught:
        connection.get(SETTINGS, timeout=0.3)
    assert caught.value.nothing_done
    proxy.stop()
    first.join(10)


def test_cluster_that_was_never_reached_has_changed_nothing(client, proxy):
    proxy.close_port()
    with pytest.raises(Unreachable, match="connection refused") as caught:
        client(document_of(proxy.kubeconfig)).create(config_map("never"), field_manager="x")
    assert caught.value.nothing_done
    proxy.open_port()
    proxy.fail(drop(after=True, method="POST"))
    with pytest.raises(Unreachable) as caught:
        client(document_of(proxy.kubeconfig)).create(config_map(f"maybe-{client.kind}"), field_manager="x")
    assert not caught.value.nothing_done


def test_invalid_lines_of_a_watch_are_errors(client, proxy):
    lines = ("<html>", "not json", "[]", '{"type": "ADDED"}', '{"type": "ADDED", "object": {"kind": "ConfigMap"}}')
    for line in lines:
        proxy.clear()
        proxy.fail(answer(200, line + "\n", JSON, path="watch=true"))
        with pytest.raises(NotTheApi, match="while watching ConfigMaps"):
            client(document_of(proxy.kubeconfig)).watched(50)
    proxy.clear()
    proxy.fail(login_page(302, path="watch=true"))
    with pytest.raises(NotTheApi, match="a redirect"):
        client(document_of(proxy.kubeconfig)).watched(50)


def test_log_is_text_but_a_redirect_is_no_log(client, proxy):
    request = Request("GET", "/api/v1/log", "reading a log", accept="text/plain, */*")
    proxy.fail(answer(200, b"<html>\xff one\n", {"Content-Type": "text/plain"}, times=1), login_page(302))
    connection = client(document_of(proxy.kubeconfig))
    assert connection.send(request) == "<html>\ufffd one\n"
    with pytest.raises(NotTheApi, match="a redirect"):
        connection.send(request)


def test_readiness_is_the_text_ok_and_no_web_page(proxy):
    connection = Connection(document_of(proxy.kubeconfig), name="member1")
    proxy.fail(answer(200, "ok", {"Content-Type": "text/plain"}, times=1), login_page())
    connection.ready(doing="asking")
    with pytest.raises(NotTheApi, match="a text that is not 'ok'"):
        connection.ready(doing="asking")


def test_time_of_the_last_answer_is_the_servers(proxy):
    connection = Connection(document_of(proxy.kubeconfig), name="member1")
    assert connection.traffic.date == ""
    date = "Wed, 01 Jan 2020 12:00:00 GMT"
    proxy.fail(answer(200, "ok", {"Content-Type": "text/plain", "Date": date}, times=1))
    connection.ready(doing="asking")
    assert connection.traffic.date == date
