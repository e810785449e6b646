"""Markers are used wherever a secret can be, all verbs run, also with failures, and no output contains a marker.

The test searches everything that is printed, the state with its history and backups, the audit log, reports, the folder
for temporary files, and the environment of child processes. It runs for the embedded engine, and for Pulumi's CLI if
that is installed.
"""

import base64
import itertools
import json
import os
import secrets
import shutil
import signal
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from flotilla.agent import Toolbox, Workplace
from flotilla.cli.main import main
from flotilla.deploy.interface import EngineName
from flotilla.errors import FlotillaError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.sandbox.processes import start_time
from flotilla.state.compression import unpacked
from flotilla.state.crypto import PassphraseCrypter
from tests.conformance.versions import CLI_NEEDS, LANGUAGE, PROVIDER, require
from tests.contract.fleet import REPOSITORY, policies_in
from tests.sops_stand_in import asked, install, sealed

FORMATS = ("github", "gitlab", "junit", "markdown", "sarif")
IN_FULL = (("preview", "--detail"), ("preview", "--json", "--rendered"), ("drift", "--json"))
"""The views that show everything about a plan and drift, for people and for machines."""
OTHERS = (
    ("preview",),
    ("preview", "--rendered"),
    ("preview", "--detail", "--refresh"),
    *(("drift", "--format", name) for name in FORMATS),
    ("drift",),
    ("policy", "--all"),
    ("report", "--of", "plan", "-o", "{project}/plan.html"),
    ("report", "--of", "drift", "-o", "{project}/drift.html"),
    ("graph", "--of", "plan", "-o", "{project}/plan.svg"),
)
LOOKS = (*IN_FULL, *OTHERS)
IN_TURN = 4
"""How many of OTHERS run each time: the six times after the first one reach each of them at least once."""


def marker(what):
    return f"MARKER-{what}-{secrets.token_hex(6)}"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class Planted:
    """A project in which every secret is a marker, and the output of its runs."""

    def __init__(self, fleet, engine, folder, capfd):
        self.fleet, self.engine, self.folder, self._capfd = fleet, engine, folder, capfd
        self.looked, self.turns = False, itertools.cycle(OTHERS)
        self.project = fleet.project
        self.markers = set()
        self.printed = []
        self.passphrase = self.mark("passphrase")
        self.variables = {self.passphrase}
        self.token = self.mark("token")
        self.override = self.mark("override")
        self.data = self.mark("data")
        self.text = self.mark("text")
        self.configured = self.mark("configured")
        self.sealed = self.mark("sealed")
        self._crypter = PassphraseCrypter(self.passphrase)

    def mark(self, what):
        made = marker(what)
        self.markers.add(made)
        return made

    def write(self, *, data=None, path="/data/token", timeout=120):
        """Write a stack with Secrets of three sources, an override of them, an inline kubeconfig and an exec plugin."""
        inline = kubeconfigs.select(kubeconfigs.load((self.fleet.kubeconfigs / "member1.yaml").read_text()))
        inline["users"][0]["user"]["token"] = self.token  # in addition to the certificate, with which it authenticates
        self.markers |= {inline["users"][0]["user"]["client-key-data"]}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "default"}}
        secret |= {"data": data or {"token": encoded(self.data)}, "stringData": {"note": self.text}}
        # An override's patch applies to all objects of the workload: the ConfigMap gets the secret, too.
        settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}}
        (self.project / "login.yaml").write_text(yaml.safe_dump_all([secret, {**settings, "data": {"token": "none"}}]))
        opened = {**secret, "metadata": {"name": "sealed", "namespace": "default"}, "stringData": {}}
        opened |= {"data": {"token": encoded(self.sealed)}}
        (self.project / "sealed.yaml").write_text(yaml.safe_dump(sealed(opened, "data")))
        # Encrypted, because Pulumi's CLI copies the configuration of the stack file into its state and history.
        value = {"secure": self._crypter.encrypt(encoded(self.override))}
        login = {
            "name": "login",
            "manifests": ["login.yaml", "sealed.y*"],
            "secrets": [
                {"name": "configured", "stringData": {"token": {"secure": self._crypter.encrypt(self.configured)}}}
            ],
            "placement": {"clusters": ["member1", "member2"]},
            "timeout": timeout,
            "overrides": [{"clusters": ["member2"], "patches": [{"op": "replace", "path": path, "value": value}]}],
        }
        members = [
            {"name": "member1", "kubeconfig": {"inline": {"secure": self._crypter.encrypt(yaml.safe_dump(inline))}}},
            {"name": "member2", "kubeconfig": str(self._with_plugin())},
        ]
        self.fleet.write(members, [login])
        file = self.project / "stacks" / "Pulumi.sandbox.yaml"
        document = yaml.safe_load(file.read_text()) | {"encryptionsalt": self._crypter.state}
        file.write_text(yaml.safe_dump(document))

    def _with_plugin(self):
        """Write a kubeconfig whose exec plugin returns the certificate and records its environment in a file."""
        document = kubeconfigs.select(kubeconfigs.load((self.fleet.kubeconfigs / "member2.yaml").read_text()))
        user = document["users"][0]["user"]
        certificate, key = (base64.b64decode(user[f"client-{part}-data"]).decode() for part in ("certificate", "key"))
        version = "client.authentication.k8s.io/v1"
        status = {"clientCertificateData": certificate, "clientKeyData": key}
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
        (self.folder / "answer.json").write_text(json.dumps(answer))
        program = self.folder / "plugin"
        program.write_text(f"#!/bin/sh\nenv >> {self.folder}/environment\ncat {self.folder}/answer.json\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        run = {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}
        document["users"][0]["user"] = {"exec": run}
        file = self.folder / "member2.yaml"
        file.write_text(kubeconfigs.dump(document))
        return file

    def run(self, *arguments, expect=None, engine=True):
        """Run a verb, and store everything that it and its children print."""
        chosen = ["--engine", self.engine] if engine else []
        code = main([*arguments, "-C", str(self.project), *chosen])
        captured = self._capfd.readouterr()
        self.printed += [captured.out, captured.err]
        assert expect is None or code == expect, captured.err[-3000:] or captured.out[-3000:]
        return captured.out + captured.err

    def forms(self):
        """Return each marker as it is, in base64, and as a part of longer base64 at each of the three offsets."""
        return {form for text in self.markers for form in (text, encoded(text), encoded("x" + text)[4:-4])} | {
            encoded("xx" + text)[4:-4] for text in self.markers
        }

    def leaks(self, text):
        return sorted({form for form in self.forms() if form in text})


@contextmanager
def stopped_controllers(project):
    """Stop the process of Karmada's controllers, or the stand-in's, during the block, so that waits time out."""
    pids = []
    for name in ("karmada-controller-manager", "karmada-stand-in"):
        for file in (project / ".flotilla").rglob(f"{name}.json"):
            record = json.loads(file.read_text())
            assert start_time(record["pid"]) == record["started"]
            pids.append(record["pid"])
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pids[0], signal.SIGCONT)


@pytest.fixture(params=["embedded", "pulumi"])
def planted(request, fleet, tmp_path, capfd, monkeypatch):
    if request.param == "pulumi":
        require(*CLI_NEEDS, LANGUAGE, PROVIDER)
        (fleet.project / ".venv").symlink_to(REPOSITORY / ".venv")
        monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    found = Planted(fleet, request.param, tmp_path, capfd)
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", found.passphrase)
    for key in ("PULUMI_ACCESS_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"):
        if request.param == "embedded" or key != "PULUMI_ACCESS_TOKEN":
            found.variables.add(value := found.mark(key.lower()))
            monkeypatch.setenv(key, value)
    install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN_KEY", "the-key")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    shutil.rmtree(fleet.project / ".flotilla" / "state", ignore_errors=True)
    try:
        yield found
        found.write()
        found.run("destroy", "--yes", expect=0)
    finally:
        shutil.rmtree(fleet.project / ".flotilla" / "state", ignore_errors=True)
        (fleet.project / ".venv").unlink(missing_ok=True)


def run_views(found):
    """Run the verbs that show the plan or the fleet, in each format.

    With the embedded engine, all of them run each time. With Pulumi's CLI each of them takes seconds, and the same code
    prints a plan of either engine. So with the CLI all of them run the first time, and each later time those that show
    everything, and some of the others in turn.
    """
    every = found.engine == "embedded" or not found.looked
    looks = LOOKS if every else [*IN_FULL, *itertools.islice(found.turns, IN_TURN)]
    found.looked = True
    for look in looks:
        found.run(*[word.format(project=found.project) for word in look])
    found.run("validate", engine=False)


def run_views_of_objects(found):
    for verb in ("status", "clusters", "workloads", "events"):
        found.run(verb)
        found.run(verb, "--json")
    found.run("get", "secrets", "-n", "default")
    for form in ("--json", "--yaml"):
        reported = found.run("get", "secrets", "-n", "default", form)
        assert [name for name in ("login", "configured", "sealed") if name not in reported] == []
        assert "[secret]" in reported


def ask_as_agent(found):
    box = Toolbox(Workplace(found.project, "sandbox", EngineName(found.engine)))
    file = (found.project / "stacks" / "Pulumi.sandbox.yaml").read_text()
    for name, arguments in (
        ("list_clusters", {}),
        ("list_workloads", {}),
        ("describe_workload", {"name": "login"}),
        ("validate_stack", {}),
        ("validate_stack", {"text": file}),
        ("validate_stack", {"text": f"config: {{flotilla:members: [{{inlin: {found.token}}}]}}"}),
        ("preview_change", {}),
        ("check_drift", {}),
        ("check_policies", {}),
    ):
        try:
            found.printed.append(json.dumps(box.call(name, arguments)))
        except FlotillaError as error:
            found.printed.append(f"{error}")


def test_planted_secrets_are_in_no_output_and_in_no_file(planted):
    planted.write()
    planted.run("up", "--yes", "--json", expect=0)
    run_views_of_objects(planted)

    # The text of a change has neither the old nor the new value.
    planted.data, planted.override = planted.mark("new-data"), planted.mark("new-override")
    planted.write()
    reported = planted.run("preview", "--detail", expect=0)
    if planted.engine == "embedded":  # the CLI's own events show a secret only as a whole
        assert "data.token: [secret] → [secret]" in reported
        assert "overriders.plaintext[0].value: [secret] → [secret]" in reported
    run_views(planted)

    # The controllers don't run, so the wait times out.
    planted.write(timeout=5)
    with stopped_controllers(planted.project):
        reported = planted.run("up", "--yes", expect=1)
        assert "data.token" in reported, "the text of a wait names the field"
        run_views(planted)
        ask_as_agent(planted)
    planted.write()
    planted.run("up", "--yes", expect=0)

    # The API server refuses a value that isn't base64 or no string, and may quote it in its answer.
    for value in (f"*{planted.mark('no-base64')}*", {"a": planted.mark("a-map")}, [planted.mark("a-list")]):
        planted.write(data={"token": value})
        planted.run("preview", "--debug")
        planted.run("up", "--yes", "--debug", expect=None)
        run_views(planted)

    # A patch whose path doesn't exist.
    for path in ("/data/nothere/deeper", "/data2/x"):
        planted.write(path=path)
        reported = planted.run("preview", "--debug")
        assert path in reported
        run_views(planted)
        ask_as_agent(planted)

    # The policies, which read whole objects, refuse a Secret in the repository.
    planted.write()
    with policies_in(planted.project):
        planted.run("preview", expect=4)
        planted.run("policy", "--all", "--json")
        ask_as_agent(planted)

    # Karmada doesn't answer.
    kubeconfig = planted.fleet.kubeconfigs / "karmada.yaml"
    kept = kubeconfig.read_text()
    document = yaml.safe_load(kept)
    document["clusters"][0]["cluster"]["server"] = f"https://anna:{planted.mark('in-a-url')}@127.0.0.1:1"
    document["users"][0]["user"]["token"] = planted.mark("karmada-token")
    try:
        kubeconfig.write_text(yaml.safe_dump(document))
        planted.run("preview", "--debug", "--refresh")
        planted.run("drift", "--debug")
        planted.run("status", "--debug")
        planted.run("destroy", "--yes", "--preview-only", "--debug")
    finally:
        kubeconfig.write_text(kept)

    assert_no_leaks(planted)


def assert_no_leaks(planted):
    printed = "\n".join(planted.printed)
    assert planted.leaks(printed) == [], [line for line in printed.splitlines() if planted.leaks(line)][:5]

    left = [file for file in (planted.folder / "temporary").rglob("*") if file.is_file()]
    left += [file for file in (planted.project / ".flotilla" / "state").rglob("*") if file.is_file()]
    left += [*planted.project.glob("*.html"), *planted.project.glob("*.svg")]
    left += [planted.project / ".flotilla" / "audit.jsonl"]
    assert any("history" in str(file) for file in left)
    assert any("backups" in str(file) for file in left)
    assert any(file.name == "sandbox.json" for file in left)
    leaking = {str(file): planted.leaks(unpacked(file.read_bytes()).decode("utf-8", "replace")) for file in left}
    assert {file: forms for file, forms in leaking.items() if forms} == {}

    plugin, children = (planted.folder / "environment").read_text(), json.dumps(asked(planted.folder / "bin"))
    assert "PATH" in plugin, "it has run"
    assert "PATH" in children, "they have run"
    assert planted.leaks(children) == []
    assert "PULUMI_CONFIG" not in children
    # Pulumi's CLI needs the passphrase and the tokens, and its provider, which runs the plugin, inherits them.
    inherited = planted.variables if planted.engine == "pulumi" else set()
    assert [form for form in planted.leaks(plugin) if form not in inherited] == []
    assert "PULUMI_CONFIG=" not in plugin.replace("PULUMI_CONFIG={}\n", ""), "the CLI gives its provider an empty one"
