"""Credentials of a kubeconfig that can't be used are an error of their cluster, which says nothing secret.

The same cases for the blocking and the asyncio connection, as in `tests/unit/test_wire.py`.
"""

# ruff: noqa: F811 - fixtures are arguments

import json
import stat
import time

import pytest

from flotilla.errors import ClusterError
from flotilla.kube.connection import ApiError, Connection, Unreachable
from flotilla.kube.exec_plugin import PluginError, run_plugin
from tests.faults import FaultProxy, answer
from tests.unit.wire_clients import JSON, OBJECT, SETTINGS, api, client, document_of, no_pauses, proxy  # noqa: F401 - some are fixtures

# -- kubeconfigs ------------------------------------------------------------------------------------

USERS = {
    "a token with a line break in it": ({"token": "hun\nter2"}, "its token has a line break or another character"),
    "a token that is no ASCII": ({"token": "hünter2"}, "its token has a line break or another character"),
    "a token of white space": ({"token": " \n"}, "its token is empty"),
    "a token file that is gone": (
        {"tokenFile": "/nowhere/token"},
        "its tokenFile /nowhere/token can't be read: No such",
    ),
    "a client certificate that is no base64": ({"client-certificate-data": "%%%"}, "is not base64"),
    "a client key that is no PEM": ({"client-key-data": "aHVudGVyMg=="}, "its client-key-data is not PEM"),
    "a program that isn't there": ({"exec": {"command": "/nowhere/login"}}, "/nowhere/login can't be started: No such"),
    "an exec section without a command": ({"exec": {}}, "its exec section names no command"),
}


@pytest.mark.parametrize("case", USERS)
def test_invalid_user_is_an_error_of_its_cluster_without_the_value(client, proxy, case):
    user, text = USERS[case]
    with pytest.raises(ClusterError) as caught:
        client(document_of(proxy.kubeconfig, user=user)).get(SETTINGS)
    assert caught.value.message.startswith("member1: the kubeconfig can't be used: ")
    assert text in caught.value.message
    assert "nter2" not in str(caught.value)
    assert "\n" not in caught.value.message
    assert caught.value.nothing_done


CLUSTERS = {
    "a CA that is no base64": {"certificate-authority-data": "not base64!"},
    "a CA that is no PEM": {"certificate-authority-data": "aHVudGVyMg=="},
    "a proxy that is no URL": {"proxy-url": "::nonsense::"},
    "a proxy of an unknown kind": {"proxy-url": "gopher://127.0.0.1:1"},
    "a server that is no URL": {"server": "https://[::1"},
    "a server with a line break": {"server": "https://127.0.0.1\n:1"},
    "a server that is empty": {"server": ""},
    "a server with a wrong port": {"server": "https://127.0.0.1:99999"},
}


@pytest.mark.parametrize("case", CLUSTERS)
def test_cluster_with_an_invalid_address_is_an_error_of_that_cluster(client, proxy, case):
    with pytest.raises(ClusterError) as caught:
        client(document_of(proxy.kubeconfig, cluster=CLUSTERS[case])).get(SETTINGS, timeout=3)
    assert caught.value.message.startswith("member1: ")
    assert "\n" not in caught.value.message


def test_certificate_of_another_ca_is_an_error_with_its_remedy(client, proxy, api, tmp_path):
    with FaultProxy(api.kubeconfig, tmp_path / "other") as other:
        authority = document_of(other.kubeconfig)["clusters"][0]["cluster"]["certificate-authority-data"]
        with pytest.raises(Unreachable, match="certificate verify failed") as caught:
            client(document_of(proxy.kubeconfig, cluster={"certificate-authority-data": authority})).get(SETTINGS)
    assert "certificate-authority-data" in caught.value.hint
    assert caught.value.nothing_done


def test_line_break_at_the_end_of_a_token_is_removed(client, proxy, tmp_path):
    (tmp_path / "token").write_text("hunter2\r\n")
    for user in ({"token": "hunter2\n"}, {"tokenFile": str(tmp_path / "token")}):
        assert client(document_of(proxy.kubeconfig, user=user)).get(SETTINGS)
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ClusterError, match="is empty"):
        client(document_of(proxy.kubeconfig, user={"tokenFile": str(tmp_path / "token")})).get(SETTINGS)


# -- exec plugins -------------------------------------------------------------------------------------


def program(folder, *lines):
    file = folder / "login"
    file.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return {"command": str(file), "apiVersion": "client.authentication.k8s.io/v1"}


def credential(**status):
    body = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"echo '{json.dumps(body)}'"


def test_token_of_a_plugin_is_used_and_requested_again_after_a_refusal(client, proxy, tmp_path):
    count = tmp_path / "count"
    exec_ = program(tmp_path, f"echo x >> {count}", credential(token="hunter2"))
    connection = client(document_of(proxy.kubeconfig, user={"exec": exec_}))
    assert connection.get(SETTINGS)
    assert count.read_text() == "x\n"
    proxy.fail(answer(401, '{"kind":"Status","message":"Unauthorized"}', JSON, path=OBJECT, times=1))
    assert connection.get(SETTINGS)
    proxy.fail(answer(401, '{"kind":"Status","message":"Unauthorized"}', JSON, path=OBJECT))
    with pytest.raises(ApiError, match="Unauthorized"):
        connection.get(SETTINGS)


PLUGINS = {
    "one that fails": (["echo first >&2", "echo no session >&2", "exit 3"], "failed with exit code 3: no session"),
    "one that prints nonsense": (["echo hunter2"], "printed no ExecCredential"),
    "one that prints a list": (["echo []"], "printed no ExecCredential"),
    "one that prints nothing": ([], "printed no ExecCredential"),
    "one that gives nothing": ([credential()], "gave neither a token nor a client certificate"),
    "one that gives a number": ([credential(token=5)], "gave neither a token nor a client certificate"),
    "one that hangs": (["sleep 60"], "did not end within 0 s"),
    "one whose child hangs": (["sleep 60 &", credential(token="hunter2")], "did not end within 0 s"),
    "one that prints without end": (["yes hunter2"], "printed more than"),
}


@pytest.mark.parametrize("case", PLUGINS)
def test_plugin_without_a_credential_is_an_error_without_its_output(tmp_path, case):
    lines, text = PLUGINS[case]
    seconds = 0.4 if "hangs" in case else 20.0
    began = time.monotonic()
    with pytest.raises(PluginError) as caught:
        run_plugin(program(tmp_path, *lines), {}, seconds=seconds)
    assert text in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert time.monotonic() - began < 30, "not the minute that it sleeps"


def test_plugin_of_another_version_is_refused(tmp_path):
    exec_ = {**program(tmp_path, credential(token="a")), "apiVersion": "client.authentication.k8s.io/v1beta1"}
    with pytest.raises(PluginError, match="the kubeconfig asks for client"):
        run_plugin(exec_, {})


def test_failing_plugin_is_not_run_for_each_request(proxy, tmp_path):
    count = tmp_path / "count"
    exec_ = program(tmp_path, f"echo x >> {count}", "exit 1")
    connection = Connection(document_of(proxy.kubeconfig, user={"exec": exec_}), name="member1")
    for _ in range(3):
        with pytest.raises(ClusterError, match="failed with exit code 1"):
            connection.get(SETTINGS)
    assert count.read_text() == "x\n"


def test_plugin_does_not_get_secrets_of_the_stack(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2")
    seen = tmp_path / "seen"
    run_plugin(program(tmp_path, f"env > {seen}", credential(token="a")), {})
    assert "hunter2" not in seen.read_text()
    assert "KUBERNETES_EXEC_INFO" in seen.read_text()
