"""The policy pack on the example stacks: Pulumi's CLI and both engines report the same violations."""

import json
import subprocess

import pytest
import yaml

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from tests.conformance.versions import CLI_NEEDS, LANGUAGE, PROVIDER, require
from tests.contract.fleet import copy_program, policies_in
from tests.live.chart import karmada_chart
from tests.unit.test_policy_pack import SPOILT, spoil

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
STACKS = ("dev", "lesson", "platform", "production")
MEMBERS = {"frankfurt": "member1", "paris": "member2", "edge": "member3"}


@pytest.fixture
def project(fleet, repository, tmp_path, monkeypatch):
    """A copy of the project with the examples; clusters that must exist already are the sandbox's."""
    require(*CLI_NEEDS, LANGUAGE, PROVIDER)
    folder, kube = tmp_path / "project", tmp_path / "home" / ".kube"
    folder.mkdir()
    kube.mkdir(parents=True)
    copy_program(folder)
    (folder / ".venv").symlink_to(repository / ".venv")
    (tmp_path / "state").mkdir()
    for name in ("host", "production-host"):
        (kube / name).write_text((fleet.kubeconfigs / "karmada.yaml").read_text())
    (kube / "production-members").write_text(yaml.safe_dump(merged(fleet)))
    for key, value in {
        "HOME": str(tmp_path / "home"),
        "PULUMI_HOME": str(tmp_path / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase of this test",
        "PYTHONPATH": str(repository),
    }.items():
        monkeypatch.setenv(key, value)
    with policies_in(folder):
        yield folder


def merged(fleet):
    """Return one kubeconfig with a context for each member of the stack `production`."""
    document = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, member in MEMBERS.items():
        one = yaml.safe_load((fleet.kubeconfigs / f"{member}.yaml").read_text())
        for part, key in (("clusters", "cluster"), ("users", "user")):
            document[part].append({"name": name, key: one[part][0][key]})
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    return document


@pytest.mark.parametrize(
    ("stack", "spoilt"), [*((stack, False) for stack in STACKS), *((stack, True) for stack in SPOILT)]
)
def test_both_engines_and_the_policy_pack_report_the_same_for_an_example(
    project, repository, stack, spoilt, tmp_path, capsys
):
    document = yaml.safe_load((repository / "stacks" / f"Pulumi.{stack}.yaml").read_text())
    config = document["config"]
    # No chart repository can be reached from here, so the stack uses the chart's folder.
    config["flotilla:controlPlane"]["helm"]["chart"] = {"path": str(karmada_chart("1.18.2", tmp_path))}
    if spoilt:
        spoil(config)
    (project / "stacks" / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(document))

    said = {}
    for engine in ("embedded", "pulumi"):
        code = main(["policy", "-C", str(project), "-s", stack, "--engine", engine, "--json"])
        captured = capsys.readouterr()
        assert code in (ExitCode.DONE, ExitCode.REFUSED), captured.err
        said[engine] = (code, json.loads(captured.out))
    assert said["pulumi"] == said["embedded"]
    code, answer = said["embedded"]
    violated = {v["rule"] for v in answer["verdicts"] if v["status"] == "fail"}
    assert violated == (SPOILT[stack] if spoilt else set())

    command = ["pulumi", "preview", "--stack", stack, "--policy-pack", "policies", "--non-interactive"]
    asked = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=300)
    assert bool(asked.returncode) == (code == ExitCode.REFUSED), asked.stdout[-3000:]
    assert {rule for rule in violated if rule in asked.stdout} == violated
