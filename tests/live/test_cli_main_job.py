"""The main job with Pulumi's own commands, as a user of `pulumi` types them, on real Karmada."""

import json
import os
import subprocess

import pytest

from flotilla.cli.main import main
from tests.conformance.versions import CLI_NEEDS, LANGUAGE, PROVIDER, require
from tests.contract.fleet import policies_in
from tests.contract.main_job import NGINX, deployed, everything, members

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture
def pulumi(fleet, repository, monkeypatch, tmp_path):
    require(*CLI_NEEDS, LANGUAGE, PROVIDER)
    environment = fleet.project / ".venv"
    environment.symlink_to(repository / ".venv")
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path / 'state'}")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a passphrase of this test")
    monkeypatch.setenv("PATH", f"{repository / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(repository))

    def run(*arguments, refused=False):
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=fleet.project,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert bool(done.returncode) == refused, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    yield run
    environment.unlink()


CHANGED = {
    **NGINX,
    "replicas": 7,
    "placement": {"clusters": ["member1", "member3"], "replicas": "divided", "weights": {"member1": 2, "member3": 1}},
    "overrides": [{"clusters": ["member3"], "image": {"tag": "1.28"}}],
}


def test_pulumi_preview_up_refresh_destroy(fleet, pulumi):
    before = everything(fleet)
    fleet.write(members("member1", "member2"), [NGINX])
    pulumi("stack", "init", "sandbox")
    assert "nginx-rollout" in pulumi("preview", "--stack", "sandbox")
    assert everything(fleet) == before, "a preview changes nothing"
    pulumi("up", "--stack", "sandbox", "--yes")
    for cluster in ("member1", "member2"):
        assert deployed(fleet, cluster)["status"]["readyReplicas"] == NGINX["replicas"]
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("refresh", "--stack", "sandbox", "--preview-only", "--expect-no-changes")

    fleet.write(members("member1", "member3"), [CHANGED])  # one member leaves, one joins, and nginx changes
    pulumi("up", "--stack", "sandbox", "--yes")
    assert deployed(fleet, "member1")["status"]["readyReplicas"] == 5
    assert deployed(fleet, "member2") is None
    (container,) = deployed(fleet, "member3")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "nginx:1.28"
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("destroy", "--stack", "sandbox", "--yes")
    assert everything(fleet) == before


@pytest.fixture
def plan(fleet, capsys):
    """Return an engine's plan of a verb as JSON, without the engine's name and digest.

    The notice that no request went to the control plane is removed, too: Pulumi's CLI hides its kubeconfig.
    """

    def plan(engine, verb, *options, expect=0):
        arguments = ["-C", str(fleet.project), "-s", "sandbox", "--engine", engine, "--json"]
        code = main([verb, *arguments, *options])
        captured = capsys.readouterr()
        assert code == expect, captured.err or captured.out[-2000:]
        document = {**json.loads(captured.out), "engine": "", "digest": ""}
        for workload in document["workloads"]:
            every = workload.pop("notices", [])
            plan.unasked = [one["text"] for one in every if one["what"] == "by-the-state"]
            if notices := [one for one in every if one["what"] != "by-the-state"]:
                workload["notices"] = notices
        return document

    return plan


def test_both_engines_have_the_same_plans_and_continue_from_each_other(fleet, pulumi, plan, capsys):
    before = everything(fleet)
    ours = ["-C", str(fleet.project), "-s", "sandbox", "--engine", "embedded"]
    fleet.write(members("member1", "member2"), [NGINX])
    pulumi("stack", "init", "sandbox")
    assert plan("embedded", "preview") == plan("pulumi", "preview")
    assert main(["up", *ours, "--yes"]) == 0
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("refresh", "--stack", "sandbox", "--preview-only", "--expect-no-changes")

    fleet.write(members("member1", "member3"), [CHANGED])
    capsys.readouterr()
    embedded = plan("embedded", "preview")
    assert plan.unasked == []
    assert plan("pulumi", "preview") == embedded
    assert len(plan.unasked) == 1, "the CLI hides the kubeconfig, so that taints are those that the state knows"
    pulumi("up", "--stack", "sandbox", "--yes")
    assert main(["preview", *ours, "--expect-no-changes"]) == 0
    assert main(["refresh", *ours, "--preview-only", "--expect-no-changes"]) == 0
    assert main(["drift", *ours]) == 0
    shown = ("stack", "output", "--stack", "sandbox", "--json", "--show-secrets")
    outputs = json.loads(pulumi(*shown))
    assert main(["up", *ours, "--yes"]) == 0, "which changes nothing"
    assert json.loads(pulumi(*shown)) == outputs

    capsys.readouterr()
    assert plan("embedded", "destroy", "--preview-only") == plan("pulumi", "destroy", "--preview-only")
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    assert main(["destroy", *ours, "--yes"]) == 0
    assert everything(fleet) == before


def test_pulumi_preview_applies_the_policy_pack(fleet, pulumi):
    pulumi("stack", "init", "sandbox")
    file = fleet.project / "stacks" / "Pulumi.sandbox.yaml"
    mandatory = "\n  flotilla:policies: { levels: { images-pinned: mandatory } }\n"
    with policies_in(fleet.project):
        for image, refused in (("nginx:1.27", False), ("nginx:latest", True)):
            fleet.write(members("member1", "member2"), [{**NGINX, "image": image}])
            file.write_text(file.read_text().rstrip() + mandatory)
            reported = pulumi("preview", "--stack", "sandbox", "--policy-pack", "policies", refused=refused)
            assert ("images-pinned" in reported) == refused
