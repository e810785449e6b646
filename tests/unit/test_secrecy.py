"""Values of Secrets are in no output, neither in our texts nor in quoted texts of others."""

import ast
import base64
import io
import json
import os
import ssl

import pulumi
import pytest
import yaml
from pulumi.runtime.config import CONFIG

from components.configuration import take_config
from flotilla.cli.main import _report
from flotilla.drift.findings import Layer, Remedy, changed
from flotilla.engine.stack import EmbeddedStack
from flotilla.errors import ClusterError, EngineError
from flotilla.karmada.installing import pki
from flotilla.karmada.objects import Work
from flotilla.karmada.rendering.render import render
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.status.judgements import not_sent
from flotilla.kube import children, secrecy
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.answers import Answer
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Difference
from flotilla.kube.transport import Transport
from flotilla.kube.wire import ApiError, Peer, Request
from flotilla.observe.resources import hide
from flotilla.state.config import Project
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.values import Secret, mask, seal
from tests.conformance.file_resource import FileResource
from tests.conftest import REPOSITORY

VALUE = "MARKER-of-a-secret"
ENCODED = base64.b64encode(VALUE.encode()).decode()
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "door"}, "data": {"token": ENCODED}}


def policy(kind="Secret"):
    step = {"path": "/data/token", "operator": "replace", "value": ENCODED}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": {"name": "door"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": kind}],
            "overrideRules": [{"overriders": {"plaintext": [step]}}],
        },
    }


def test_wait_of_a_rollout_shows_the_field_and_not_the_value():
    sent = {**SECRET, "data": {"token": "b3RoZXI="}}
    work = Work.read(
        {"apiVersion": "w", "kind": "Work", "metadata": {"name": "a"}, "spec": {"workload": {"manifests": [sent]}}}
    )
    waiting = not_sent(work, SECRET)
    assert "data.token" in waiting
    assert ENCODED not in waiting
    waiting = not_sent(work, {**sent, "metadata": {"name": "from-a-secret-override"}})
    assert waiting == "its Work doesn't have metadata.name as declared yet", "Pulumi's CLI does not say what is secret"


@pytest.mark.parametrize(
    ("live", "path", "value"),
    [
        (SECRET, ("data", "token"), ENCODED),
        (SECRET, ("stringData", "token"), VALUE),
        (SECRET, ("data",), {"token": ENCODED}),
        (SECRET, (), SECRET),
        (policy(), ("spec", "overrideRules", 0, "overriders", "plaintext", 0, "value"), ENCODED),
        (policy(), ("spec", "overrideRules"), policy()["spec"]["overrideRules"]),
        ({"kind": "Work"}, ("spec", "workload", "manifests"), [SECRET]),
        ({"kind": "List"}, ("items",), [SECRET]),
    ],
)
def test_finding_shows_no_value_of_a_secret(live, path, value):
    live = {"apiVersion": "v1", "metadata": {"name": "door"}, **live}
    for wanted, found in ((value, None), (None, value)):
        finding = changed(Layer.PLAN, "object-changed", "karmada", live, Difference(path, wanted, found), Remedy.UP)
        reported = json.dumps(finding.to_json())
        assert ENCODED not in reported
        assert VALUE not in reported
        assert "[secret]" in reported, "it shows that there is one"


def test_finding_of_another_policy_shows_its_values():
    path = ("spec", "overrideRules", 0, "overriders", "plaintext", 0, "value")
    assert secrecy.shown(policy("ConfigMap"), path, "four") == "four"


def test_objects_with_secrets_are_shown_without_them():
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(SECRET)}
    for obj in (
        {**SECRET, "metadata": {"name": "door", "annotations": applied}},
        {"kind": "Work", "metadata": {"name": "a"}, "spec": {"workload": {"manifests": [SECRET]}}},
        {"kind": "List", "items": [{"kind": "List", "items": [SECRET]}]},
        policy(),
    ):
        reported = json.dumps(hide(obj))
        assert ENCODED not in reported
        assert "[secret]" in reported


@pytest.mark.parametrize("path", ["/data/nothere/deeper", "/data2/x", "/data/token/x"])
def test_patch_that_does_not_apply_is_reported_by_path_without_values(path):
    step = {"path": path, "operator": "replace", "value": VALUE}
    with pytest.raises(ValueError, match="the override fails: Secret door") as refused:
        render(SECRET, ClusterFacts("a"), replicas=None, rules=[{"overriders": {"plaintext": [step]}}])
    assert path in str(refused.value)
    assert ENCODED not in str(refused.value)
    assert VALUE not in str(refused.value)


ECHOES = [
    'Secret "door" is invalid: data[token]: Invalid value: "{}": must be base64',
    'failed to create typed patch object (default/door; /v1, Kind=Secret): .data: expected map, got &{{"{}"}}',
    "admission webhook refused: {}",
    "cannot restore slice from string: " + "x" * 280 + " {}",
]


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("written", [VALUE, ENCODED, json.dumps(f"{VALUE}\n")[1:-1]])
def test_error_for_a_refusal_that_quotes_a_secret_does_not_quote_it(echo, written):
    secrecy._known.clear()  # only values of the request itself
    body = {**SECRET, "stringData": {"note": f"{VALUE}\n"}}
    request = Request("PATCH", "/api/v1/namespaces/default/secrets/door", "applying Secret default/door", body=body)
    said = echo.format(written)
    causes = [{"message": said, "field": "data"}]
    for text in (
        json.dumps({"kind": "Status", "message": said, "reason": "Invalid", "details": {"causes": causes}}),
        said,
    ):
        with pytest.raises(ApiError) as refused:
            Peer("karmada", "https://a").decode(request, Answer(422, text.encode()))
        reported = str(refused.value) + json.dumps(refused.value.details)
        assert written not in reported
        assert VALUE[:9] not in reported
        assert "applying Secret default/door" in reported


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"token": ENCODED}},
        {"data": {"token": {"a": 12345678}}, "kind": "Secret"},
        [{"op": "replace", "path": "/data/token", "value": VALUE}],
        policy(),
        {"kind": "List", "items": [SECRET]},
        {"kind": "Work", "spec": {"workload": {"manifests": [SECRET]}}},
    ],
)
def test_every_request_with_a_secret_is_recognised(body):
    assert secrecy.secrets_of_request("/api/v1/namespaces/default/secrets/door", body) & {VALUE, ENCODED, "12345678"}


def test_other_refusals_are_quoted_completely():
    request = Request("POST", "/api/v1/namespaces/default/pods", "creating Pod a", body={"kind": "Pod"})
    said = json.dumps({"kind": "Status", "message": "spec.x: Invalid value: 7: too many"})
    with pytest.raises(ApiError, match="Invalid value: 7"):
        Peer("a", "https://a").decode(request, Answer(422, said.encode()))


def test_secrets_of_this_process_are_masked_in_quoted_texts():
    secrecy.remember_value("a passphrase of the configuration")
    kubeconfigs.load("clusters: []\nusers: [{name: a, user: {token: token-of-a-kubeconfig, password: 'pass word/1'}}]")
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n"
    secrecy.remember_value({"certs": {"auto": {"key": key}}})
    for secret in (
        "a passphrase of the configuration",
        base64.b64encode(b"token-of-a-kubeconfig").decode(),
        "pass%20word%2F1",
        "MIIEpAIBAAKCAQEA",
    ):
        assert secret not in secrecy.redacted(f"helm: can't use {secret}: no")


def test_names_of_other_objects_stay_readable():
    """A workload with a Secret is secret as a whole.

    Regression: its `topologyKey`s and names became [secret] in all texts.
    """
    term = {
        "topologyKey": "kubernetes.io/a-host",
        "labelSelector": {"matchExpressions": [{"key": "app.example/a-name"}]},
    }
    spec = {
        "volumes": [{"secret": {"secretName": "certificate-of-web"}}],
        "terms": [term],
        "tokenPath": "/var/run/a-token",
    }
    web = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    door = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "door"},
        "stringData": {"pin": "pin-of-the-door"},
    }
    other = {
        "apiVersion": "x/v1",
        "kind": "Base",
        "metadata": {"name": "x"},
        "spec": {"adminPassword": "a-word-that-passes"},
    }
    secrecy.remember_value([web, door, other])
    text = "kubernetes.io/a-host app.example/a-name certificate-of-web /var/run/a-token"
    assert secrecy.redacted(f"{text} pin-of-the-door a-word-that-passes") == f"{text} [secret] [secret]"


def test_server_url_is_shown_without_its_password():
    text = kubeconfigs.dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": "https://anna:open-sesame@127.0.0.1:1"}}],
            "users": [{"name": "a", "user": {}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        }
    )
    assert kubeconfigs.server_of(text) == "https://127.0.0.1:1"
    connection = Connection(kubeconfigs.load(text), name="a", timeout=1.0)
    with pytest.raises(ClusterError) as refused:
        connection.request("GET", "/version", doing="asking")
    assert "open-sesame" not in str(refused.value)


def test_proxy_password_is_in_no_plan():
    assert mask({"proxyURL": "http://anna:open-sesame@proxy:3128/x"}) == {"proxyURL": "http://proxy:3128/x"}
    assert mask("image registry:5000/a@sha256:00 at https://b/c") == "image registry:5000/a@sha256:00 at https://b/c"


def test_output_that_differs_in_shape_from_its_secret_input_is_secret_as_a_whole():
    """A refresh that finds one more rule must not store the value of the first rule in clear text in the state."""
    assert seal(["a", "b"], [Secret("a")]) == Secret(["a", "b"])
    assert seal("a", {"x": Secret("a")}) == Secret("a")
    assert seal(["a", "b"], ["a"]) == ["a", "b"]


def plugin(folder, body):
    program = folder / "plugin"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o700)
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [
            {
                "name": "a",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "command": str(program),
                        "interactiveMode": "Never",
                        "env": [{"name": "GITHUB_TOKEN", "value": "the plugin's own"}],
                    }
                },
            }
        ],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }


def test_connection_leaves_no_key_file_even_if_the_process_is_killed(tmp_path, monkeypatch):
    made = pki.issue(["127.0.0.1"], lifetime_days=1, ca_lifetime_days=1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    document = plugin(tmp_path, "")
    (tmp_path / "plugin").unlink()
    document["clusters"][0]["cluster"] = {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": base64.b64encode(made.ca_cert.encode()).decode(),
    }
    encoded = {"certificate": made.cert, "key": made.key}
    user = {f"client-{part}-data": base64.b64encode(text.encode()).decode() for part, text in encoded.items()}
    document["users"][0]["user"] = user
    pool = Transport(document, "a", 1).opened("a").pool
    assert list(tmp_path.iterdir()) == []
    context = pool.connection_pool_kw["ssl_context"]
    assert context.get_ca_certs()
    assert context.verify_mode is ssl.CERT_REQUIRED
    user["client-key-data"] = base64.b64encode(b"no key").decode()
    with pytest.raises(ClusterError, match="can't be used"):
        Connection(document, name="a").request("GET", "/version", doing="asking")
    assert list(tmp_path.iterdir()) == []


CREDENTIAL = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {"token": "a"},
}


def test_exec_plugin_gets_the_environment_without_the_passphrase(tmp_path, monkeypatch):
    for key in ("PULUMI_CONFIG", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "GITLAB_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.setenv(key, VALUE)
    monkeypatch.setenv("PLAIN", "as it is")
    body = f"env > {tmp_path}/seen\necho '{json.dumps(CREDENTIAL)}'"
    with pytest.raises(ClusterError):
        Connection(plugin(tmp_path, body), name="a", timeout=10.0).request("GET", "/version", doing="asking")
    seen = (tmp_path / "seen").read_text()
    assert VALUE not in seen
    assert "PLAIN=as it is" in seen
    assert "GITHUB_TOKEN=the plugin's own" in seen, "what the kubeconfig sets for its plugin stays"


def test_failing_exec_plugin_is_quoted_without_a_token(tmp_path, caplog):
    token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJhIn0.c2ln"
    connection = Connection(plugin(tmp_path, f"echo 'please log in, {token} is old' >&2\nexit 3"), name="a")
    with pytest.raises(ClusterError, match="please log in") as refused:
        connection.request("GET", "/version", doing="asking")
    assert token not in str(refused.value)
    assert not caplog.records, "the library's own log of it has the token"


def test_started_programs_do_not_inherit_secrets(monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", VALUE)
    monkeypatch.setenv("PULUMI_CONFIG_FLOTILLA__TOKEN", VALUE)
    assert VALUE not in children.environment(KUBECONFIG="a").values()
    assert children.environment(KUBECONFIG="a")["KUBECONFIG"] == "a"


def started_programs():
    """Return every call in the package that starts a program, and whether it passes an environment."""
    for file in sorted((REPOSITORY / "flotilla").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen"):
                yield f"{file.name}:{node.lineno}", "env" in {keyword.arg for keyword in node.keywords}


def test_every_started_program_is_given_an_environment():
    """A program that is started without `env` would inherit the passphrase."""
    found = dict(started_programs())
    assert len(found) >= 8
    assert [place for place, given in found.items() if not given] == []
    uses = [file for file in (REPOSITORY / "flotilla").rglob("*.py") if "**os.environ" in file.read_text()]
    assert uses == []
    whole = [f.name for f in (REPOSITORY / "flotilla").rglob("*.py") if "children.whole_environment" in f.read_text()]
    assert whole == ["adopting_cli.py"], "Pulumi's CLI alone"


def test_program_removes_its_configuration_from_the_environment(monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"flotilla:members": VALUE}))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["flotilla:members"]')
    before = CONFIG.get()
    try:
        assert take_config() == {"flotilla:members": VALUE}
        assert pulumi.Config("flotilla").get("members") == VALUE
        assert VALUE not in os.environ.values()
        assert "PULUMI_CONFIG_SECRET_KEYS" not in os.environ
    finally:
        CONFIG.set(before)


def test_failing_program_has_its_configuration_neither_in_the_environment_nor_in_its_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    crypter = PassphraseCrypter("unit")
    (tmp_path / "Pulumi.yaml").write_text("name: unit\nruntime: python\n")
    config = {"unit:key": {"secure": crypter.encrypt(VALUE)}}
    stack_file = tmp_path / "Pulumi.dev.yaml"
    stack_file.write_text(yaml.safe_dump({"encryptionsalt": crypter.state, "config": config}))
    seen = {}

    def program():
        seen.update(os.environ, value=pulumi.Config("unit").require("key"))
        raise RuntimeError(f"a library can't use {seen['value']}")

    stack = EmbeddedStack(Project.load(tmp_path), "dev", tmp_path / "state", program=program)
    with pytest.raises(EngineError, match="a library can't use") as failed:
        stack.preview()
    assert seen.pop("value") == VALUE
    assert VALUE not in str(seen)
    assert "PULUMI_CONFIG" not in seen
    assert VALUE not in str(failed.value)

    class Options:
        debug = True
        json = False

    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    try:
        raise failed.value
    except EngineError as error:
        _report(error, Options)
    assert "Traceback" in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()
    assert VALUE not in stream.getvalue()


def test_failing_resource_leaves_its_secret_in_no_failure_and_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    (tmp_path / "Pulumi.yaml").write_text("name: unit\nruntime: python\n")

    def program():
        FileResource("a", {"folder": str(tmp_path / VALUE), "value": "x", "secret": pulumi.Output.secret(VALUE)})

    events = []
    stack = EmbeddedStack(Project.load(tmp_path), "dev", tmp_path / "state", program=program, listener=events.append)
    result = stack.up()
    assert result.failures
    assert "[secret]" in result.failures[0]
    assert VALUE not in str(result.failures)
    assert VALUE not in str([event.error for event in events])
