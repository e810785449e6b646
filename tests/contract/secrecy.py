"""No verb of the main job prints a secret or stores it unencrypted on disk, also if the verb fails."""

import base64

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.state.compression import unpacked
from tests.contract.fleet import deployed_stack
from tests.contract.main_job import NGINX, members

PASSWORD = "open-sesame-42"
PUBLIC = {"ca.crt", "caBundle", "namespace"}


def secret_manifest(password):
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "door", "namespace": "default"},
            "stringData": {"key": password},
        }
    )


@pytest.fixture
def recorded(fleet, capsys):
    """Run verbs and record everything that they print."""
    printed = []

    class Recorded:
        text = property(lambda _: "\n".join(printed))

        def run(self, *arguments, expect=(0,)):
            code = main([*arguments, "-C", str(fleet.project), "--engine", "embedded"])
            captured = capsys.readouterr()
            printed.extend((captured.out, captured.err))
            assert code in expect, captured.err

    return Recorded()


def secrets_of(fleet):
    """Return tokens, keys and passwords of the fleet, as plain text and encoded."""
    found = {PASSWORD, base64.b64encode(PASSWORD.encode()).decode()}
    for cluster in ("karmada", "member1"):
        for obj in fleet.connection(cluster).list("v1", "Secret", namespace="karmada-cluster"):
            for key, value in (obj.get("data") or {}).items():
                if key not in PUBLIC:
                    found |= {value, base64.b64decode(value).decode()}
    keys = (fleet.project / ".flotilla" / "sandbox").rglob("admin.key")
    found |= {line for key in keys for line in key.read_text().splitlines() if not line.startswith("-----")}
    assert len(found) > 20
    return {text for text in found if len(text) > 8}


def left_on_disk(fleet):
    """Return the files that the stack leaves: state, backups, history, audit log, reports; with their texts."""
    folder = fleet.project / ".flotilla" / "state"
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "passphrase"]
    assert any(file.suffix == ".json" for file in files)
    found = [*files, *fleet.project.glob("*.html"), *fleet.project.glob("*.svg")]
    return {file: unpacked(file.read_bytes()).decode() for file in found}


def test_no_verb_prints_a_secret_or_stores_it_unencrypted(fleet, recorded):
    manifest = fleet.project / "door.yaml"
    manifest.write_text(secret_manifest("something else"))
    door = {"name": "door", "manifests": ["door.yaml"], "placement": {"clusters": ["member1"]}}
    with deployed_stack(fleet):
        fleet.write(members("member1"), [NGINX | {"placement": {"clusters": ["member1"]}}, door])
        recorded.run("up", "--yes", "--json")
        manifest.write_text(secret_manifest(PASSWORD))
        for options in ((), ("--detail", "--rendered"), ("--json", "--rendered"), ("--detail", "--refresh")):
            recorded.run("preview", *options)
        recorded.run("report", "--of", "plan", "-o", str(fleet.project / "plan.html"))
        recorded.run("graph", "--of", "plan", "-o", str(fleet.project / "plan.svg"))
        recorded.run("up", "--yes")
        recorded.run("drift", "--json")
        recorded.run("status", "--json")
        recorded.run("workloads", "--json")
        recorded.run("get", "secrets", "--json")
        recorded.run("get", "secrets")
        recorded.run("policy", "--all")
        recorded.run("refresh", "--preview-only", "--detail")
        recorded.run("report", "--of", "drift", "-o", str(fleet.project / "drift.html"))
        secrets = secrets_of(fleet)
        break_karmada(fleet, recorded)
        recorded.run("destroy", "--preview-only", "--detail")
        on_disk = left_on_disk(fleet)
    assert PASSWORD not in recorded.text
    assert [secret for secret in secrets if secret in recorded.text] == []
    assert [(file, s) for file, text in on_disk.items() for s in secrets if s in text] == []


def break_karmada(fleet, recorded):
    """Cause errors with tracebacks, by a wrong server and a wrong token."""
    file = fleet.kubeconfigs / "karmada.yaml"
    stored = file.read_text()
    try:
        document = yaml.safe_load(stored)
        document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
        file.write_text(yaml.safe_dump(document))
        recorded.run("status", "--debug", expect=(1,))
        document = yaml.safe_load(stored)
        document["users"][0]["user"] = {"token": PASSWORD}
        file.write_text(yaml.safe_dump(document))
        recorded.run("status", "--debug", expect=(1,))
        recorded.run("preview", "--debug", "--refresh", expect=(0, 1))  # 0 because its state has the old token
    finally:
        file.write_text(stored)
