"""One fleet in three stacks with separate states: the platform, the members, the workloads.

The same case runs on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import json
import stat

import pytest
import yaml

from flotilla.cli.main import main
from tests.contract.fleet import policies_in
from tests.contract.main_job import NGINX, deployed, everything

STACKS = ("platform", "members", "workloads")


@pytest.fixture
def stacks(fleet, run):
    """Three stack files that refer to each other."""
    kubeconfigs = fleet.kubeconfigs
    files = {
        "platform": {"controlPlane": {"kubeconfig": str(kubeconfigs / "karmada.yaml"), "version": fleet.version}},
        "members": {
            "controlPlane": {"stack": "platform"},
            "members": [
                {"name": name, "kubeconfig": str(kubeconfigs / f"{name}.yaml")} for name in ("member1", "member2")
            ],
        },
        "workloads": {"controlPlane": {"stack": "platform"}, "membersFrom": "members", "workloads": [NGINX]},
    }
    for name, sections in files.items():
        write(fleet, name, sections)
    with policies_in(fleet.project):
        yield files
    for name in reversed(STACKS):
        write(fleet, name, files[name])
        assert main(["destroy", "-C", str(fleet.project), "--engine", "embedded", "-s", name, "--yes"]) == 0
        (fleet.project / "stacks" / f"Pulumi.{name}.yaml").unlink()
    run.write([], [])


def write(fleet, name, sections):
    config = {f"flotilla:{key}": value for key, value in sections.items()}
    (fleet.project / "stacks" / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))


def test_platform_members_and_workloads_can_be_three_stacks(fleet, run, stacks, tmp_path):
    before = everything(fleet)
    refused = run("preview", "-s", "members", expect=1)
    assert "stack organization/flotilla/platform has nothing deployed" in refused["error"]
    for name in STACKS:
        run("up", "-s", name, "--yes")
        run("preview", "-s", name, "--expect-no-changes")
        run("refresh", "-s", name, "--preview-only", "--expect-no-changes")
    for member in ("member1", "member2"):
        assert deployed(fleet, member)["status"]["readyReplicas"] == 2
    assert [m["name"] for m in run("status", "-s", "workloads")["members"]] == ["member1", "member2"]
    assert run("drift", "-s", "workloads")["findings"] == []

    fewer = {**NGINX, "placement": {"clusters": ["member1"]}}
    guarded = {"workloads": [fewer], "policies": {"guards": {"maxRemovals": 0}}}
    write(fleet, "workloads", {**stacks["workloads"], **guarded})
    plan = run("preview", "-s", "workloads", expect=4)
    assert plan["blastRadius"]["copies"]["removed"] == 1
    assert plan["blastRadius"]["clusters"] == ["member2"]
    assert "1 copy would be removed, more than 0 (nginx in member2)" in str(plan["verdicts"])
    run("up", "-s", "workloads", "--yes", expect=4)
    assert deployed(fleet, "member2")["status"]["readyReplicas"] == 2
    run("up", "-s", "workloads", "--plan", plan["digest"])
    assert deployed(fleet, "member2") is None

    file = tmp_path / "karmada.yaml"
    run("kubeconfig", "-s", "workloads", "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = yaml.safe_load(file.read_text())
    assert document["current-context"] == "workloads-karmada"
    secret = document["users"][0]["user"]
    state = (fleet.project / ".flotilla" / "state" / ".pulumi" / "stacks" / "flotilla" / "workloads.json").read_text()
    assert all(value not in state for value in secret.values()), "credentials of another stack stay encrypted"

    for name in reversed(STACKS):
        run("destroy", "-s", name, "--yes")
    assert everything(fleet) == before


def test_a_placement_is_checked_against_the_members_of_the_other_stack(fleet, run, stacks):
    wrong = {**NGINX, "placement": {"clusters": ["member9"]}}
    write(fleet, "workloads", {**stacks["workloads"], "workloads": [wrong]})
    error = run("preview", "-s", "workloads", expect=2)["error"]
    assert '"member9" — is not a member of this stack' in error
    assert "use one of member1, member2" in error
    write(fleet, "workloads", {**stacks["workloads"], "membersFrom": "nowhere"})
    error = run("preview", "-s", "workloads", expect=2)["error"]
    assert "membersFrom: nowhere — there is no stack file" in error


def test_a_kubeconfig_is_merged_as_a_context(fleet, run, stacks, tmp_path):
    file = tmp_path / "config"
    other = {"name": "mine"}
    file.write_text(
        yaml.safe_dump(
            {
                "current-context": "mine",
                "clusters": [{**other, "cluster": {"server": "https://x"}}],
                "users": [{**other, "user": {}}],
                "contexts": [{**other, "context": {"cluster": "mine", "user": "mine"}}],
            }
        )
    )
    run("up", "-s", "platform", "--yes")
    for _ in range(2):
        assert json.loads(json.dumps(run("kubeconfig", "-s", "platform", "--merge", str(file))))["context"]
    document = yaml.safe_load(file.read_text())
    assert document["current-context"] == "mine"
    assert [entry["name"] for entry in document["contexts"]] == ["mine", "platform-karmada"]
    assert (
        "has no credentials of nobody"
        in run("kubeconfig", "-s", "platform", "--cluster", "nobody", "-o", "-", expect=1)["error"]
    )
