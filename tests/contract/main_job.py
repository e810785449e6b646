"""The main job: one stack file deploys nginx to both clusters, changes it, and removes it without leftovers.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import json
import time

import pytest

from flotilla.cli.main import main
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import await_gone, eventually

NGINX = {"name": "nginx", "image": "nginx:1.27", "replicas": 2, "placement": {"clusters": ["member1", "member2"]}}
KINDS = (
    ("v1", "Namespace"),
    ("v1", "ServiceAccount"),
    ("v1", "Secret"),
    ("apps/v1", "Deployment"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
)
KARMADA_KINDS = (
    ("cluster.karmada.io/v1alpha1", "Cluster"),
    ("policy.karmada.io/v1alpha1", "PropagationPolicy"),
    ("policy.karmada.io/v1alpha1", "OverridePolicy"),
    ("work.karmada.io/v1alpha2", "ResourceBinding"),
    ("work.karmada.io/v1alpha1", "Work"),
)


def everything(fleet, kinds=KINDS):
    """Return every object that a join or a workload could leave behind, in every cluster.

    Wait until no object is being deleted: Karmada doesn't wait for the deletion of a namespace in a member, so objects
    of the case before may still exist.
    """
    return eventually(lambda: _at_rest(fleet, kinds), problem="objects that are being deleted stay")


def _at_rest(fleet, kinds):
    found = set()
    for cluster in fleet.clusters:
        connection = fleet.connection(cluster)
        for api_version, kind in kinds + (KARMADA_KINDS if cluster == "karmada" else ()):
            for obj in connection.list(api_version, kind):
                meta = obj["metadata"]
                if meta.get("deletionTimestamp"):
                    return None
                found.add((cluster, kind, meta.get("namespace", ""), meta["name"]))
    return found


@pytest.fixture
def verbs(fleet, capsys, monkeypatch):
    """Run verbs of the command, and return the documents that they print."""
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)

    def run(verb, *options, expect=0):
        engine = [] if verb in ("status", "validate") else ["--engine", "embedded"]
        code = main([verb, "-C", str(fleet.project), "--json", *engine, *options])
        captured = capsys.readouterr()
        assert code == expect, captured.err or explanation_of(captured.out)
        document = json.loads(captured.out)
        if "error" in document:
            assert document["exitCode"] == code
            document["error"] = document["error"]["message"]
        return document

    run.write = fleet.write
    return run


def leave(fleet):
    """Destroy the stack, whatever it contains."""
    with pytest.MonkeyPatch.context() as patch:
        for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
            patch.delenv(key, raising=False)
        assert main(["destroy", "-C", str(fleet.project), "--engine", "embedded", "--yes"]) == 0


@pytest.fixture
def run(verbs, fleet):
    """Run verbs; destroy the stack at the end of the case."""
    yield verbs
    leave(fleet)


@pytest.fixture(scope="module")
def shared_stack(fleet):
    """Destroy the stack only after the last case of the file: joining and leaving takes most of the time."""
    yield
    leave(fleet)


@pytest.fixture
def run_shared(verbs, shared_stack):
    """Run verbs on the stack that the case before has left."""
    return verbs


def explanation_of(text):
    """Return the parts of a document that may explain an exit code: changing steps, failures and the like."""
    try:
        document = json.loads(text)
    except ValueError:
        return text[-2000:]
    changing = [step for step in document.get("resources", document.get("steps", [])) if step.get("op") != "same"]
    return json.dumps(
        {
            key: changing if value and isinstance(value, list) and key in ("resources", "steps") else value
            for key, value in document.items()
        },
        indent=1,
    )[:6000]


def members(*names, **more):
    return [{"name": name, **more} for name in names]


def deployed(fleet, cluster):
    return fleet.connection(cluster).find(ObjectRef("apps/v1", "Deployment", "nginx", "default"))


def test_nginx_is_deployed_to_both_clusters_and_destroyed_without_leftovers(fleet, run):
    before = everything(fleet)
    run.write(members("member1", "member2"), [NGINX])
    plan = run("preview")
    assert [(c["name"], c["verb"]) for c in plan["clusters"]] == [("member1", "joins"), ("member2", "joins")]
    assert [c["name"] for c in plan["workloads"][0]["clusters"]] == ["member1", "member2"]
    assert everything(fleet) == before, "a preview changes nothing"

    run("up", "--yes")
    status = run("status")
    assert [(m["name"], m["ready"], m["nodes"]) for m in status["members"]] == [
        ("member1", True, 3),
        ("member2", True, 3),
    ]
    assert [(w["cluster"], w["ready"], w["health"]) for w in status["workloads"]] == [
        ("member1", 2, "Healthy"),
        ("member2", 2, "Healthy"),
    ]
    for cluster in ("member1", "member2"):
        assert deployed(fleet, cluster)["status"]["readyReplicas"] == 2

    run("preview", "--expect-no-changes")
    run("refresh", "--preview-only", "--expect-no-changes")
    run("up", "--yes")
    time.sleep(fleet.rest_seconds)  # meanwhile controllers write statuses again
    run("refresh", "--preview-only", "--expect-no-changes")
    run("preview", "--refresh", "--expect-no-changes")

    run("destroy", "--yes")
    assert everything(fleet) == before


def test_one_member_leaves_and_another_one_joins(fleet, third_member, run):
    before = everything(fleet)
    run.write(members("member1", "member2"), [{**NGINX, "placement": {"labels": {}}}])
    run("up", "--yes")
    run.write(members("member1", "member3"), [{**NGINX, "placement": {"labels": {}}}])
    plan = run("preview")
    assert {c["name"]: c["verb"] for c in plan["clusters"]} == {
        "member1": "stays",
        "member2": "leaves",
        "member3": "joins",
    }
    run("up", "--yes")
    assert deployed(fleet, "member2") is None
    assert deployed(fleet, "member3")["status"]["readyReplicas"] == 2
    left = {entry for entry in everything(fleet) - before if entry[0] == "member2"}
    assert left == set()


def test_one_policy_sends_nginx_to_two_clusters(fleet, run_shared):
    """This is the exercise of the lesson on which the main job is based."""
    run_shared.write(members("member1", "member2"), [NGINX])
    run_shared("up", "--yes")
    policies = fleet.connection("karmada").list("policy.karmada.io/v1alpha1", "PropagationPolicy")
    assert [p["metadata"]["name"] for p in policies] == ["nginx"]
    assert all(deployed(fleet, cluster) for cluster in ("member1", "member2"))


def test_divided_replicas_and_an_image_override_reach_their_clusters(fleet, run_shared):
    run_shared.write(members("member1", "member2"), [NGINX])
    run_shared("up", "--yes")
    changed = {
        **NGINX,
        "replicas": 7,
        "placement": {
            "clusters": ["member1", "member2"],
            "replicas": "divided",
            "weights": {"member1": 2, "member2": 1},
        },
        "overrides": [{"clusters": ["member2"], "image": {"tag": "1.28"}, "labels": {"site": "edge"}}],
    }
    run_shared.write(members("member1", "member2"), [changed])
    plan = run_shared("preview")
    details = {c["name"]: c["details"] for c in plan["workloads"][0]["clusters"]}
    assert details["member1"] == ["replicas 2 → 5"]
    assert details["member2"] == ["labels.site = edge", "image nginx:1.27 → nginx:1.28"]
    run_shared("up", "--yes")
    got = {cluster: deployed(fleet, cluster)["spec"] for cluster in ("member1", "member2")}
    assert {c: s["replicas"] for c, s in got.items()} == {"member1": 5, "member2": 2}
    images = {c: s["template"]["spec"]["containers"][0]["image"] for c, s in got.items()}
    assert images == {"member1": "nginx:1.27", "member2": "nginx:1.28"}
    assert deployed(fleet, "member2")["metadata"]["labels"]["site"] == "edge"


def test_drift_made_with_kubectl_is_shown_and_fixed(fleet, run_shared):
    run_shared.write(members("member1", "member2"), [NGINX])
    run_shared("up", "--yes")
    karmada = fleet.connection("karmada")
    karmada.patch(ObjectRef("apps/v1", "Deployment", "nginx", "default"), {"spec": {"replicas": 1}})
    plan = run_shared("preview", "--refresh", "--expect-no-changes", expect=3)
    assert plan["changed"]["karmada"] == ["Deployment default/nginx: replicas 1 → 2"]
    run_shared("up", "--refresh", "--yes")
    assert deployed(fleet, "member1")["status"]["readyReplicas"] == 2
    run_shared("preview", "--refresh", "--expect-no-changes")


def test_up_names_the_member_whose_copy_never_becomes_ready(fleet, run_shared):
    stuck = {**NGINX, "timeout": 8, "overrides": [{"clusters": ["member2"], "patches": [
        {"op": "add", "path": "/spec/template/spec/nodeSelector", "value": {"nowhere": "true"}}]}]}  # fmt: skip
    run_shared.write(members("member1", "member2"), [stuck])
    assert "member2: " in run_shared("up", "--yes", expect=1)["failures"][0]
    run_shared.write(members("member1", "member2"), [{**NGINX, "timeout": 60}])
    plan = run_shared("preview")
    assert plan["summary"] == {"same": 35, "update": 2}, "the override goes, the rollout is left to do"
    run_shared("up", "--yes")
    assert deployed(fleet, "member2")["status"]["readyReplicas"] == 2


def test_an_existing_namespace_of_a_member_is_used_only_with_create_namespace_false_and_kept(fleet, run):
    run("destroy", "--yes")  # the cases before this one share a stack
    member = fleet.connection("member1")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CLUSTER_NAMESPACE}}
    member.create(namespace, field_manager="somebody")
    try:
        run.write(members("member1"), [])
        assert "already exists" in str(run("up", "--yes", expect=1)["failures"])
        run.write(members("member1", createNamespace=False), [])
        run("up", "--yes")
        run("destroy", "--yes")
        assert member.find(ObjectRef("v1", "Namespace", CLUSTER_NAMESPACE)) is not None
    finally:
        ref = ObjectRef("v1", "Namespace", CLUSTER_NAMESPACE)
        member.delete(ref)
        await_gone(member, ref, seconds=40)  # otherwise the next join would fail in the terminating namespace
