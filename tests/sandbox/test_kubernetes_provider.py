"""Kubernetes resources on the embedded engine, with a real API server: reports agree with the cluster."""

import base64

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.kubernetes_object import KubernetesObject
from flotilla.engine.adoption import NOTHING, Adoption
from flotilla.engine.stack import EmbeddedStack
from flotilla.kube.objects import ObjectRef
from flotilla.plan.adoptions import changes_no_cluster
from flotilla.state.config import Project
from tests.bench.kills import Subject
from tests.contract.fleet import cluster_in
from tests.contract.karmada import eventually

pytestmark = pytest.mark.sandbox


def deployment(namespace, *, replicas=2, image="nginx:1.27", selector="web"):
    labels = {"app": selector}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image, "resources": {"limits": {"cpu": "0.5"}}}]},
            },
        },
    }


def secret(namespace, value):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "stringData": {"key": value},
    }


@pytest.fixture
def run(cluster, tmp_path, monkeypatch):
    """Run a verb on a stack of manifests: `run("up", manifest, ...)`."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "sandbox")
    (tmp_path / "Pulumi.yaml").write_text("name: sandbox-tests\nruntime: python\n")

    def run(verb, *manifests, options=None, provider=None, adopt=NOTHING, **arguments):
        def program():
            where = {"kubeconfig": cluster.kubeconfig.read_text(), "cluster_identifier": "member1"}
            made = k8s.Provider("cluster", **{**where, **(provider or {})})
            for manifest in manifests:
                opts = pulumi.ResourceOptions(provider=made, **(options or {}))
                KubernetesObject(manifest["metadata"]["name"], manifest, opts)

        stack = EmbeddedStack(Project.load(tmp_path), "test", tmp_path, program=program, adopt=adopt)
        return getattr(stack, verb)(**arguments)

    return run


@pytest.fixture(scope="module")
def fresh_cluster(binaries, tmp_path_factory):
    with cluster_in(tmp_path_factory.mktemp("other"), "member2", binaries, nodes=0) as one:
        yield one


def ops(result):
    return {step.name: str(step.op) for step in result.steps if step.type.startswith("kubernetes:")}


def test_a_deployment_is_created_with_a_wait_changed_and_deleted(run, connection, namespace):
    ref = ObjectRef("apps/v1", "Deployment", "web", namespace)
    assert ops(run("preview", deployment(namespace))) == {"web": "create"}
    assert connection.find(ref) is None
    assert run("up", deployment(namespace)).failures == []
    assert connection.get(ref)["status"]["availableReplicas"] == 2
    assert ops(run("preview", deployment(namespace))) == {"web": "same"}
    changed = run("preview", deployment(namespace, replicas=3))
    assert [c.text for s in changed.changes for c in s.changes] == ["spec.replicas"]
    assert run("up", deployment(namespace, replicas=3)).failures == []
    assert connection.get(ref)["status"]["availableReplicas"] == 3
    assert run("destroy").failures == []
    assert connection.find(ref) is None


def test_a_refresh_reports_only_manual_changes(run, connection, namespace):
    run("up", deployment(namespace))
    assert run("refresh", preview_only=True).changes == []
    connection.patch(ObjectRef("apps/v1", "Deployment", "web", namespace), {"spec": {"replicas": 5}})
    found = run("refresh", preview_only=True)
    assert [(c.text, c.old, c.new) for s in found.changes for c in s.changes] == [("spec.replicas", 2, 5)]
    put_back = run("preview", deployment(namespace), refresh_first=True)
    assert [(c.text, c.old, c.new) for s in put_back.changes for c in s.changes] == [("spec.replicas", 5, 2)]
    run("destroy")


def test_an_object_that_was_deleted_manually_is_created_again(run, connection, namespace):
    ref = ObjectRef("v1", "Secret", "s", namespace)
    run("up", secret(namespace, "a"))
    connection.delete(ref, propagation="Background")
    assert ops(run("refresh")) == {"s": "delete"}
    assert ops(run("up", secret(namespace, "a"))) == {"s": "create"}
    assert connection.find(ref) is not None
    run("destroy")


def test_a_change_of_an_immutable_field_replaces_the_object(run, connection, namespace):
    run("up", deployment(namespace))
    before = connection.get(ObjectRef("apps/v1", "Deployment", "web", namespace))["metadata"]["uid"]
    result = run("up", deployment(namespace, selector="other"))
    assert result.counts()["replace"] == 1
    after = connection.get(ObjectRef("apps/v1", "Deployment", "web", namespace))["metadata"]["uid"]
    assert before != after
    run("destroy")


def test_a_changed_secret_is_replaced_unless_the_provider_has_mutable_secrets(run, connection, namespace):
    run("up", secret(namespace, "a"))
    assert run("preview", secret(namespace, "b")).counts().get("replace") == 1
    mutable = {"enable_secret_mutable": True}
    run("up", secret(namespace, "a"), provider=mutable)
    assert ops(run("up", secret(namespace, "b"), provider=mutable)) == {"s": "update"}
    run("destroy")


def test_an_existing_object_is_not_taken_over(run, connection, namespace):
    connection.apply(deployment(namespace), field_manager="kubectl")
    result = run("up", deployment(namespace))
    assert "already exists and does not belong to this stack" in result.failures[0]
    run("destroy")
    assert connection.find(ObjectRef("apps/v1", "Deployment", "web", namespace)) is not None


def test_an_object_that_no_manager_owns_is_not_taken_over(run, connection, namespace):
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": namespace}}
    made = connection.create(account, field_manager="kubectl-create")
    assert not made["metadata"].get("managedFields"), "an account without fields has no owner"
    assert [one.object for one in run("preview", account).there] == [f"ServiceAccount {namespace}/a"]
    assert "already exists and does not belong to this stack" in run("up", account).failures[0]
    run("destroy")
    assert (
        connection.get(ObjectRef("v1", "ServiceAccount", "a", namespace))["metadata"]["uid"] == made["metadata"]["uid"]
    )


def test_adoption_takes_over_the_fields_of_an_object_without_a_new_pod(run, connection, namespace):
    """kubectl created a Deployment with an extra label; no manager owns the ServiceAccount; one selector differs."""
    ref = ObjectRef("apps/v1", "Deployment", "web", namespace)
    made = deployment(namespace)
    made["metadata"]["labels"] = {"by": "kubectl"}
    connection.create(made, field_manager="kubectl-client-side-apply")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": namespace}}
    connection.create(account, field_manager="kubectl-create")
    before = eventually(
        lambda: found if (found := connection.get(ref)).get("status", {}).get("readyReplicas") else None
    )
    refused = run("preview", deployment(namespace, selector="other"), account, adopt=Adoption(True))
    (failure,) = refused.failures
    assert "spec.selector.matchLabels.app is web there and other here, which can't be changed" in failure
    planned = run("preview", deployment(namespace), account, adopt=Adoption(True))
    assert (ops(planned), changes_no_cluster(planned)) == ({"web": "adopt", "a": "adopt"}, True)
    assert run("up", deployment(namespace), account, adopt=Adoption(True), plan=planned).failures == []
    after = connection.get(ref)
    for key in ("uid", "generation", "labels"):
        assert after["metadata"][key] == before["metadata"][key]
    owners = {
        e["manager"] for e in after["metadata"]["managedFields"] if "f:replicas" in str(e["fieldsV1"].get("f:spec"))
    }
    assert len(owners) == 1
    assert owners.pop().startswith("pulumi-kubernetes-")
    assert run("preview", deployment(namespace), account, refresh_first=True).changes == []
    lean = deployment(namespace)
    del lean["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert run("up", lean, account).failures == []
    assert not connection.get(ref)["spec"]["template"]["spec"]["containers"][0].get("resources")
    run("destroy")


def test_a_preview_fails_on_a_value_of_a_wrong_type(run, namespace):
    wrong = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace}}
    result = run("preview", {**wrong, "data": {"window": 1350}})
    assert ".data.window: expected string" in result.failures[0]


def test_a_dropped_field_is_removed_from_an_object_that_the_cli_created(run, connection, namespace):
    ref = ObjectRef("v1", "ConfigMap", "c", namespace)
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace}}
    mutable = {"enable_config_map_mutable": True, "enable_patch_force": True}
    run("up", {**whole, "data": {"a": "1", "b": "2"}}, provider=mutable)
    (owner,) = connection.get(ref)["metadata"]["managedFields"]
    created = [{**owner, "manager": "pulumi-kubernetes", "operation": "Update"}]
    connection.patch(ref, [{"op": "replace", "path": "/metadata/managedFields", "value": created}], kind="json")
    assert run("up", {**whole, "data": {"a": "1"}}, provider=mutable).failures == []
    assert connection.get(ref)["data"] == {"a": "1"}
    run("destroy")


def test_a_preview_reports_existing_and_invalid_objects(run, connection, namespace):
    connection.apply(deployment(namespace), field_manager="kubectl")
    result = run("preview", deployment(namespace))
    assert result.failures == []
    assert [(one.object, one.managers) for one in result.there] == [(f"Deployment {namespace}/web", ("kubectl",))]
    wrong = deployment(namespace)
    wrong["metadata"]["name"] = "Not_A_Name"
    assert "Invalid value" in run("preview", wrong).failures[0]
    elsewhere = deployment("nowhere-yet")
    assert run("preview", elsewhere).failures == [], "the same run may make its namespace"


def test_an_object_that_moves_to_another_cluster_is_deleted_in_the_old_one(run, connection, namespace, fresh_cluster):
    ref = ObjectRef("v1", "Secret", "s", namespace)
    assert run("up", secret(namespace, "a")).failures == []
    other = {"kubeconfig": fresh_cluster.kubeconfig.read_text(), "cluster_identifier": "member2"}
    there = fresh_cluster.connection()
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    there.create(space, field_manager="test")
    assert run("up", secret(namespace, "a"), provider=other).failures == []
    assert connection.find(ref) is None
    assert there.find(ref) is not None
    run("destroy")
    assert there.find(ref) is None


def test_a_conflict_names_the_owner_and_force_takes_over(run, connection, namespace):
    run("up", deployment(namespace))
    connection.apply({**deployment(namespace, replicas=7)}, field_manager="autoscaler", force=True)
    result = run("up", deployment(namespace, replicas=3))
    assert 'with "autoscaler"' in result.failures[0]
    assert "patchForce" in result.failures[0]
    assert run("up", deployment(namespace, replicas=3), provider={"enable_patch_force": True}).failures == []
    run("destroy")


def test_an_object_that_is_not_ready_in_time_stays_in_the_state_and_is_updated_next(run, connection, namespace):
    wrong = deployment(namespace)
    wrong["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
    timeouts = {"custom_timeouts": pulumi.CustomTimeouts(create="3s", update="3s")}
    result = run("up", wrong, options=timeouts)
    assert "0 of 2 replicas available" in result.failures[0]
    assert ops(run("preview", wrong, options=timeouts)) == {"web": "update"}
    right = deployment(namespace)
    assert run("up", right).failures == []
    run("destroy")


def test_up_waits_for_token_secrets_and_stores_them_encrypted(run, namespace, connection, tmp_path):
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": namespace}}
    token = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": "t",
            "namespace": namespace,
            "annotations": {"kubernetes.io/service-account.name": "a"},
        },
    }
    run("up", account)
    result = run("up", account, token)
    (step,) = [s for s in result.steps if s.name == "t"]
    assert result.failures == []
    stored = (tmp_path / ".pulumi" / "stacks" / "sandbox-tests" / "test.json").read_text()
    written = connection.get(ObjectRef("v1", "Secret", "t", namespace))["data"]["token"]
    assert base64.b64decode(written).startswith(b"eyJ"), "a token that the cluster made"
    # The whole value: a few of its letters can be in an encrypted value by chance.
    assert written not in stored
    assert base64.b64decode(written).decode() not in stored
    assert step.op == "create"
    run("destroy")


def test_a_default_provider_is_refused_where_it_is_disabled(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "sandbox")
    (tmp_path / "Pulumi.yaml").write_text(
        "name: p\nruntime: python\nconfig:\n  pulumi:disable-default-providers: {value: [kubernetes]}\n"
    )
    program = lambda: KubernetesObject("a", secret("default", "x"))  # noqa: E731
    result = EmbeddedStack(Project.load(tmp_path), "test", tmp_path, program=program).preview()
    assert "default providers of kubernetes are disabled" in result.failures[0]


@pytest.mark.parametrize("seconds", [0.9, 1.1, 1.3, 1.5])
def test_after_a_kill_the_next_run_completes(cluster, namespace, tmp_path, monkeypatch, seconds):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "sandbox")
    subject = Subject(tmp_path, cluster.kubeconfig, namespace)
    subject.kill("up", after=seconds)
    subject.complete("up")
    assert subject.objects() == subject.expected()
    assert subject.state() == subject.expected()
    subject.kill("destroy", after=seconds)
    subject.complete("destroy")
    assert subject.objects() == []
    assert subject.state() == []
