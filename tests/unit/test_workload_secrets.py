"""Secrets with encrypted values in the stack file: objects of the workload whose values are never printed."""

import base64
import json

import jsonschema
import pytest
import yaml

from flotilla.cli.main import main
from flotilla.errors import FlotillaError
from flotilla.policy.evaluate import Status, evaluate
from flotilla.policy.model import StackView
from flotilla.stack.clear_secrets import encrypted_secrets
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import load_stack_file, parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.stack.schema import stack_file_schema
from flotilla.state.crypto import PassphraseCrypter
from flotilla.workloads.objects import manifests_of
from tests.conftest import REPOSITORY
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures
from tests.unit.test_policies import PARENT, RULES, resource

VALUE = "open-sesame-42"
ENCODED = base64.b64encode(VALUE.encode()).decode()


def with_secret(sections, **changes):
    secret = {"name": "login", "stringData": {"PASSWORD": VALUE}, **changes}
    sections["workloads"][0]["secrets"] = [{key: value for key, value in secret.items() if value is not None}]
    return sections


def objects(sections, project):
    fleet = parse_fleet(sections, base=project)
    return manifests_of(fleet.workloads[0], ManifestFiles(project))


def test_secret_is_an_object_of_the_workload(sections, project):
    deployment, secret = objects(
        with_secret(sections, data={"key.p12": "QUJD\nREVG"}, type="example.org/login"), project
    )
    assert deployment["kind"] == "Deployment"
    assert secret == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": "default"},
        "type": "example.org/login",
        "data": {"PASSWORD": ENCODED, "key.p12": "QUJDREVG"},
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Log_in"}, 'secrets[0].name: "Log_in" — must be a Secret\'s name'),
        ({"stringData": None}, "has neither 'stringData' nor 'data'"),
        ({"data": {"PASSWORD": "QUJD"}}, "has 'PASSWORD' in 'stringData' and in 'data'"),
        ({"data": {"a": "*"}}, "'data.a' is not base64"),
        ({"stringData": {"a b": VALUE}}, "has the key 'a b'"),
        ({"stringData": {"PIN": 123456789}}, "secrets[0].stringData.PIN: must be a valid string"),
        ({"data": {"PIN": [VALUE]}}, "secrets[0].data.PIN: must be a valid string"),
        ({"stringdata": {"a": VALUE}}, "did you mean 'stringData'?"),
        ({"type": ""}, "secrets[0].type"),
    ],
)
def test_problem_of_a_secret_is_reported_without_its_values(sections, project, changes, said):
    with pytest.raises(ConfigError) as refused:
        parse_fleet(with_secret(sections, **changes), base=project)
    assert said in str(refused.value)
    assert not [value for value in (VALUE, "123456789", ENCODED) if value in str(refused.value)]


def test_secret_of_the_same_name_is_refused(sections, project):
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"a": "QUJD"}}
    (project / "login.yaml").write_text(yaml.safe_dump(manifest))
    with_secret(sections)
    sections["workloads"][0] |= {"image": None, "manifests": ["login.yaml"]}
    sections["workloads"][0]["secrets"] *= 2
    with pytest.raises(ConfigError) as refused:
        parse_fleet(sections, base=project)
    first, second = map(str, refused.value.problems)
    assert 'secrets[0].name: "login" — is also the name of a Secret in its manifests' in first
    assert 'secrets[1].name: "login" — is also the name of a Secret in secrets[0]' in second


@pytest.fixture
def stack(project, sections, monkeypatch):
    """Write the stack file with some of the values encrypted."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "anything")
    crypter = PassphraseCrypter("anything")
    (project / "stacks").mkdir()
    (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())

    def write(**changes):
        with_secret(sections, **changes)
        config = {f"flotilla:{key}": section for key, section in sections.items()}
        file = project / "stacks" / "Pulumi.dev.yaml"
        file.write_text(yaml.safe_dump({"config": config, "encryptionsalt": crypter.state}))
        return file

    write.encrypted = {"secure": crypter.encrypt(VALUE)}
    return write


def test_clear_text_value_is_refused_with_the_command_that_encrypts_it(stack, project, capsys):
    stack(stringData={"PASSWORD": stack.encrypted, "tls.key": VALUE})
    assert main(["validate", "-s", "dev", "-C", str(project)]) == 2
    said = capsys.readouterr().err
    assert 'workloads[0].secrets[0].stringData["tls.key"]: is in clear text in the stack file' in said
    assert "pulumi config set --secret --path 'flotilla:workloads[0].secrets[0].stringData[\"tls.key\"]'" in said
    assert "PASSWORD" not in said
    assert VALUE not in said


def test_validate_needs_no_passphrase(stack, project, monkeypatch, capsys):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    file = stack(stringData={"PASSWORD": stack.encrypted}, data={"binary": stack.encrypted})
    assert main(["validate", "-s", "dev", "-C", str(project), "--json"]) == 0
    assert "notes" not in json.loads(capsys.readouterr().out)
    (_, secret) = manifests_of(load_stack_file(file).workloads[0], ManifestFiles(project))
    assert set(secret["data"].values()) == {base64.b64encode(b"[secret]").decode()}


def test_schema_for_editors_requires_an_encrypted_value(stack):
    document = yaml.safe_load(stack(stringData={"PASSWORD": stack.encrypted}).read_text())
    jsonschema.validate(document, stack_file_schema())
    document["config"]["flotilla:workloads"][0]["secrets"][0]["stringData"]["PASSWORD"] = VALUE
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, stack_file_schema())


def test_program_refuses_clear_text_if_nothing_is_encrypted(run, absolute):  # noqa: F811
    with_secret(absolute)
    with pytest.raises(ConfigError, match="is in clear text in the stack file"):
        run(absolute)


def test_value_and_everything_with_it_are_secrets_in_the_state(run, absolute, monkeypatch):  # noqa: F811
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["flotilla:workloads"]))
    registered = run(with_secret(absolute))
    assert "secret-default/login" in registered
    rollout = registered["nginx-rollout"]
    for args in registered.values():
        assert VALUE not in json.dumps(args.inputs, default=str)
    assert ENCODED in json.dumps(registered["secret-default/login"].inputs["data"], default=str)
    assert "4dabf18193072939515e22adb298388d" in json.dumps(rollout.inputs["templates"], default=str)


def test_placeholder_is_never_used_as_a_value(run, absolute):  # noqa: F811
    """It replaces an encrypted value where nothing is decrypted."""
    with pytest.raises(FlotillaError, match=r"Secret default/login has \[secret\] in place of its values"):
        run(with_secret(absolute, stringData={"PASSWORD": "[secret]"}))


def secret_resource(name="login"):
    meta = {"name": name, "namespace": "default"}
    props = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"a": "QUJD"}}
    return resource("kubernetes:core/v1:Secret", f"secret-default/{name}", props, parent=PARENT)


def test_rule_for_clear_text_secrets_recognises_encrypted_ones(stack, project):
    file = stack(stringData={"PASSWORD": stack.encrypted})
    view = StackView((secret_resource(), secret_resource("plain")), encrypted=encrypted_secrets(file, project))
    verdicts = evaluate([RULES["no-plaintext-secrets"]], view)
    assert [(verdict.resource, verdict.status) for verdict in verdicts] == [
        ("secret-default/login", Status.PASS),
        ("secret-default/plain", Status.FAIL),
    ]
    file = stack(stringData={"PASSWORD": VALUE})
    assert encrypted_secrets(file, project) == set(), "a value in clear text is no encrypted one"


EXTERNAL = [
    {
        "apiVersion": "external-secrets.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }
    for kind, name, spec in (
        ("SecretStore", "vault", {"provider": {"vault": {"server": "https://vault.example", "path": "secret"}}}),
        (
            "ExternalSecret",
            "login",
            {
                "refreshInterval": "1h",
                "secretStoreRef": {"name": "vault", "kind": "SecretStore"},
                "target": {"name": "login"},
                "data": [{"secretKey": "password", "remoteRef": {"key": "shop/login", "property": "password"}}],
            },
        ),
    )
]


def test_objects_of_external_secrets_are_ordinary_templates(project, sections):
    """Another workload has their definition; nothing in them is taken for a clear text secret."""
    (project / "external.yaml").write_text(yaml.safe_dump_all(EXTERNAL))
    sections["workloads"] = [{"name": "shop", "manifests": ["external.yaml"], "placement": {}}]
    fleet = parse_fleet(sections, base=project)
    assert manifests_of(fleet.workloads[0], ManifestFiles(project)) == EXTERNAL
    kinds = [f"kubernetes:external-secrets.io/v1:{one['kind']}" for one in EXTERNAL]
    view = StackView(tuple(resource(kind, "x", one) for kind, one in zip(kinds, EXTERNAL, strict=True)))
    assert [verdict for verdict in evaluate(RULES.values(), view) if verdict.status is Status.FAIL] == []


def test_secret_has_its_declared_labels_and_annotations(sections, project):
    marks = {"labels": {"part": "web"}, "annotations": {"owner": "platform"}}
    _, secret = objects(with_secret(sections, immutable=True, **marks), project)
    assert secret["immutable"] is True
    assert secret["metadata"] == {"name": "login", "namespace": "default", **marks}
