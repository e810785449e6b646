"""A member with objects from users, API servers and controllers, next to a Karmada; all API servers are fakes."""

import json
import shutil
from contextlib import contextmanager

import yaml

from flotilla.cli.main import main
from tests.conftest import REPOSITORY
from tests.faults.fake import KINDS, FakeApi
from tests.unit.adopting import CRYPTER, cluster, own, pods, secret

RBAC = "rbac.authorization.k8s.io/v1"
MORE = (
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", True),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", False),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", False),
    ("apps/v1", "ReplicaSet", "replicasets", True),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", True),
)
WIDGET = ("example.com/v1", "Widget", "widgets", True)
QUOTA = (
    ("policy.karmada.io/v1alpha1", "FederatedResourceQuota", "federatedresourcequotas", True),
    ("apps.karmada.io/v1alpha1", "WorkloadRebalancer", "workloadrebalancers", False),
)
SUBJECT = {"kind": "ServiceAccount", "name": "web", "namespace": "shop"}
SELECTOR = {"matchLabels": {"app": "db"}}


def web(**spec):
    """Return a Deployment with a service account, a ConfigMap, a Secret and a priority."""
    found = pods("web")
    pod = found["spec"]["template"]["spec"]
    pod |= {"serviceAccountName": "web", "priorityClassName": "high", **spec}
    pod["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "login"}}]
    return found


def bound(kind, name, role, *subjects, namespace=None):
    of = {"kind": role.split("/")[0], "name": role.split("/")[1], "apiGroup": "rbac.authorization.k8s.io"}
    return own(kind, RBAC, name, namespace=namespace, roleRef=of, subjects=list(subjects))


def role(name, namespace=None, **metadata):
    found = own("Role" if namespace else "ClusterRole", RBAC, name, namespace=namespace, rules=[])
    found["metadata"] |= metadata
    return found


def definition(**spec):
    name = {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]
    body = {"group": "example.com", "scope": "Namespaced", "names": name, "versions": versions, **spec}
    return own("CustomResourceDefinition", "apiextensions.k8s.io/v1", "widgets.example.com", namespace=None, spec=body)


def scaler(name, kind):
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5}
    return own("HorizontalPodAutoscaler", "autoscaling/v2", name, spec=spec)


def database():
    claims = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}}]
    spec = {**pods("db")["spec"], "serviceName": "db", "volumeClaimTemplates": claims}
    return own("StatefulSet", "apps/v1", "db", spec=spec)


def namespace():
    found = own("Namespace", "v1", "shop", namespace=None, spec={"finalizers": ["kubernetes"]})
    found["metadata"]["labels"] = {"kubernetes.io/metadata.name": "shop", "team": "front"}
    return found


def with_metadata(obj, *, owner=None, labels=None, annotations=None, **more):
    """Return an object with metadata that somebody other than its author has set."""
    meta = {**obj["metadata"]}
    if owner:
        meta["ownerReferences"] = [{"apiVersion": "v1", "kind": owner, "name": "any", "uid": "1"}]
    for field, values in (("labels", labels), ("annotations", annotations)):
        if values:
            meta[field] = {**(meta.get(field) or {}), **values}
    return {**obj, "metadata": {**meta, **more}}


def service():
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "nodePort": 30080}], "type": "NodePort"}
    return own("Service", "v1", "web", spec={**spec, "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"]})


def settings(**data):
    return own("ConfigMap", "v1", "settings", data=data or {"colour": "blue"})


HIGH = own("PriorityClass", "scheduling.k8s.io/v1", "high", namespace=None, value=1000)
BASE = (
    namespace(),
    web(),
    settings(),
    secret("login", {"password": "hunter2"}),
    own("ServiceAccount", "v1", "web"),
    HIGH,
)


@contextmanager
def fleet_of_fakes(tmp_path, monkeypatch):
    """A project with such a member, and with a second member that doesn't answer."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of tests")
    monkeypatch.delenv("FLOTILLA_STACK", raising=False)
    shutil.copy(REPOSITORY / "Pulumi.yaml", tmp_path)
    with (
        FakeApi(*BASE, kinds=(*KINDS, *MORE, WIDGET)) as member,
        FakeApi(kinds=(*KINDS, *MORE, *QUOTA)) as karmada,
    ):
        uid = member.find("v1", "Namespace", "kube-system", "")["metadata"]["uid"]
        for number, name in enumerate(("member1", "member2")):
            karmada.put(cluster(name, spec={"id": uid if number == 0 else "other", "apiEndpoint": member.server}))
        yield Fleet(tmp_path, karmada, member)


class Fleet:
    def __init__(self, project, karmada, member):
        self.project, self.karmada, self.member = project, karmada, member
        (project / "karmada.yaml").write_text(karmada.kubeconfig)
        (project / "member1.yaml").write_text(member.kubeconfig)
        # Two members may not be one cluster, so this server has another address.
        (project / "member2.yaml").write_text(member.kubeconfig.replace(member.server, "http://127.0.0.1:1"))

    @property
    def file(self):
        return self.project / "stacks" / "Pulumi.prod.yaml"

    def stack(self, workloads="", *, version="1.18.2", **more):
        """Write a stack file with the formatting of a manual edit."""
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(STACK.format(version=version, workloads=workloads, salt=CRYPTER.state))

    def run(self, *arguments, code=0):
        assert main(["adopt", "-C", str(self.project), "-s", "prod", "--from-member", "member1", *arguments]) == code
        return self

    def validate(self):
        assert main(["validate", "-C", str(self.project), "-s", "prod"]) == 0

    @property
    def config(self):
        return yaml.safe_load(self.file.read_text())["config"]

    @property
    def workloads(self):
        return {one["name"]: one for one in self.config["flotilla:workloads"]}

    def manifests(self, name):
        files = sorted((self.project / "adopted" / "prod" / name).iterdir())
        return {file.name: yaml.safe_load(file.read_text()) for file in files}


STACK = """\
# Ours.
encryptionsalt: {salt}
config:
  # Where Karmada is.
  flotilla:controlPlane: {{kubeconfig: karmada.yaml, version: {version}}}
  flotilla:members:
    - name: member1   # the first one
      kubeconfig: member1.yaml
    - name: member2
      kubeconfig: member2.yaml
{workloads}"""
OTHER = """\
  flotilla:workloads:
  # The one that we had.
  - name: "hello"   # stays
    image: nginx:1.27
    placement: {clusters: [member2]}

  # What comes after the list.
  flotilla:policies: {}
"""


def document(capsys):
    return json.loads(capsys.readouterr().out)


def left(document):
    return {one["object"]: one["reason"] for one in document["leftOut"]}


def rules(document):
    return {(one["rule"], one["object"]) for one in document["findings"]}
