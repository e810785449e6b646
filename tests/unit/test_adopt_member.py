"""`adopt --from-member`: objects that run in a member without Karmada become workloads of a stack."""

import json
import shutil

import pytest
import yaml

from flotilla.kube.secrecy import LAST_APPLIED
from flotilla.state.crypto import PassphraseCrypter
from tests.unit.adopting import CRYPTER, decrypted, own, pods, secret
from tests.unit.from_member import (
    HIGH,
    OTHER,
    SUBJECT,
    bound,
    database,
    definition,
    document,
    fleet_of_fakes,
    left,
    role,
    rules,
    scaler,
    service,
    settings,
    web,
    with_metadata,
)


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    with fleet_of_fakes(tmp_path, monkeypatch) as found:
        yield found


def test_fields_of_users_are_kept_and_fields_of_servers_are_left_out(fleet):
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


def test_fields_that_the_server_set_in_an_applied_object_are_left_out(fleet):
    live = with_metadata(
        web(serviceAccount="web", dnsPolicy="ClusterFirst"), annotations={LAST_APPLIED: json.dumps(web())}
    )
    live["spec"] = {**live["spec"], "revisionHistoryLimit": 10, "replicas": 3}
    fleet.member.put(live)
    fleet.stack()
    fleet.run("--namespace", "shop")
    assert fleet.manifests("shop")["deployment-web.yaml"] == {**web(), "spec": {**web()["spec"], "replicas": 3}}


def test_secrets_are_encrypted_with_the_existing_salt_or_a_new_one(fleet):
    fleet.stack()
    fleet.run("--namespace", "shop")
    assert decrypted(fleet.workloads["shop"]["secrets"]) == [{"name": "login", "stringData": {"password": "hunter2"}}]
    assert fleet.file.read_text().count("encryptionsalt") == 1
    shutil.rmtree(fleet.project / "adopted")
    fleet.stack()
    fleet.file.write_text(fleet.file.read_text().replace(f"encryptionsalt: {CRYPTER.state}\n", ""))
    fleet.run("--namespace", "shop")
    crypter = PassphraseCrypter("of tests", yaml.safe_load(fleet.file.read_text())["encryptionsalt"])
    assert decrypted(fleet.workloads["shop"]["secrets"], crypter) == [
        {"name": "login", "stringData": {"password": "hunter2"}}
    ]


def test_without_a_passphrase_secrets_are_left_out(fleet, monkeypatch, capsys):
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert "PULUMI_CONFIG_PASSPHRASE" in left(document(capsys))["Secret shop/login"]
    assert "secrets" not in fleet.workloads["shop"]


def test_objects_of_controllers_karmada_and_tools_are_left_out(fleet, capsys):
    for obj in (
        with_metadata(own("ReplicaSet", "apps/v1", "web-1", spec={}), owner="Deployment"),
        with_metadata(own("Pod", "v1", "web-1-a", spec={}), owner="ReplicaSet"),
        with_metadata(own("Pod", "v1", "web-1-b", spec={}), owner="ReplicaSet"),
        with_metadata(own("Job", "batch/v1", "nightly-1", spec={}), owner="CronJob"),
        own("EndpointSlice", "discovery.k8s.io/v1", "web-abc"),
        own("ConfigMap", "v1", "kube-root-ca.crt", data={}),
        own("ServiceAccount", "v1", "default"),
        secret("web-token-x", {"token": "a"}, type="kubernetes.io/service-account-token"),
        secret("sh.helm.release.v1.web.v1", {"release": "a"}, type="helm.sh/release.v1"),
        with_metadata(settings(), labels={"karmada.io/managed": "true"}, name="sent"),
        with_metadata(secret("cert", {"tls.key": "a"}), annotations={"cert-manager.io/certificate-name": "front"}),
        with_metadata(own("ConfigMap", "v1", "lock"), annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}),
        own("Job", "batch/v1", "once", spec={}, status={"conditions": [{"type": "Complete", "status": "True"}]}),
        own("Pod", "v1", "lonely", spec={}),
        with_metadata(settings(), deletionTimestamp="2026-01-01T00:00:00Z", name="going"),
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
    assert "needs its own" in found["StorageClass fast"]
    assert {"Secret shop/web-token-x", "ConfigMap shop/lock", "Pod shop/lonely", "ConfigMap shop/going"} <= set(found)
    assert not any(
        word in text for text in found for word in ("kube-root-ca", "EndpointSlice", "Event", "helm.release")
    )
    assert [
        note for note in said["notes"] if "PersistentVolumeClaim shop/uploads: another cluster gets an empty" in note
    ]
    fleet.validate()


def test_objects_of_a_helm_release_or_another_controller_are_reported(fleet, capsys):
    release = {"annotations": {"meta.helm.sh/release-name": "front"}}
    fleet.member.put(with_metadata(web(), **release))
    fleet.member.put(with_metadata(settings(), labels={"argocd.argoproj.io/instance": "front-app"}, **release))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    assert [note for note in said["notes"] if "helm release front: 2 objects" in note and "`chart:`" in note]
    assert rules(said) == {("applied-by-others", "ConfigMap shop/settings")}


def test_shared_workload_is_kept_on_removal(fleet, capsys):
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
    assert "permissions to others" in left(said)["ClusterRoleBinding both"]
    assert rules(said) == set()
    fleet.validate()


def test_shared_workload_is_reported_for_a_karmada_without_keep(fleet, capsys):
    fleet.stack(version="1.10.7")
    fleet.run("--namespace", "shop", "--json")
    assert "onRemoval" not in fleet.workloads["shop-shared"]
    assert ("deleted-with-the-stack", "workload shop-shared") in rules(document(capsys))
    fleet.validate()


def test_stack_without_a_karmada_version_gets_the_shared_workload(fleet, capsys):
    fleet.stack()
    fleet.file.write_text(fleet.file.read_text().replace(", version: 1.18.2", ""))
    fleet.run("--namespace", "shop", "--json")
    assert "onRemoval" not in fleet.workloads["shop-shared"]
    (finding,) = document(capsys)["findings"]
    assert "add it, and add `onRemoval: keep`" in finding["message"]
    fleet.validate()


def test_kind_that_the_control_plane_does_not_serve_is_reported(fleet, capsys):
    fleet.member.put(own("Widget", "example.com/v1", "one", spec={}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert "doesn't serve its kind" in left(document(capsys))["Widget shop/one"]
    shutil.rmtree(fleet.project / "adopted")
    fleet.member.put(definition(conversion={"strategy": "Webhook"}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert "needs a webhook" in left(document(capsys))["Widget shop/one"]


def test_deployment_with_an_autoscaler_keeps_its_replicas(fleet, capsys):
    fleet.member.put(scaler("web", "Deployment"))
    fleet.member.put(database())
    fleet.member.put(scaler("db", "StatefulSet"))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    labels = fleet.manifests("shop")["deployment-web.yaml"]["metadata"]["labels"]
    assert labels["resourcetemplate.karmada.io/retain-replicas"] == "true"
    assert [note for note in said["notes"] if "HorizontalPodAutoscaler shop/web sets its replicas" in note]
    assert ("two-owners", "StatefulSet shop/db") in rules(said)


def test_single_object_is_adopted_with_its_dependencies_only(fleet, capsys):
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


def test_several_namespaces_become_workloads_with_one_shared_workload(fleet):
    fleet.member.put(own("Namespace", "v1", "default", namespace=None))
    fleet.member.put(pods("lone", namespace="default"))
    fleet.stack()
    fleet.run("--namespace", "shop", "--namespace", "default")
    assert list(fleet.workloads) == ["member1-shared", "default", "shop"]
    assert set(fleet.manifests("member1-shared")) == {"namespace-shop.yaml", "priorityclass-high.yaml"}
    fleet.validate()


def test_objects_are_chosen_by_labels_and_the_workload_name_can_be_given(fleet):
    fleet.member.put(pods("other"))
    fleet.stack()
    fleet.run("--namespace", "shop", "--selector", "app=other", "--workload", "side")
    assert set(fleet.manifests("side")) == {"deployment-other.yaml"}


def test_dependencies_that_are_missing_or_in_other_namespaces_are_reported(fleet, capsys):
    fleet.member.take("v1", "ConfigMap", "settings", "shop")
    fleet.member.put(own("ConfigMap", "v1", "urls", data={"db": "postgres://main.data.svc.cluster.local/x"}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    assert {rule for rule, _ in rules(said)} == {"dependency-missing"}
    assert "ConfigMap shop/urls needs it" in left(said)["Service data/main"]


def test_dependency_that_karmada_sends_already_is_not_missing(fleet, capsys):
    fleet.member.put(with_metadata(settings(), labels={"karmada.io/managed": "true"}))
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    assert rules(document(capsys)) == set()
    assert "configmap-settings.yaml" not in fleet.manifests("shop")


def test_rights_of_the_default_account_are_adopted(fleet):
    fleet.member.put(bound("ClusterRoleBinding", "all", "ClusterRole/all", {**SUBJECT, "name": "default"}))
    fleet.member.put(role("all"))
    fleet.stack()
    fleet.run("--namespace", "shop")
    assert {"clusterrole-all.yaml", "clusterrolebinding-all.yaml"} <= set(fleet.manifests("shop-shared"))


def test_objects_that_the_stack_or_the_control_plane_has_are_left_out(fleet, capsys):
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


def test_kind_that_may_not_be_read_is_reported_in_one_line(fleet, capsys):
    fleet.member.forbidden |= {"Secret"}
    fleet.stack()
    fleet.run("--namespace", "shop", "--json")
    said = document(capsys)
    assert "forbidden" in left(said)["every Secret of v1 in namespace shop"]
    assert "deployment-web.yaml" in fleet.manifests("shop")


def test_control_plane_that_does_not_answer_is_reported(fleet, capsys):
    fleet.stack(OTHER)
    (fleet.project / "karmada.yaml").write_text(
        fleet.karmada.kubeconfig.replace(fleet.karmada.server, "http://127.0.0.1:1")
    )
    fleet.run("--namespace", "shop", "--json")
    assert [note for note in document(capsys)["notes"] if "the control plane was not asked" in note]
    assert "shop" in fleet.workloads
