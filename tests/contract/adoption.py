"""A stack adopts a fleet of karmadactl and kubectl: complete and incomplete joins, a template and its policy.

The same case runs on real Karmada (`tests/live`, joined by karmadactl itself) and on the stand-in (`tests/sandbox`).
"""

import pytest
import yaml

from flotilla.karmada.joining import join
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import everything, members
from tests.contract.objects import obj, pods

KUBECTL = "kubectl-client-side-apply"
CLUSTER = ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "member1")
WEB = ObjectRef("apps/v1", "Deployment", "web", "default")
POLICY = ObjectRef("policy.karmada.io/v1alpha1", "PropagationPolicy", "web", "default")
BINDING = ObjectRef("work.karmada.io/v1alpha2", "ResourceBinding", "web-deployment", "default")
SYSTEM = {"karmada.io/system": "true"}


def with_system_label(manifest):
    return {**manifest, "metadata": {**manifest["metadata"], "labels": SYSTEM}}


def accounts(name):
    """Return what karmadactl creates first in a member; an incomplete join ends here (pkg/util/credential.go)."""
    return [
        with_system_label(join.namespace()),
        with_system_label(join.service_account(join.IMPERSONATOR)),
        with_system_label(join.service_account(join.controller_account(name))),
    ]


def half_joined(fleet, name):
    """Create everything that `karmadactl join` creates before the Cluster; return the control plane's Secrets."""
    member, karmada = fleet.connection(name), fleet.connection("karmada")
    for manifest in (
        *accounts(name),
        join.token_secret(join.IMPERSONATOR),
        join.token_secret(join.controller_account(name)),
        with_system_label(join.cluster_role(name)),
        with_system_label(join.cluster_role_binding(name)),
    ):
        member.create(manifest, field_manager="karmadactl")

    def token(account):
        ref = ObjectRef("v1", "Secret", account, CLUSTER_NAMESPACE)
        return eventually(lambda: data if "token" in (data := member.get(ref).get("data") or {}) else None)

    stored, other = token(join.controller_account(name)), token(join.IMPERSONATOR)
    made = [
        join.credentials(name, {"token": stored["token"], "caBundle": stored["ca.crt"]}),
        join.impersonator_credentials(name, {"token": other["token"]}),
    ]
    for secret in made:
        karmada.create(with_system_label(secret), field_manager="karmadactl")
    return made


def join_as_karmadactl(fleet, name):
    """Join a member as `karmadactl join` does, with its names, labels and owner references."""
    made = half_joined(fleet, name)
    member, karmada = fleet.connection(name), fleet.connection("karmada")
    uid = member.get(ObjectRef("v1", "Namespace", "kube-system"))["metadata"]["uid"]
    server = kubeconfigs.server_of((fleet.kubeconfigs / f"{name}.yaml").read_text())
    cluster = join.cluster(name, cluster_id=uid, api_endpoint=server)
    del cluster["metadata"]["annotations"]
    owner = karmada.create(cluster, field_manager="karmadactl")["metadata"]["uid"]
    reference = {"apiVersion": CLUSTER.api_version, "kind": "Cluster", "name": name, "uid": owner}
    for secret in made:
        ref = ObjectRef("v1", "Secret", secret["metadata"]["name"], CLUSTER_NAMESPACE)
        owned = {"ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}]}
        karmada.patch(ref, {"metadata": owned}, query={"fieldManager": "karmadactl"})


@pytest.fixture
def karmadactl(fleet):
    """Join a member as `karmadactl join` does."""
    return lambda name: join_as_karmadactl(fleet, name)


def identities(fleet):
    """Return what an adoption must not change: UIDs and specs of objects, Pods and ReplicaSets.

    The generation of a Deployment is not part of it: Kubernetes increments it for each new annotation.
    """
    karmada, member = fleet.connection("karmada"), fleet.connection("member1")
    uids = {str(ref): karmada.get(ref)["metadata"]["uid"] for ref in (CLUSTER, WEB, POLICY, BINDING)}
    copy = member.get(WEB)
    made = {
        one["metadata"]["name"]: (one["metadata"]["uid"], one["metadata"].get("generation"))
        for of in (("v1", "Pod"), ("apps/v1", "ReplicaSet"))
        for one in member.list(*of, namespace="default")
    }
    specs = [karmada.get(ref)["spec"] for ref in (CLUSTER, WEB, POLICY)]
    return {**uids, "copy": copy["metadata"]["uid"], "made": made, "specs": [*specs, copy["spec"]]}


def ready(fleet):
    copy = fleet.connection("member1").find(WEB)
    return copy is not None and (copy.get("status") or {}).get("readyReplicas") == 2


def test_adoption_of_a_fleet_of_karmadactl_and_kubectl_leaves_its_objects_unchanged(fleet, run, karmadactl):
    before = everything(fleet)
    karmadactl("member1")
    for manifest in accounts("member2"):
        fleet.connection("member2").create(manifest, field_manager="karmadactl")
    karmada = fleet.connection("karmada")
    template = {**pods("web", "default", replicas=2)}
    selector = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "default"}
    duplicated = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}
    placement = {"clusterAffinity": {"clusterNames": ["member1"]}, **duplicated}
    spec = {"resourceSelectors": [selector], "placement": placement}
    karmada.create(template, field_manager=KUBECTL)
    karmada.create(obj(POLICY.api_version, POLICY.kind, "web", "default", spec=spec), field_manager=KUBECTL)
    eventually(lambda: ready(fleet), seconds=90, problem="the copy does not run")
    was = identities(fleet)

    (fleet.project / "web.yaml").write_text(yaml.safe_dump(template))
    placed = {"placement": {"clusters": ["member1"]}}
    run.write(members("member1", "member2"), [{"name": "web", "manifests": ["web.yaml"], **placed}])
    listed = {(one["cluster"], one["object"]) for one in run("preview")["there"]}
    assert listed >= {
        ("karmada", "Cluster member1"),
        ("karmada", "Secret karmada-cluster/member1"),
        ("karmada", "Secret karmada-cluster/member1-impersonator"),
        ("karmada", "Deployment default/web"),
        ("member2", "ServiceAccount karmada-cluster/karmada-impersonator"),
        ("member2", "ServiceAccount karmada-cluster/karmada-member2"),
    }
    assert len(listed) == 15, sorted(listed)

    plan = run("preview", "--adopt")
    assert "there" not in plan
    assert [(c["name"], c["verb"]) for c in plan["clusters"]] == [("member1", "adopted"), ("member2", "joins")]
    assert plan["objects"]["member1"] == {"adopt": 7}
    assert plan["objects"]["member2"] == {"adopt": 3, "create": 4}
    # Created are the rest of member2's join and the override policy that every workload of a stack has.
    assert plan["objects"]["karmada"] == {"adopt": 5, "create": 4}
    assert [w["verb"] for w in plan["workloads"]] == ["adopted"]
    changed = [c["path"] for step in plan["steps"] if step["op"] == "adopt" for c in step.get("changes", [])]
    assert changed == [], changed

    assert run("up", "--adopt", "--yes")["summary"]["adopt"] == 15
    assert identities(fleet) == was
    run("preview", "--expect-no-changes")
    run("preview", "--adopt", "--refresh", "--expect-no-changes")
    assert run("drift")["findings"] == []
    leaving = {c["name"]: c["details"] for c in run("destroy", "--preview-only")["clusters"]}
    assert "this stack did not join it" in str(leaving["member1"])
    assert "this stack did not join it" not in str(leaving["member2"])
    run("destroy", "--yes")
    assert everything(fleet) == before
