"""Overrides that set values of a Secret in clear text are reported, and no others."""

import json

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.stack.clear_secrets import in_clear
from flotilla.stack.files import ManifestFiles
from flotilla.state.crypto import PassphraseCrypter
from tests.conftest import REPOSITORY

VALUE = "aHVudGVyMg=="


def workload(*overrides, kind="Secret", name="login"):
    return {"name": name, "image": None, "manifests": [f"{kind}.yaml"], "overrides": list(overrides)}


def patch(path="/data/token", value=VALUE, op="replace"):
    return {"op": op, "path": path, **({} if value is None else {"value": value})}


@pytest.fixture
def found(project, fleet_of):
    for kind in ("Secret", "ConfigMap"):
        manifest = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "login"}, "data": {"token": VALUE}}
        (project / f"{kind}.yaml").write_text(yaml.safe_dump(manifest))
    return lambda *workloads: in_clear(fleet_of(*workloads), ManifestFiles(project))


def override(*patches, **more):
    return {"clusters": ["member1"], **({"patches": list(patches)} if patches else {}), **more}


def test_each_value_is_reported_by_its_path_and_never_shown(found):
    other = workload(override(patch()), kind="ConfigMap", name="settings")
    fields = [{"path": "/stringData/app.json", "format": "json", "patches": [patch("/password", "hunter2", "add")]}]
    first, second = found(
        other,
        workload(override(labels={"a": "b"}), override(patch("/metadata/labels/a"), patch()), override(fields=fields)),
    )
    assert first == (
        "workload login: overrides[1].patches[1].value sets /data/token of a Secret, and is in clear text in "
        "the stack file; Pulumi's CLI stores it so in its state and history: set it with "
        "`pulumi config set --secret --path 'flotilla:workloads[1].overrides[1].patches[1].value'`"
    )
    assert "overrides[2].fields[0].patches[0].value sets /stringData/app.json" in second
    assert not [text for text in (first, second) for value in (VALUE, "hunter2") if value in text]


@pytest.mark.parametrize("step", [patch(value="[secret]"), patch(value=None, op="remove"), patch("/type", "Opaque")])
def test_encrypted_values_and_other_kinds_are_not_reported(found, step):
    assert found(workload(override(step))) == []


@pytest.mark.parametrize("encrypted", [True, False])
def test_validate_distinguishes_an_encrypted_value_from_clear_text(project, sections, capfd, monkeypatch, encrypted):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "anything")
    crypter = PassphraseCrypter("anything")
    value = {"secure": crypter.encrypt(VALUE)} if encrypted else VALUE
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"token": VALUE}}
    (project / "Secret.yaml").write_text(yaml.safe_dump(secret))
    sections["workloads"] = [{**workload(override(patch(value=value))), "placement": {}}]
    (project / "stacks").mkdir()
    (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    document = {"config": {f"flotilla:{key}": section for key, section in sections.items()}}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(
        yaml.safe_dump({**document, "encryptionsalt": crypter.state} if encrypted else document)
    )
    assert main(["validate", "-s", "dev", "-C", str(project), "--json"]) == 0
    notes = json.loads(capfd.readouterr().out).get("notes", [])
    assert ["is in clear text" in note for note in notes] == ([] if encrypted else [True])
