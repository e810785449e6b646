"""`adopt --from-member`: what runs in a member without Karmada becomes workloads of a stack."""

import json
import shutil

import pytest
import yaml

from flotilla.adopt.served import served
from flotilla.cli.main import main
from flotilla.errors import ClusterError
from flotilla.kube.secrecy import LAST_APPLIED
from flotilla.state.crypto import PassphraseCrypter
from tests.conftest import REPOSITORY
from tests.faults.fake import KINDS, FakeApi
from tests.unit.adopting import CRYPTER, cluster, opened, own, pods, secret

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
    """A Deployment with an account, a ConfigMap, a Secret and a priority."""
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


def made(obj, *, owner=None, labels=None, annotations=None, **more):
    """An object with what somebody but its author has put on it."""
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


@pytest.fixture
def fleet(tmp_path, monkeypatch):
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
        # Another server's address, for two members may not be one cluster.
        (project / "member2.yaml").write_text(member.kubeconfig.replace(member.server, "http://127.0.0.1:1"))

    @property
    def file(self):
        return self.project / "stacks" / "Pulumi.prod.yaml"

    def stack(self, workloads="", *, version="1.18.2", **more):
        """Write a stack file as a person does."""
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


def test_a_namespace_is_added_to_a_stack_file_whose_other_lines_stay(fleet, capsys):
    fleet.stack(OTHER)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop")
    said = capsys.readouterr().out
    assert "has 2 workloads with 6 objects of member1 more" in said
    after = fleet.file.read_text()
    head, tail = before.split("\n  # What comes after")
    assert after.startswith(head)
    assert f"\n  # What comes after{tail}" in after
    assert fleet.workloads["shop"]["placement"] == {"clusters": ["member1"]}
    assert fleet.workloads["shop"]["conflictResolution"] == "Overwrite"
    assert fleet.workloads["shop"]["manifests"] == ["adopted/prod/shop"]
    assert {request.split()[0] for request in (*fleet.karmada.requests, *fleet.member.requests)} == {"GET"}
    fleet.validate()


def test_what_people_wrote_stays_and_what_servers_set_is_left_out(fleet):
    fleet.member.put(service())
    fleet.stack()
    fleet.run("--namespace", "shop")
    manifests = fleet.manifests("shop")
    assert manifests["deployment-web.yaml"] == web()
    spec = manifests["service-web.yaml"]["spec"]
    assert "clusterIP" not in spec
    assert spec["ports"][0]["nodePort"] == 30080
    assert "secret-login.yaml" not in manifests
    assert "hunter2" not in "".join(file.read_text() for file in fleet.project.rglob("*.yaml"))


def test_what_the_server_filled_in_of_an_applied_object_is_left_out(fleet):
    live = made(web(serviceAccount="web", dnsPolicy="ClusterFirst"), annotations={LAST_APPLIED: json.dumps(web())})
    live["spec"] = {**live["spec"], "revisionHistoryLimit": 10, "replicas": 3}
    fleet.member.put(live)
    fleet.stack()
    fleet.run("--namespace", "shop")
    assert fleet.manifests("shop")["deployment-web.yaml"] == {**web(), "spec": {**web()["spec"], "replicas": 3}}


def test_secrets_are_encrypted_for_the_stack_with_the_salt_that_it_has_or_gets(fleet):
    fleet.stack()
    fleet.run("--namespace", "shop")
    assert opened(fleet.workloads["shop"]["secrets"]) == [{"name": "login", "stringData": {"password": "hunter2"}}]
    assert fleet.file.read_text().count("encryptionsalt") == 1
    shutil.rmtree(fleet.project / "adopted")
    fleet.stack()
    fleet.file.write_text(fleet.file.read_text().replace(f"encryptionsalt: {CRYPTER.state}\n", ""))
    fleet.run("--namespace", "shop")
    crypter = PassphraseCrypter("of tests", yaml.safe_load(fleet.file.read_text())["encryptionsalt"])
    assert opened(fleet.workloads["shop"]["secrets"], crypter) == [
        {"name": "login", "stringData": {"password": "hunter2"}}
    ]


def test_a_wrong_passphrase_changes_nothing(fleet, monkeypatch, capsys):
    fleet.stack()
    before = fleet.file.read_text()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    fleet.run("--namespace", "shop", code=1)
    assert "passphrase is wrong" in capsys.readouterr().err
    assert fleet.file.read_text() == before
    assert not (fleet.project / "adopted").exists()


def test_without_a_passphrase_secrets_are_left_out(fleet, monkeypatch, capsys):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert "PULUMI_CONFIG_PASSPHRASE" in left(document(capsys))["Secret shop/login"]
    assert "secrets" not in fleet.workloads["shop"]


def test_a_new_stack_has_the_control_plane_its_members_and_the_workloads(fleet, capsys):
    given = ["--karmada-kubeconfig", str(fleet.project / "karmada.yaml")]
    given += ["--member-kubeconfig", f"member1={fleet.project / 'member1.yaml'}", "--namespace", "shop"]
    fleet.run(*given, "--json", "--karmada-version", "1.18.2")
    assert document(capsys)["counts"] == {"members": 2, "workloads": 2, "templates": 6, "controlPlaneObjects": 0}
    assert [one["name"] for one in fleet.config["flotilla:members"]] == ["member1", "member2"]
    assert set(fleet.workloads) == {"shop", "shop-shared"}
    (fleet.project / "kubeconfigs").mkdir()
    shutil.copy(fleet.project / "member2.yaml", fleet.project / "kubeconfigs" / "member2.yaml")
    fleet.validate()


def test_a_new_stack_can_have_the_members_of_another_one(fleet):
    fleet.stack()
    part = ["adopt", "-C", str(fleet.project), "-s", "part", "--from-member", "member1", "-n", "shop"]
    part += ["--karmada-kubeconfig", str(fleet.project / "karmada.yaml"), "--members-from", "prod"]
    assert main([*part, "--member-kubeconfig", f"member1={fleet.project / 'member1.yaml'}"]) == 0
    config = yaml.safe_load((fleet.project / "stacks" / "Pulumi.part.yaml").read_text())["config"]
    assert config["flotilla:membersFrom"] == "prod"
    assert "flotilla:members" not in config
    assert [one["name"] for one in config["flotilla:workloads"]] == ["shop-shared", "shop"]
    assert main(["validate", "-C", str(fleet.project), "-s", "part"]) == 0


def test_what_controllers_karmada_and_tools_made_is_left_out(fleet, capsys):
    for obj in (
        made(own("ReplicaSet", "apps/v1", "web-1", spec={}), owner="Deployment"),
        made(own("Pod", "v1", "web-1-a", spec={}), owner="ReplicaSet"),
        made(own("Pod", "v1", "web-1-b", spec={}), owner="ReplicaSet"),
        made(own("Job", "batch/v1", "nightly-1", spec={}), owner="CronJob"),
        own("EndpointSlice", "discovery.k8s.io/v1", "web-abc"),
        own("ConfigMap", "v1", "kube-root-ca.crt", data={}),
        own("ServiceAccount", "v1", "default"),
        secret("web-token-x", {"token": "a"}, type="kubernetes.io/service-account-token"),
        secret("sh.helm.release.v1.web.v1", {"release": "a"}, type="helm.sh/release.v1"),
        made(settings(), labels={"karmada.io/managed": "true"}, name="sent"),
        made(secret("cert", {"tls.key": "a"}), annotations={"cert-manager.io/certificate-name": "front"}),
        made(own("ConfigMap", "v1", "lock"), annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}),
        own("Job", "batch/v1", "once", spec={}, status={"conditions": [{"type": "Complete", "status": "True"}]}),
        own("Pod", "v1", "lonely", spec={}),
        made(settings(), deletionTimestamp="2026-01-01T00:00:00Z", name="going"),
        database(),
        own("PersistentVolumeClaim", "v1", "data-db-0", spec={"storageClassName": "fast"}),
        own("PersistentVolumeClaim", "v1", "uploads", spec={"accessModes": ["ReadWriteOnce"]}),
        own("Event", "v1", "web.1"),
    ):
        fleet.member.put(obj)
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    assert set(fleet.manifests("shop")) == {
        "configmap-settings.yaml",
        "deployment-web.yaml",
        "persistentvolumeclaim-uploads.yaml",
        "serviceaccount-web.yaml",
        "statefulset-db.yaml",
    }
    found = left(said)
    assert found["Pod in namespace shop: 2 objects"] == "made by the objects that own them"
    assert "adopted from the control plane" in found["ConfigMap in namespace shop: 1 object"]
    assert "volumeClaimTemplates" in found["PersistentVolumeClaim in namespace shop: 1 object"]
    assert "run again" in found["Job shop/once"]
    assert "cert-manager" in found["Secret shop/cert"]
    assert "one of its own" in found["StorageClass fast"]
    assert {"Secret shop/web-token-x", "ConfigMap shop/lock", "Pod shop/lonely", "ConfigMap shop/going"} <= set(found)
    assert not any(
        word in text for text in found for word in ("kube-root-ca", "EndpointSlice", "Event", "helm.release")
    )
    assert [
        note for note in said["notes"] if "PersistentVolumeClaim shop/uploads: another cluster gets an empty" in note
    ]
    fleet.validate()


def test_a_helm_release_and_other_controllers_are_named(fleet, capsys):
    release = {"annotations": {"meta.helm.sh/release-name": "front"}}
    fleet.member.put(made(web(), **release))
    fleet.member.put(made(settings(), labels={"argocd.argoproj.io/instance": "front-app"}, **release))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    assert [note for note in said["notes"] if "helm release front: 2 objects" in note and "`chart:`" in note]
    assert rules(said) == {("applied-by-others", "ConfigMap shop/settings")}


def test_the_shared_part_stays_when_it_is_removed(fleet, capsys):
    for obj in (
        bound("ClusterRoleBinding", "web-reads", "ClusterRole/web-reads", SUBJECT),
        bound("ClusterRoleBinding", "both", "ClusterRole/both", SUBJECT, {**SUBJECT, "namespace": "back"}),
        bound("ClusterRoleBinding", "theirs", "ClusterRole/theirs", {**SUBJECT, "name": "other"}),
        bound("RoleBinding", "web-views", "ClusterRole/view", SUBJECT, namespace="shop"),
        role("web-reads"),
        role("both"),
        role("theirs"),
        role("view", labels={"kubernetes.io/bootstrapping": "rbac-defaults"}),
        own("Widget", "example.com/v1", "one", spec={"size": 1}),
        definition(),
    ):
        fleet.member.put(obj)
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    shared = fleet.workloads["shop-shared"]
    assert shared["onRemoval"] == "keep"
    assert shared["conflictResolution"] == "Overwrite"
    assert set(fleet.manifests("shop-shared")) == {
        "clusterrole-web-reads.yaml",
        "clusterrolebinding-web-reads.yaml",
        "customresourcedefinition-widgets.example.com.yaml",
        "namespace-shop.yaml",
        "priorityclass-high.yaml",
    }
    space = fleet.manifests("shop-shared")["namespace-shop.yaml"]
    assert space["metadata"]["labels"] == {"team": "front", "namespace.karmada.io/skip-auto-propagation": "true"}
    assert "widget-one.yaml" in fleet.manifests("shop")
    assert "rights to others" in left(said)["ClusterRoleBinding both"]
    assert rules(said) == set()
    fleet.validate()


def test_before_keep_the_shared_part_is_reported(fleet, capsys):
    fleet.stack(version="1.10.7")
    fleet.run("--namespace", "shop", "--json")
    assert "onRemoval" not in fleet.workloads["shop-shared"]
    assert ("deleted-with-the-stack", "workload shop-shared") in rules(document(capsys))
    fleet.validate()


def test_a_stack_that_names_no_version_gets_the_shared_part_all_the_same(fleet, capsys):
    fleet.stack()
    fleet.file.write_text(fleet.file.read_text().replace(", version: 1.18.2", ""))
    fleet.run("--namespace", "shop", "--json")
    assert "onRemoval" not in fleet.workloads["shop-shared"]
    (finding,) = document(capsys)["findings"]
    assert "name it, and add `onRemoval: keep`" in finding["message"]
    fleet.validate()


def test_a_kind_that_the_control_plane_cannot_take_is_reported(fleet, capsys):
    fleet.member.put(own("Widget", "example.com/v1", "one", spec={}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert "doesn't serve its kind" in left(document(capsys))["Widget shop/one"]
    shutil.rmtree(fleet.project / "adopted")
    fleet.member.put(definition(conversion={"strategy": "Webhook"}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert "needs a webhook" in left(document(capsys))["Widget shop/one"]


def test_an_autoscaler_keeps_the_replicas_of_its_deployment(fleet, capsys):
    fleet.member.put(scaler("web", "Deployment"))
    fleet.member.put(database())
    fleet.member.put(scaler("db", "StatefulSet"))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    labels = fleet.manifests("shop")["deployment-web.yaml"]["metadata"]["labels"]
    assert labels["resourcetemplate.karmada.io/retain-replicas"] == "true"
    assert [note for note in said["notes"] if "HorizontalPodAutoscaler shop/web owns its replicas" in note]
    assert ("two-owners", "StatefulSet shop/db") in rules(said)


def test_one_object_brings_what_it_needs_and_nothing_else(fleet, capsys):
    for obj in (
        service(),
        pods("other"),
        own("ConfigMap", "v1", "unused", data={}),
        bound("RoleBinding", "web", "Role/web", SUBJECT, namespace="shop"),
        role("web", "shop"),
        scaler("web", "Deployment"),
    ):
        fleet.member.put(obj)
    fleet.stack()
    fleet.run("--object", "deployments/shop/web", "--json")
    assert left(document(capsys)) == {}
    assert set(fleet.manifests("web")) == {
        "configmap-settings.yaml",
        "deployment-web.yaml",
        "horizontalpodautoscaler-web.yaml",
        "role-web.yaml",
        "rolebinding-web.yaml",
        "serviceaccount-web.yaml",
    }
    assert [one["name"] for one in fleet.workloads["web"]["secrets"]] == ["login"]
    fleet.validate()


def test_several_namespaces_are_workloads_with_one_shared_part(fleet):
    fleet.member.put(own("Namespace", "v1", "default", namespace=None))
    fleet.member.put(pods("lone", namespace="default"))
    fleet.stack()
    fleet.run("--namespace", "shop", "--namespace", "default")
    assert list(fleet.workloads) == ["member1-shared", "default", "shop"]
    assert set(fleet.manifests("member1-shared")) == {"namespace-shop.yaml", "priorityclass-high.yaml"}
    fleet.validate()


def test_labels_choose_and_the_workload_can_be_named(fleet):
    fleet.member.put(pods("other"))
    fleet.stack()
    fleet.run("--namespace", "shop", "--selector", "app=other", "--workload", "side")
    assert set(fleet.manifests("side")) == {"deployment-other.yaml"}


def test_missing_needs_and_those_of_other_namespaces_are_reported(fleet, capsys):
    fleet.member.take("v1", "ConfigMap", "settings", "shop")
    fleet.member.put(own("ConfigMap", "v1", "urls", data={"db": "postgres://main.data.svc.cluster.local/x"}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    assert {rule for rule, _ in rules(said)} == {"dependency-missing"}
    assert "ConfigMap shop/urls needs it" in left(said)["Service data/main"]


def test_what_karmada_sends_there_already_is_not_missing(fleet, capsys):
    fleet.member.put(made(settings(), labels={"karmada.io/managed": "true"}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert rules(document(capsys)) == set()
    assert "configmap-settings.yaml" not in fleet.manifests("shop")


def test_rights_of_the_account_that_every_namespace_has_go_along(fleet):
    fleet.member.put(bound("ClusterRoleBinding", "all", "ClusterRole/all", {**SUBJECT, "name": "default"}))
    fleet.member.put(role("all"))
    fleet.stack()
    fleet.run("--namespace", "shop")
    assert {"clusterrole-all.yaml", "clusterrolebinding-all.yaml"} <= set(fleet.manifests("shop-shared"))


def test_what_the_stack_or_the_control_plane_has_already_is_left_out(fleet, capsys):
    fleet.karmada.put(own("ConfigMap", "v1", "settings", data={}))
    fleet.karmada.put(own("Namespace", "v1", "shop", namespace=None))
    fleet.karmada.put(HIGH)
    (fleet.project / "ours.yaml").write_text(yaml.safe_dump(own("ServiceAccount", "v1", "web")))
    ours = "{name: ours, namespace: shop, manifests: [ours.yaml], placement: {clusters: [member2]}}"
    fleet.stack(f"  flotilla:workloads:\n    - {ours}\n")
    fleet.run("--namespace", "shop", "--json")
    assert {"ConfigMap shop/settings", "ServiceAccount shop/web"} <= set(left(document(capsys)))
    assert set(fleet.workloads) == {"ours", "shop"}
    fleet.validate()


def test_a_kind_that_may_not_be_read_is_one_line(fleet, capsys):
    fleet.member.forbidden |= {"Secret"}
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    assert "forbidden" in left(said)["every Secret of v1 in namespace shop"]
    assert "deployment-web.yaml" in fleet.manifests("shop")


def test_a_control_plane_that_does_not_answer_is_a_note(fleet, capsys):
    fleet.stack(OTHER)
    (fleet.project / "karmada.yaml").write_text(
        fleet.karmada.kubeconfig.replace(fleet.karmada.server, "http://127.0.0.1:1")
    )
    fleet.run("--namespace", "shop", "--json")
    assert [note for note in document(capsys)["notes"] if "the control plane was not asked" in note]
    assert "shop" in fleet.workloads


def test_what_runs_as_declared_already_adds_nothing(fleet, capsys):
    fleet.member.put(made(namespace(), labels={"karmada.io/managed": "true"}))
    for obj in BASE[1:]:
        fleet.member.put(made(obj, labels={"karmada.io/managed": "true"}))
    fleet.stack(OTHER)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop")
    assert "nothing of member1 is to be added" in capsys.readouterr().out
    assert fleet.file.read_text() == before
    assert not (fleet.project / "adopted").exists()


def test_a_dry_run_prints_what_would_be_added_and_writes_nothing(fleet, capsys):
    fleet.stack(OTHER)
    before = sorted(fleet.project.rglob("*"))
    fleet.run("--namespace", "shop", "--dry-run")
    captured = capsys.readouterr()
    assert [one["name"] for one in yaml.safe_load(captured.out)] == ["shop-shared", "shop"]
    assert "would have 2 workloads" in captured.err
    assert sorted(fleet.project.rglob("*")) == before


@pytest.mark.parametrize(
    "workloads",
    [
        "  flotilla:workloads: [{name: a, image: x, placement: {clusters: [member1]}}]\n",
        "  flotilla:workloads: '[]'\n",
    ],
)
def test_a_file_that_lines_cannot_be_added_to_is_left_as_it_is(fleet, capsys, workloads):
    fleet.stack(workloads)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop")
    said = capsys.readouterr().out
    assert "is left as it is: add the entries above" in said
    assert "- name: shop" in said
    assert fleet.file.read_text() == before
    assert "deployment-web.yaml" in fleet.manifests("shop")


@pytest.mark.parametrize("empty", [" []", ":", " null # none", " []   # none\n  flotilla:policies: {}"])
def test_an_empty_list_gets_the_workloads(fleet, empty):
    fleet.stack(f"  flotilla:workloads:{empty.removeprefix(':')}\n")
    fleet.run("--namespace", "shop")
    assert set(fleet.workloads) == {"shop", "shop-shared"}
    assert ("# none" in empty) == ("# none" in fleet.file.read_text())


def test_line_ends_of_windows_and_links_stay(fleet):
    fleet.stack(OTHER)
    linked = fleet.project / "prod.yaml"
    before = fleet.file.read_text().replace("\n", "\r\n")
    linked.write_bytes(before.encode())
    fleet.file.unlink()
    fleet.file.symlink_to(linked)
    fleet.run("--namespace", "shop")
    assert fleet.file.is_symlink()
    lines = linked.read_bytes().decode().split("\r\n")
    assert not [line for line in lines if "\n" in line]
    assert [line for line in before.split("\r\n") if line not in lines] == []
    assert "shop" in fleet.workloads
    fleet.validate()


class Groups:
    """An API server that serves a group in two versions, and another one that is down."""

    name = "member1"

    def request(self, _method, path, *, doing):
        if path == "/apis":
            versions = [{"groupVersion": "example.com/v1"}, {"groupVersion": "example.com/v1alpha1"}]
            down = {"groupVersion": "down.example.com/v1"}
            return {
                "groups": [
                    {"name": "example.com", "versions": versions[::-1], "preferredVersion": versions[0]},
                    {"name": "down.example.com", "versions": [down], "preferredVersion": down},
                ]
            }
        if "down" in path:
            raise ClusterError(f"unavailable while {doing}")
        entries = {
            "/api/v1": [("Binding", "bindings", ["create"]), ("Pod", "pods", ["list"]), ("Pod", "pods/log", ["get"])],
            "/apis/example.com/v1": [("Widget", "widgets", ["list"])],
            "/apis/example.com/v1alpha1": [("Widget", "widgets", ["list"]), ("Gadget", "gadgets", ["list"])],
        }
        listed = [
            {"kind": kind, "name": name, "namespaced": True, "verbs": verbs} for kind, name, verbs in entries[path]
        ]
        return {"resources": listed}


def test_kinds_of_every_version_are_found_and_a_group_that_is_down_is_one_line():
    found = served(Groups())
    assert {key: kind.versions for key, kind in found.kinds.items()} == {
        ("", "Pod"): ("v1",),
        ("example.com", "Widget"): ("example.com/v1", "example.com/v1alpha1"),
        ("example.com", "Gadget"): ("example.com/v1alpha1",),
    }
    assert [one.what for one in found.unread] == ["every kind of down.example.com/v1"]


def test_manifests_that_are_there_are_not_overwritten(fleet, capsys):
    fleet.stack()
    (fleet.project / "adopted" / "prod" / "shop").mkdir(parents=True)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop", code=2)
    assert "is never overwritten; nothing was written" in capsys.readouterr().err
    assert fleet.file.read_text() == before
    assert [one.name for one in (fleet.project / "adopted" / "prod").iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs --namespace or --object"),
        (["--namespace", "kube-system"], "Karmada sends nothing there"),
        (["--namespace", "gone"], "member1 has no namespace gone"),
        (["--namespace", ""], "is not a namespace"),
        (["--namespace", "shop/../x"], "is not a namespace"),
        (["--object", "Deployment/a b/web"], "is not a namespace"),
        (["--object", "Deployment/shop/gone"], "member1 has no Deployment shop/gone"),
        (["--object", "web"], "write KIND/NAME"),
        (["--namespace", "shop", "--policy", "p"], "--from-member reads a member"),
        (["--namespace", "shop", "--workload", "Not a name"], "is not a workload's name"),
        (["--namespace", "shop", "--from-member", "nobody"], "has no member 'nobody'"),
    ],
)
def test_wrong_arguments_are_refused(fleet, capsys, arguments, said):
    fleet.stack()
    before = fleet.file.read_text()
    fleet.run(*arguments, code=2)
    assert said in capsys.readouterr().err
    assert fleet.file.read_text() == before
    assert not (fleet.project / "adopted").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from-member", "member1", "-n", "shop"], "a new one needs --karmada-kubeconfig"),
        (["--object", "Deployment/web"], "give --from-member as well"),
        ([], "needs --karmada-kubeconfig"),
    ],
)
def test_a_stack_without_a_file_needs_the_control_planes_kubeconfig(fleet, capsys, arguments, said):
    assert main(["adopt", "-C", str(fleet.project), "-s", "prod", *arguments]) == 2
    assert said in capsys.readouterr().err
