"""Pull mode: a member with an agent joins, runs a workload, changes its mode twice, and leaves no object behind.

The same cases run on real Karmada with its real agent (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import pytest

from flotilla.kube.objects import ObjectRef
from tests.contract.main_job import KINDS, NGINX, deployed, everything
from tests.contract.moves import names_of_clusters

PULL_KINDS = (("rbac.authorization.k8s.io/v1", "Role"), ("rbac.authorization.k8s.io/v1", "RoleBinding"))
NODE = {"name": "member2", "mode": "Pull", "readyTimeout": 120}


def traces(fleet):
    return everything(fleet, KINDS + PULL_KINDS)


def mode(fleet):
    cluster = fleet.connection("karmada").get(ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "member2"))
    return cluster["spec"]["syncMode"]


@pytest.mark.timeout(600)
def test_a_pull_member_joins_changes_its_mode_and_leaves(fleet, run):
    before = traces(fleet)
    push, pull = [{"name": "member1"}, {"name": "member2"}], [{"name": "member1"}, NODE]
    run.write(pull, [NGINX])
    plan = run("preview")
    assert [c["name"] for c in plan["clusters"]] == ["member1", "member2"]
    assert {"member2-agent", "member2-agent-rights", "member2-membership"} <= {s["name"] for s in plan["steps"]}
    run("up", "--yes")
    assert mode(fleet) == "Pull"
    first = deployed(fleet, "member2")["metadata"]["uid"]
    run("preview", "--expect-no-changes")
    run("refresh", "--preview-only", "--expect-no-changes")
    assert run("drift")["findings"] == []

    for members, name in ((push, "Push"), (pull, "Pull")):
        run.write(members, [NGINX])
        changed = run("preview")
        member2 = next(c for c in changed["clusters"] if c["name"] == "member2")
        assert member2["verb"] == "changes"
        assert member2["details"][-1].endswith(f"→ {name}")
        assert not any(s["op"] == "replace" for s in changed["steps"])
        run("up", "--yes")
        assert mode(fleet) == name
        assert deployed(fleet, "member2")["metadata"]["uid"] == first, "its workload was left alone"
        run("preview", "--expect-no-changes")

    run.write([{"name": "member1"}], [{**NGINX, "placement": {"clusters": ["member1"]}}])
    run("up", "--yes")
    assert deployed(fleet, "member2") is None, "what it ran for Karmada is gone with it"
    run("destroy", "--yes")
    assert traces(fleet) == before


@pytest.mark.timeout(600)
def test_a_renamed_pull_member_keeps_its_copies(fleet, run):
    """The agent under the old name would delete the copies; without it no process handles its remaining Works."""
    edge = {**NODE, "name": "edge", "kubeconfig": str(fleet.kubeconfigs / "member2.yaml"), "formerly": "member2"}
    run.write([{"name": "member1"}, NODE], [NGINX])
    run("up", "--yes")
    first = deployed(fleet, "member2")["metadata"]["uid"]
    run.write([{"name": "member1"}, edge], [{**NGINX, "replicas": 3, "placement": {"clusters": ["member1", "edge"]}}])
    run("up", "--yes")
    copy = deployed(fleet, "member2")
    assert (copy["metadata"]["uid"], copy["spec"]["replicas"]) == (first, 3)
    assert names_of_clusters(fleet) == ["edge", "member1"]
    run("preview", "--expect-no-changes")
    assert run("drift")["findings"] == []


def test_a_pull_member_is_refused_without_a_karmada_version(fleet, run):
    run.write([NODE], [])
    file = fleet.project / "stacks" / "Pulumi.sandbox.yaml"
    file.write_text(file.read_text().replace(f"version: {fleet.version}", "version: null"))
    file.write_text(file.read_text().replace(f"version: '{fleet.version}'", "version: null"))
    answer = run("preview", expect=2)
    assert "controlPlane.version: is needed: member2 joins in pull mode" in answer["error"]
    run.write([], [])
