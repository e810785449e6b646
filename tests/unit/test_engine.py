"""The parts of the embedded engine: secrets, state, locks and values, and the features that it refuses."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import pulumi
import pytest

from flotilla.engine.goal import keep_ignored, seconds
from flotilla.engine.registry import referred
from flotilla.engine.stack import EmbeddedStack
from flotilla.errors import EngineError
from flotilla.kube.quantities import canonical
from flotilla.plan.steps import Op
from flotilla.providers.awaits import check_for
from flotilla.providers.kubernetes import KubernetesProvider
from flotilla.providers.objects import normalized, preview_update, secret_places
from flotilla.state.backend import StackFiles, open_stack
from flotilla.state.checkpoint import Encoder, Operation, ResourceState, Snapshot
from flotilla.state.compression import unpacked
from flotilla.state.config import Project
from flotilla.state.crypto import PassphraseCrypter, passphrase
from flotilla.state.diff import compare, parse_path, path_text
from flotilla.state.urns import is_default_provider, make_urn
from flotilla.state.values import UNKNOWN, Secret, from_struct, has_unknown, mask, reveal, seal, to_struct
from tests.conformance.file_resource import FileResource

# Made by `pulumi stack init` and `pulumi config set --secret` of 3.259.0 under the passphrase "abc".
CLI_SALT = "v1:YYKbttVw06U=:v1:XBh7Pnexby8G76ss:onmMPd9OIU55PQjT6AbHFyk+/gZjdQ=="
CLI_SECRET = "v1:XyAkvXg/BMBCYqZI:INmIJ+dWMuRxqjH+7aJw4HcW+ecg"


def test_secrets_of_the_cli_can_be_read(all_rounds):
    assert PassphraseCrypter("abc", CLI_SALT).decrypt(CLI_SECRET) == "hello"


def test_a_wrong_passphrase_is_refused_by_name(all_rounds):
    with pytest.raises(EngineError, match="the passphrase is wrong"):
        PassphraseCrypter("wrong", CLI_SALT)


def test_passphrase_file_is_readable_by_its_owner_only(tmp_path, monkeypatch):
    for key in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    made = passphrase(tmp_path / "state" / "passphrase")
    assert passphrase(tmp_path / "state" / "passphrase") == made
    assert (tmp_path / "state" / "passphrase").stat().st_mode & 0o777 == 0o600


def resource(name="one", **more):
    return ResourceState(urn=f"urn:pulumi:s::p::t::{name}", custom=True, type="t", id=name, **more)


def test_state_is_read_back_unchanged_and_has_no_plaintext_secrets(tmp_path):
    files = StackFiles(tmp_path, "p", "s")
    crypter = PassphraseCrypter("abc")
    one = resource(inputs={"a": Secret({"b": ["hunter2"]})}, outputs={"c": 1}, protect=True, rest={"future": True})
    two = resource("two", dependencies=(one.urn,), custom_timeouts={"create": 5.0})
    snapshot = Snapshot((one, two), (Operation(resource("three", inputs={"x": Secret("hunter2")}), "creating"),))
    files.write(Encoder(crypter, files.qualified).encode(snapshot))
    assert "hunter2" not in files.checkpoint.read_text()
    opened = open_stack(files, "abc", None)
    assert opened.snapshot == snapshot


def test_a_state_of_another_version_is_refused(tmp_path):
    files = StackFiles(tmp_path, "p", "s")
    files.write(json.dumps({"version": 4, "checkpoint": {}}))
    with pytest.raises(EngineError, match="checkpoint version 4"):
        open_stack(files, "abc", None)


def test_live_lock_blocks_and_dead_lock_is_taken_over(tmp_path):
    files = StackFiles(tmp_path, "p", "s")
    messages = []
    with (
        files.locked(messages.append),
        pytest.raises(EngineError, match=f"locked by process {os.getpid()}"),
        files.locked(messages.append),
    ):
        pass
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock = files.locks / "dead.json"
    lock.write_text(json.dumps({"pid": dead.pid, "hostname": socket.gethostname(), "username": "x", "timestamp": "t"}))
    with files.locked(messages.append):
        assert not lock.exists()
    assert f"taking over the lock of process {dead.pid} of x" in messages[-1]
    assert list(files.locks.glob("*.json")) == []


def test_values_keep_secret_and_unknown_markers_on_the_wire():
    value = {"s": Secret({"a": [1, 2.5, None, True]}), "u": UNKNOWN, "plain": "x"}
    assert from_struct(to_struct(value)) == value
    assert has_unknown(value)
    assert mask(value) == {"s": "[secret]", "u": "[unknown]", "plain": "x"}
    assert "hunter2" not in repr(Secret("hunter2"))


def test_seal_marks_what_is_secret_in_the_inputs():
    assert seal({"a": {"b": 1, "c": 2}}, {"a": {"b": Secret(1)}}) == {"a": {"b": Secret(1), "c": 2}}


def test_differences_have_paths_in_pulumis_format():
    old = {"spec": {"replicas": 2, "list": [1, 2]}, "metadata": {"labels": {"a/b": "1"}}}
    new = {"spec": {"replicas": 3, "list": [1]}, "metadata": {"labels": {"a/b": "2", "c": "3"}}}
    reported = [(c.text, str(c.kind)) for c in compare(old, new)]
    assert reported == [
        ('metadata.labels["a/b"]', "update"),
        ("metadata.labels.c", "add"),
        ("spec.list[1]", "delete"),
        ("spec.replicas", "update"),
    ]
    for text, _ in reported:
        assert path_text(parse_path(text)) == text


def test_ignored_paths_keep_the_old_value():
    old = {"spec": {"replicas": 5, "x": 1}, "list": [{"a": 1}, {"a": 2}]}
    new = {"spec": {"replicas": 2, "x": 2}, "list": [{"a": 8}, {"a": 9}]}
    kept = keep_ignored(new, old, ("spec.replicas", "list[*].a"))
    assert kept == {"spec": {"replicas": 5, "x": 2}, "list": [{"a": 1}, {"a": 2}]}


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("1h30m", 5400), ("1.5m", 90), ("300ms", 0.3)])
def test_durations_are_read_as_go_writes_them(text, value):
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["90", "10x", "s"])
def test_invalid_durations_are_refused(text):
    with pytest.raises(EngineError, match="is not a duration"):
        seconds(text)


def test_urns_have_the_types_of_the_parents():
    stack = make_urn("s", "p", "", "pulumi:pulumi:Stack", "p-s")
    group = make_urn("s", "p", stack, "x:y:Group", "g")
    assert group == "urn:pulumi:s::p::x:y:Group::g"
    assert make_urn("s", "p", group, "a:b:C", "c") == "urn:pulumi:s::p::x:y:Group$a:b:C::c"


DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 1}}


def kubernetes():
    def connection():
        raise EngineError("no cluster here")

    return KubernetesProvider(connection)


@pytest.mark.parametrize(
    ("path", "value", "first"),
    [
        (("metadata", "name"), "b", False),
        (("metadata", "namespace"), "other", False),
        (("spec", "selector"), {"matchLabels": {"a": "c"}}, True),
    ],
)
def test_changed_immutable_field_is_a_replacement(path, value, first):
    old = resource(inputs={**DEPLOYMENT, "spec": {"selector": {"matchLabels": {"a": "b"}}}})
    new = json.loads(json.dumps(old.inputs))
    new[path[0]][path[1]] = value
    diff = kubernetes().diff(old, new)
    assert diff.replaces
    assert diff.delete_before_replace is first


def test_object_without_a_name_gets_a_generated_name_and_keeps_it():
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}
    named = kubernetes().check("urn:pulumi:s::p::t::settings", None, inputs)
    assert named["metadata"]["name"].startswith("settings-")
    again = kubernetes().check("urn:pulumi:s::p::t::settings", resource(inputs=named), inputs)
    assert again == named


def test_preview_has_the_values_that_the_server_returned():
    outputs = {**DEPLOYMENT, "metadata": {"name": "a", "uid": "u", "generation": 3}}
    new = preview_update(outputs, {**DEPLOYMENT, "spec": {"replicas": 2}})
    assert new["metadata"] == {"name": "a", "uid": "u", "generation": 3}
    assert new["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("0.5", "500m"), (0.25, "250m"), ("1000m", "1"), ("1.5", "1500m"), ("1000", "1k"), ("0.0005", "500u"),
        ("0.5Gi", "512Mi"), ("2048Mi", "2Gi"), ("100Ki", "100Ki"), ("1e3", "1e3"), ("0", "0"), ("many", "many"),
    ],
)  # fmt: skip
def test_quantities_are_normalised_as_by_the_api_server(given, stored):
    assert canonical(given) == stored


def test_inputs_are_normalised_as_by_pulumis_provider():
    limits = {"spec": {"containers": [{"resources": {"limits": {"cpu": "0.5"}}}]}}
    kept = normalized({"apiVersion": "v1", "kind": "Pod", **limits})
    assert kept["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m"}
    custom = {"apiVersion": "example.com/v1", "kind": "Thing", **limits}
    assert normalized(custom) == custom, "what a custom kind means by it is its own affair"
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "YQ=="}, "stringData": {"b": "b"}}
    assert normalized(secret) == {"apiVersion": "v1", "kind": "Secret", "data": {"a": "YQ==", "b": "Yg=="}}
    unknown = {**secret, "stringData": {"b": UNKNOWN}}
    assert normalized(unknown) == unknown


@pytest.mark.parametrize(
    "text", [Secret({"b": "b"}), {"b": Secret("b")}, {"b": Secret(UNKNOWN)}, Secret(UNKNOWN)], ids=str
)
def test_string_data_of_a_secret_stays_secret_as_data(text):
    inputs = {"apiVersion": "v1", "kind": "Secret", "stringData": text}
    sealed = seal(normalized(reveal(inputs)), secret_places(inputs))
    stored = sealed.get("data", sealed.get("stringData"))
    assert isinstance(stored, Secret) or isinstance(stored["b"], Secret)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("default", True), ("default_4_32_0", True), ("default-east-provider", False), ("member1-provider", False)],
)
def test_only_default_providers_are_hidden(name, hidden):
    kind = "pulumi:providers:kubernetes"
    assert is_default_provider(make_urn("s", "p", "", kind, name), kind) is hidden


def test_a_replaced_provider_is_matched_by_its_id():
    old, new = resource("cluster"), resource("cluster")
    old, new = replace(old, id="old"), replace(new, id="new")
    assert referred(f"{new.urn}::old", [new, old]) is old
    assert referred(f"{new.urn}::new", [new, old]) is new
    assert referred(f"{new.urn}::", [new, old]) is new
    assert referred("urn:other::new", [new, old]) is None


@pytest.mark.parametrize(
    ("obj", "waiting"),
    [
        ({"kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/service-account-token"}, "token controller"),
        ({**DEPLOYMENT, "status": {}}, "0 of 1 replica available"),
        ({**DEPLOYMENT, "status": {"updatedReplicas": 1, "availableReplicas": 1}}, ""),
        ({"kind": "Namespace", "apiVersion": "v1", "status": {"phase": "Active"}}, ""),
        (
            {"kind": "C", "apiVersion": "x/v1", "metadata": {"annotations": {"pulumi.com/waitFor": "condition=Ready"}}},
            "no condition Ready",
        ),
        (
            {
                "kind": "C",
                "apiVersion": "x/v1",
                "metadata": {"annotations": {"pulumi.com/waitFor": '["jsonpath={.status.phase}=Up"]'}},
                "status": {"phase": "Up"},
            },
            "",
        ),
    ],
)
def test_readiness_is_reported_with_its_reason(obj, waiting):
    reason = check_for(obj)(obj)
    assert waiting in reason
    assert bool(reason) == bool(waiting)


def test_templates_are_not_waited_for():
    assert check_for({**DEPLOYMENT, "metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}) is None


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    (tmp_path / "Pulumi.yaml").write_text("name: unit\nruntime: python\n")
    (tmp_path / "files").mkdir()

    def make(program, **more):
        return EmbeddedStack(Project.load(tmp_path), "test", tmp_path, program=program, **more)

    return make


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (lambda: pulumi.CustomResource("aws:s3:Bucket", "b", {}), "doesn't know aws:s3:Bucket"),
        (lambda: pulumi.CustomResource("kubernetes:yaml/v2:ConfigGroup", "b", {}), "doesn't know kubernetes:yaml/v2"),
        (lambda: pulumi.runtime.invoke("aws:x:y", {}), "the function aws:x:y"),
        (lambda: pulumi.CustomResource("kubernetes:core/v1:Pod", "b", {"x": pulumi.StringAsset("a")}), "assets"),
        (
            lambda: pulumi.ComponentResource(
                "a:b:C",
                "c",
                None,
                pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(after_create=[lambda _: None])),
            ),
            "hooks",
        ),
    ],
)
def test_unknown_features_are_refused_by_name(stack, program, said):
    made = stack(program)
    text = ""
    try:
        text = "\n".join(made.preview().failures)
    except Exception as error:  # noqa: BLE001 - the SDK itself refuses hooks that no engine supports
        text = str(error)
    assert said in text
    assert made.snapshot().resources == ()


def test_failure_stops_dependent_resources_and_is_reported_once(stack, tmp_path):
    def program():
        bad = FileResource("bad", {"folder": str(tmp_path / "files"), "value": "fail"})
        FileResource("after", {"folder": str(tmp_path / "files"), "value": bad.path})

    result = stack(program).up()
    assert [f for f in result.failures if "can't be written" in f]
    assert len(result.failures) == 1
    assert not list((tmp_path / "files").iterdir())


def test_error_of_the_program_keeps_its_traceback_as_text(stack):
    def program():
        raise LookupError("not in the list")

    with pytest.raises(EngineError, match="the program failed: LookupError: not in the list") as failure:
        stack(program).preview()
    assert "in program\n" in failure.value.__notes__[0]


def test_unchanged_resources_write_the_state_once(stack, tmp_path):
    def program():
        for index in range(20):
            FileResource(f"f{index}", {"folder": str(tmp_path / "files"), "value": "1"})

    made = stack(program)
    assert made.up().counts() == {"create": 21}
    assert made.up().counts() == {"same": 21}
    assert made.destroy().counts() == {"delete": 21}
    assert made.snapshot().resources == ()


def test_duplicate_names_are_refused(stack, tmp_path):
    def program():
        for _ in range(2):
            FileResource("one", {"folder": str(tmp_path / "files"), "value": "1"})

    assert any("duplicate resource" in failure for failure in stack(program).up().failures)


def test_a_stack_with_resources_is_not_removed(stack, tmp_path):
    made = stack(lambda: FileResource("one", {"folder": str(tmp_path / "files"), "value": "1"}))
    made.up()
    with pytest.raises(EngineError, match="still has"):
        made.remove()
    made.destroy()
    made.remove()
    assert not made.files.checkpoint.exists()


def test_secrets_are_in_no_file_and_no_plan(stack, tmp_path):
    def program():
        FileResource("one", {"folder": str(tmp_path / "files"), "value": pulumi.Output.secret("hunter2")})
        pulumi.export("secret", pulumi.Output.secret("hunter2"))

    made = stack(program)
    result = made.up()
    reported = json.dumps([step.to_json() for step in result.steps]) + repr(result.outputs) + repr(result.steps)
    assert "hunter2" not in reported
    for file in (tmp_path / ".pulumi").rglob("*"):
        if file.is_file():
            assert "hunter2" not in unpacked(file.read_bytes()).decode(), file


def test_secrets_of_a_stack_file_are_decrypted_with_its_own_salt(stack, all_rounds, tmp_path, monkeypatch):
    """After `pulumi config set --secret` and an embedded `up`, the state and the stack file have different salts."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "abc")
    seen = []
    made = stack(lambda: seen.append(pulumi.Config("unit").get("key")))
    made.up()
    (tmp_path / "Pulumi.test.yaml").write_text(
        f'encryptionsalt: "{CLI_SALT}"\nconfig:\n  unit:key: {{secure: "{CLI_SECRET}"}}\n'
    )
    assert made.up().failures == []
    assert seen == [None, "hello"]


def test_operations_have_pulumis_names():
    assert {str(op) for op in Op} >= {"same", "create", "update", "delete", "replace", "create-replacement"}
