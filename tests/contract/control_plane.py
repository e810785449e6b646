"""Objects of the control plane itself: created, planned, compared and deleted; an autoscaler that owns replicas.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import pytest
import yaml

from flotilla.karmada.versions import Version
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import NGINX, deployed, everything, members, verbs  # noqa: F401 - the contract's

FLEET = members("member1", "member2")
TEMPLATE = ObjectRef("apps/v1", "Deployment", "nginx", "default")
ROLE = ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", "flotilla-viewer")
SCALER = ObjectRef("autoscaling.karmada.io/v1alpha1", "FederatedHPA", "web", "default")
SCALE = "/apis/apps/v1/namespaces/default/deployments/nginx/scale"
OBJECTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: flotilla-viewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: flotilla-viewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: team}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: flotilla-viewer}
rules: [{apiGroups: [cluster.karmada.io], resources: [clusters], verbs: [get]}]
---
apiVersion: policy.karmada.io/v1alpha1
kind: FederatedResourceQuota
metadata: {name: quota, namespace: team}
spec:
  overall: {cpu: "10"}
---
apiVersion: v1
kind: Namespace
metadata: {name: team, labels: {namespace.karmada.io/skip-auto-propagation: "true"}}
---
apiVersion: config.karmada.io/v1alpha1
kind: ResourceInterpreterCustomization
metadata: {name: flotilla-gadgets}
spec:
  target: {apiVersion: example.org/v1, kind: Gadget}
  customizations:
    replicaResource:
      luaScript: |
        function GetReplicas(obj)
          return obj.spec.size, nil
        end
"""
TAINTS = """
---
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterTaintPolicy
metadata: {name: flotilla-lost}
spec:
  addOnConditions: [{conditionType: Ready, operator: In, statusValues: ["Never"]}]
  taints: [{key: lost, effect: NoSchedule}]
"""
REBALANCER = """
apiVersion: apps.karmada.io/v1alpha1
kind: WorkloadRebalancer
metadata: {name: once}
spec:
  workloads: [{apiVersion: apps/v1, kind: Deployment, name: nginx, namespace: default}]
"""
AUTOSCALER = """
apiVersion: autoscaling.karmada.io/v1alpha1
kind: FederatedHPA
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nginx}
  minReplicas: 2
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
"""
LATE = f"{REBALANCER}---{AUTOSCALER}"
OWN_KINDS = (
    ("policy.karmada.io/v1alpha1", "FederatedResourceQuota"),
    ("config.karmada.io/v1alpha1", "ResourceInterpreterCustomization"),
    ("autoscaling.karmada.io/v1alpha1", "FederatedHPA"),
    ("apps.karmada.io/v1alpha1", "WorkloadRebalancer"),
)


def has_taint_policies(fleet):
    return Version.parse(fleet.version) >= Version(1, 14)


def own(fleet):
    """Return kind and name of all objects of the kinds that only control planes have."""
    kinds = (*OWN_KINDS, *([("policy.karmada.io/v1alpha1", "ClusterTaintPolicy")] if has_taint_policies(fleet) else []))
    karmada = fleet.connection("karmada")
    return {f"{kind} {obj['metadata']['name']}" for version, kind in kinds for obj in karmada.list(version, kind)}


@pytest.fixture
def stack(fleet, verbs):  # noqa: F811
    """Write the manifests and the stack file that lists them; destroy the stack at the end."""

    def write(image="nginx:1.27", late=LATE):
        texts = {"platform": OBJECTS + (TAINTS if has_taint_policies(fleet) else ""), "scaling": late}
        groups = []
        for name, text in texts.items():
            file = fleet.project / f"{name}.yaml"
            file.write_text(text)
            groups.append({"name": name, "manifests": [str(file)]})
        fleet.write(FLEET, [{**NGINX, "image": image}], objects=groups)

    write()
    yield write
    write()
    verbs("destroy", "--yes")


def scale_to(karmada, replicas):
    """Set the replicas as the autoscaler does, by the scale subresource."""
    scale = karmada.request("GET", SCALE, doing="reading the scale")
    scale["spec"]["replicas"] = replicas
    karmada.request("PUT", SCALE, doing="scaling", body=scale)


def assert_unchanged(run):
    run("preview", "--expect-no-changes")
    run("refresh", "--preview-only", "--expect-no-changes")
    assert run("drift")["findings"] == []


def test_objects_of_the_control_plane_are_created_checked_for_drift_and_deleted(fleet, verbs, stack):  # noqa: F811
    before, none = everything(fleet), own(fleet)
    plan = verbs("preview")
    listed = {one["name"]: (one["verb"], one["details"]) for one in plan["controlPlane"]}
    assert listed["FederatedHPA default/web"] == ("new", ["scales Deployment default/nginx"])
    assert listed["Namespace team"] == ("new", [])
    verbs("up", "--yes")
    assert len(own(fleet) - none) == len(OWN_KINDS) + has_taint_policies(fleet)
    assert_unchanged(verbs)
    for member in ("member1", "member2"):
        assert fleet.connection(member).find(ObjectRef("v1", "Namespace", "team")) is None
        assert fleet.connection(member).find(ROLE) is None

    karmada = fleet.connection("karmada")
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    karmada.patch(ROLE, {"rules": rules})
    karmada.patch(SCALER, {"spec": {"maxReplicas": 9}})
    found = verbs("drift", expect=3)["findings"]
    assert {(one["rule"], one["object"], one["path"]) for one in found} == {
        ("object-changed", str(ROLE), "rules[0].apiGroups[0]"),
        ("object-changed", str(ROLE), "rules[0].resources[0]"),
        ("object-changed", str(ROLE), "rules[0].verbs[0]"),
        ("object-changed", str(SCALER), "spec.maxReplicas"),
    }
    plan = verbs("preview", "--refresh")
    changed = {one["name"]: one["details"] for one in plan["controlPlane"] if one["verb"] == "changes"}
    assert changed["FederatedHPA default/web"] == ["maxReplicas 9 → 5"]
    assert set(changed) == {str(ROLE), str(SCALER)}
    verbs("up", "--refresh", "--yes")
    assert_unchanged(verbs)

    less = list(yaml.safe_load_all(LATE))[:1]
    stack(late=yaml.safe_dump_all(less))
    (gone,) = [one["name"] for one in verbs("preview")["controlPlane"] if one["verb"] == "gone"]
    assert gone == "FederatedHPA default/web"
    verbs("destroy", "--yes")
    assert everything(fleet) == before
    assert own(fleet) == none


def test_no_run_resets_the_replicas_that_an_autoscaler_sets(fleet, verbs, stack):  # noqa: F811
    """Earlier, an `up` with any change reset the replicas to the manifest's, and drift reported each scaling."""
    verbs("up", "--yes")
    karmada = fleet.connection("karmada")
    scale_to(karmada, 4)

    def scaled(image):
        copies = [deployed(fleet, member) for member in ("member1", "member2")]
        pods = [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in copies]
        return pods == [image] * 2 and [one["status"].get("readyReplicas") for one in copies] == [4, 4]

    eventually(lambda: scaled("nginx:1.27"), problem="the members don't have the autoscaler's replicas")
    assert_unchanged(verbs)
    stack(image="nginx:1.28")
    plan = verbs("preview")
    (workload,) = plan["workloads"]
    assert "scaled" in [one["what"] for one in workload["notices"]]
    assert not any("replicas" in line for one in workload["clusters"] for line in one["details"])
    verbs("up", "--yes")
    assert karmada.get(TEMPLATE)["spec"]["replicas"] == 4
    assert scaled("nginx:1.28")
    assert_unchanged(verbs)
    verbs("up", "--refresh", "--yes")
    assert karmada.get(TEMPLATE)["spec"]["replicas"] == 4
