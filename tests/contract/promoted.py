"""`flotilla adopt --from-member`: objects of one member become workloads of the stack and go to a second member.

The same case runs on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import json

import yaml

from flotilla.cli.main import main
from flotilla.karmada.versions import Version
from flotilla.kube.objects import ref_of
from flotilla.kube.secrecy import LAST_APPLIED
from tests.contract.karmada import await_gone, eventually
from tests.contract.main_job import everything, members
from tests.contract.objects import obj, pods
from tests.contract.spaces import LEFT
from tests.unit.adopting import secret

SPACE = "promoted"
RBAC = "rbac.authorization.k8s.io"
NAMESPACE = {**obj("v1", "Namespace", SPACE), "metadata": {"name": SPACE, "labels": {"team": "front"}}}
SUBJECT = {"kind": "ServiceAccount", "name": "web", "namespace": SPACE}
ROLE = {"kind": "ClusterRole", "name": "promoted-reader", "apiGroup": RBAC}
SHARED = (
    obj("scheduling.k8s.io/v1", "PriorityClass", "promoted-high", value=1000),
    obj(
        f"{RBAC}/v1",
        "ClusterRole",
        "promoted-reader",
        rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    ),
    obj(f"{RBAC}/v1", "ClusterRoleBinding", "promoted-reader", roleRef=ROLE, subjects=[SUBJECT]),
)
WEB = pods("web", SPACE, replicas=2, serviceAccountName="web", priorityClassName="promoted-high")
WEB["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [
    {"configMapRef": {"name": "settings"}},
    {"secretRef": {"name": "login"}},
]
LOGIN = secret("login", {"password": "hunter2"})
LOGIN["metadata"]["namespace"] = SPACE
SCALED = {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    "minReplicas": 1,
    "maxReplicas": 9,
}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
OWN = (
    obj("v1", "ServiceAccount", "web", SPACE),
    obj("v1", "ConfigMap", "settings", SPACE, data={"colour": "blue"}),
    LOGIN,
    obj("v1", "Service", "web", SPACE, spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}),
    WEB,
    obj("autoscaling/v2", "HorizontalPodAutoscaler", "web", SPACE, spec=SCALED),
    obj(
        "batch/v1",
        "CronJob",
        "nightly",
        SPACE,
        spec={
            "schedule": "0 3 * * *",
            "jobTemplate": {
                "spec": {
                    "template": {
                        "spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": "busybox:1"}]}
                    }
                }
            },
        },
    ),
    obj("v1", "PersistentVolumeClaim", "uploads", SPACE, spec=CLAIM),
)


def applied(manifest):
    """Return a manifest with the annotation that `kubectl apply` adds."""
    if manifest["kind"] == "Secret":
        return manifest
    meta = {**manifest["metadata"], "annotations": {LAST_APPLIED: json.dumps(manifest)}}
    return {**manifest, "metadata": meta}


def identities(member):
    """Return UIDs and contents of the objects, and the Pods and ReplicaSets, which adoption must not change."""
    found = {}
    for one in (NAMESPACE, *SHARED, *OWN):
        live = member.get(ref_of(one))
        content = {key: value for key, value in live.items() if key not in ("metadata", "status")}
        found[str(ref_of(one))] = (live["metadata"]["uid"], content)
    for of in (("v1", "Pod"), ("apps/v1", "ReplicaSet")):
        for one in member.list(*of, namespace=SPACE):
            found[one["metadata"]["name"]] = (one["metadata"]["uid"], one["metadata"].get("generation"), one["spec"])
    return found


def ready(member):
    live = member.find(ref_of(WEB))
    return live is not None and (live.get("status") or {}).get("readyReplicas") == 2


def adopted(fleet, capsys):
    """Run `flotilla adopt` on the fleet's stack; return the document that it prints."""
    capsys.readouterr()
    assert main(["adopt", "-C", str(fleet.project), "--json", "--from-member", "member1", "-n", SPACE]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_namespace_of_one_member_is_adopted_as_workloads_and_sent_to_another_member(fleet, run, capsys):
    before = everything(fleet, LEFT)
    member, other = fleet.connection("member1"), fleet.connection("member2")
    run.write(members("member1", "member2"), [])
    run("up", "--yes")
    for one in (NAMESPACE, *SHARED, *OWN):
        member.create(applied(one), field_manager="kubectl-client-side-apply")
    eventually(lambda: ready(member), seconds=90, problem="it does not run")
    was = identities(member)

    said = adopted(fleet, capsys)
    assert said["added"]
    assert said["counts"]["workloads"] == 2
    assert {one["object"] for one in said["leftOut"]} == {
        f"Pod in namespace {SPACE}: 2 objects",
        f"ReplicaSet in namespace {SPACE}: 1 object",
    }
    run("validate")
    run("up", "--yes")
    assert identities(member) == was
    assert other.find(ref_of(NAMESPACE)) is None
    run("preview", "--expect-no-changes")
    assert run("drift")["findings"] == []
    assert adopted(fleet, capsys)["counts"]["workloads"] == 0

    file = fleet.project / "stacks" / "Pulumi.sandbox.yaml"
    document = yaml.safe_load(file.read_text())
    for one in document["config"]["flotilla:workloads"]:
        one["placement"]["clusters"].append("member2")
    file.write_text(yaml.safe_dump(document))
    run("up", "--yes")
    assert ready(other)
    assert other.get(ref_of(LOGIN))["data"] == LOGIN["data"]
    assert identities(member) == was

    run("destroy", "--yes")
    keeps = Version.parse(fleet.version) >= Version(1, 12)
    for connection in (member, other):
        there = connection.find(ref_of(NAMESPACE))
        assert (there is not None) == keeps, "what others may need stays, where Karmada can keep it"
        assert connection.find(ref_of(WEB)) is None
        for one in (*SHARED, NAMESPACE):
            connection.delete(ref_of(one), propagation="Background")
        await_gone(connection, ref_of(NAMESPACE))
    assert everything(fleet, LEFT) == before
