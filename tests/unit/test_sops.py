"""Manifests encrypted with SOPS: checked without the key, decrypted by the `sops` program, and never printed."""

import base64
import json
import os

import pytest
import yaml

from components.configuration import WITHOUT_KEYS, decryption
from flotilla.agent import Toolbox, Workplace
from flotilla.cli.main import main
from flotilla.deploy.interface import EngineName
from flotilla.kube import secrecy
from flotilla.stack.clear_secrets import encrypted_secrets
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.workloads import sops
from flotilla.workloads.manifests import ManifestError, parse_manifests
from flotilla.workloads.objects import manifests_of
from tests.conftest import REPOSITORY
from tests.sops_stand_in import asked, closed, install, sealed

VALUE = "open-sesame-42"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"password": VALUE}}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "blue"}}
HIDDEN_DATA = base64.b64encode(b"[secret]").decode()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    install(folder)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN_KEY", "the-key")
    return folder


def unplaced(obj):
    """Return an object without the namespace that the workload has set."""
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "namespace"}}


@pytest.fixture
def load(project, sections):
    """Parse a stack whose workload is one file, and return its objects."""

    def load(*documents, name="login.yaml", opened=None):
        text = json.dumps(documents[0]) if name.endswith("json") else yaml.safe_dump_all(documents)
        (project / name).write_text(text)
        sections["workloads"] = [{"name": "web", "manifests": [name], "placement": {}}]
        files = ManifestFiles(project, opened=opened)
        fleet = parse_fleet(sections, base=project, manifests=files)
        return [unplaced(obj) for obj in manifests_of(fleet.workloads[0], files)]

    return load


@pytest.mark.parametrize("name", ["login.yaml", "login.json"])
def test_program_gets_the_values_and_a_check_gets_placeholders(load, stand_in, name):
    document = sealed({**SECRET, "data": {"token": "dG9rZW4="}}, "stringData", "data")
    assert load(document, name=name) == [
        {**SECRET, "stringData": {"password": "[secret]"}, "data": {"token": HIDDEN_DATA}}
    ]
    assert asked(stand_in) == [], "a check decrypts nothing"
    assert load(document, name=name, opened=sops.decrypted) == [{**SECRET, "data": {"token": "dG9rZW4="}}]


def test_file_is_decrypted_once_by_its_path_without_the_passphrase(load, stand_in, project, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2hunter2")
    load(sealed(SECRET, "stringData"), opened=sops.decrypted)
    (run,) = asked(stand_in)
    path = str(project / "login.yaml")
    assert run["arguments"] == ["--decrypt", "--input-type", "yaml", "--output-type", "yaml", path]
    assert "PULUMI_CONFIG_PASSPHRASE" not in run["environment"]


def test_decrypted_values_are_registered_as_secrets(load, stand_in, monkeypatch):
    monkeypatch.setattr(secrecy, "_known", set())
    load(sealed(SECRET, "stringData"), opened=sops.decrypted)
    assert secrecy.redacted(f"refused: {VALUE}") == "refused: [secret]"


def test_files_with_several_documents_and_lists_are_read_completely(load, stand_in):
    listed = {"apiVersion": "v1", "kind": "List", "items": [{**SECRET, "stringData": {"password": closed(VALUE)}}]}
    documents = (sealed(CONFIG), sealed(SECRET, "stringData"), sealed({**listed, "items": [
        {**SECRET, "metadata": {"name": "other"}, "stringData": {"password": closed(VALUE)}}]}))  # fmt: skip
    veiled = load(*documents)
    assert [obj["metadata"]["name"] for obj in veiled] == ["settings", "login", "other"]
    assert veiled[0] == CONFIG
    assert VALUE not in json.dumps(veiled)
    assert [obj.get("stringData") for obj in load(*documents, opened=sops.decrypted)] == [
        None, {"password": VALUE}, {"password": VALUE}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (sealed(CONFIG, "data"), "ConfigMap settings has values that are encrypted with SOPS"),
        (sealed({**SECRET, "kind": closed("Secret")}), "its kind is encrypted with SOPS"),
        (sealed(SECRET, "metadata", "stringData"), "its metadata is encrypted with SOPS"),
        (sealed({**SECRET, "spec": {"x": "y"}}, "spec"), "Secret login: spec is encrypted with SOPS"),
    ],
)
def test_only_values_of_secrets_may_be_encrypted(load, stand_in, document, said):
    for opened in (None, sops.decrypted):
        with pytest.raises(ConfigError) as refused:
            load(document, opened=opened)
        (problem,) = refused.value.problems
        assert said in str(problem)
        assert '"login.yaml"' in str(problem)
    assert asked(stand_in) == [], "what is refused is not decrypted"


def test_encrypted_values_in_a_rendering_are_refused():
    """Otherwise the API server would get the ciphertext as the value, with a field that it doesn't know."""
    with pytest.raises(ManifestError, match=r"a Secret is encrypted with SOPS, .*: add its file there") as refused:
        parse_manifests(yaml.safe_dump_all([CONFIG, sealed(SECRET, "stringData")]))
    assert len(refused.value.problems) == 1


def test_type_of_a_secret_may_be_encrypted(load, stand_in):
    document = sealed({**SECRET, "type": closed("Opaque")}, "stringData")
    assert "type" not in load(document)[0]
    assert load(document, opened=sops.decrypted)[0]["type"] == "Opaque"


@pytest.mark.parametrize("text", ["sops: {}", "sops: {mac: 5", "- sops:\n  mac: x", "a: b\nsops: text"])
def test_manifest_that_only_resembles_sops_is_read_as_usual(text):
    assert sops.documents_of(text) is None


def test_missing_sops_or_missing_key_is_one_clear_line(load, stand_in, monkeypatch):
    monkeypatch.delenv("STAND_IN_KEY")
    with pytest.raises(ConfigError) as refused:
        load(sealed(SECRET, "stringData"), opened=sops.decrypted)
    (problem,) = refused.value.problems
    assert "login.yaml: sops can't decrypt it: Failed to get the data key required" in str(problem)
    assert "give sops the file's key" in str(problem)
    assert len(asked(stand_in)) == 1, "a service that takes a minute to say no is asked once"
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match="there is no sops command on the PATH") as refused:
        load(sealed(SECRET, "stringData"), opened=sops.decrypted)
    assert "\n" not in str(refused.value.problems[0])


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("#!/bin/sh\nsleep 30\n", "did not decrypt it within"),
        ("#!/bin/sh\nhead -c 11000000 /dev/zero\n", "printed more than 10 MiB"),
        ("#!/bin/sh\nprintf '\\377'\n", "is not UTF-8"),
        ("not a program", "can't be started"),
        ("#!/bin/sh\nexit 3\n", "sops can't decrypt it: exit code 3"),
    ],
)
def test_run_time_and_output_of_sops_are_bounded(load, stand_in, monkeypatch, program, said):
    (stand_in / "sops").write_text(program)
    monkeypatch.setattr(sops, "SECONDS", 0.5 if "sleep" in program else 20)
    with pytest.raises(ConfigError) as refused:
        load(sealed(SECRET, "stringData"), opened=sops.decrypted)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, []),
        ({"kms": [], "pgp": [{"fp": "x"}]}, []),
        ({"hc_vault": [{"vault_address": "https://vault.example"}]}, ["hc_vault"]),
        ({"age": [], "key_groups": [{"age": [{}]}, {"kms": [{"arn": "x"}], "new_one": [{}]}]}, ["kms", "new_one"]),
    ],
)
def test_key_services_are_recognised_in_the_file(keys, found):
    assert sops.services([sealed(SECRET, "stringData", **keys), None, 5]) == found


def stack(project, sections, *documents):
    (project / "login.yaml").write_text(yaml.safe_dump_all(documents or [sealed(SECRET, "stringData")]))
    (project / "stacks").mkdir(exist_ok=True)
    (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    sections["workloads"] = [{"name": "web", "namespace": "shop", "manifests": ["login.yaml"], "placement": {}}]
    file = project / "stacks" / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": {f"flotilla:{key}": value for key, value in sections.items()}}))
    return file


def test_validate_needs_no_key_and_names_the_unchecked_values(project, sections, stand_in, capsys):
    stack(project, sections)
    assert main(["validate", "-s", "dev", "-C", str(project), "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.startswith("workload web: login.yaml: encrypted with SOPS: names and keys are checked here")
    assert asked(stand_in) == []


def test_policies_recognise_encrypted_secrets(project, sections):
    half = sealed({**SECRET, "metadata": {"name": "half"}, "data": {"plain": "dG9rZW4="}}, "stringData")
    whole = sealed({**SECRET, "data": {"nothing": ""}}, "stringData")
    file = stack(project, sections, whole, half)
    assert encrypted_secrets(file, project) == {("shop", "login")}


def test_proposal_of_an_agent_decrypts_nothing(project, sections, stand_in):
    file = stack(project, sections)
    found = Toolbox(Workplace(project, "dev", EngineName.EMBEDDED)).call("validate_stack", {"text": file.read_text()})
    assert found["valid"]
    assert asked(stand_in) == []


@pytest.mark.parametrize(("dry_run", "asks", "decrypts"), [(True, "1", False), (True, "", True), (False, "1", True)])
def test_only_a_plan_may_use_placeholders(monkeypatch, dry_run, asks, decrypts):
    """Otherwise an `up` in the environment of a check would send placeholders to every member."""
    monkeypatch.setenv(WITHOUT_KEYS, asks)
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: dry_run)
    assert (decryption() is sops.decrypted) is decrypts
