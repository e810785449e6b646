"""Helm releases on the embedded engine, with the real helm command on a real API server."""

import base64
import gzip
import json
import shutil
import subprocess

import pulumi
import pulumi_kubernetes as k8s
import pytest
import yaml

from flotilla.drift.findings import Remedy
from flotilla.drift.releases import check_release
from flotilla.engine.stack import EmbeddedStack
from flotilla.errors import EngineError
from flotilla.karmada.installing.host import stuck
from flotilla.kube.objects import ObjectRef
from flotilla.providers.helm import HelmProvider
from flotilla.providers.releases import RELEASE, resource_names
from flotilla.state.checkpoint import ResourceState
from flotilla.state.config import Project

pytestmark = pytest.mark.sandbox

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec: {containers: [{name: web, image: "nginx:1.27"}]}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}"}
stringData: {key: "{{ .Values.key }}"}
---
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}-broken-lines"}
data:
  key: |
    {{ b64enc .Values.key }}
---
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ .Release.Name }}-once"}
spec:
  ttlSecondsAfterFinished: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: once, image: "busybox:1"}]
"""


@pytest.fixture
def chart(tmp_path):
    if shutil.which("helm") is None:
        pytest.skip("not on the PATH: helm")
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "web", "version": "1.0.0"}))
    (folder / "values.yaml").write_text("replicas: 1\nkey: a\n")
    (folder / "templates" / "deployment.yaml").write_text(DEPLOYMENT)
    (folder / "templates" / "secret.yaml").write_text(SECRET)
    return folder


@pytest.fixture
def run(cluster, tmp_path, namespace, chart, monkeypatch):
    """Run a verb on a stack with one release."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "sandbox")
    (tmp_path / "Pulumi.yaml").write_text("name: helm-tests\nruntime: python\n")

    def run(verb, values=None, release="web", hide=lambda values: values, **arguments):
        def program():
            provider = k8s.Provider("cluster", kubeconfig=cluster.kubeconfig.read_text(), cluster_identifier="member1")
            k8s.helm.v3.Release(
                "web",
                k8s.helm.v3.ReleaseArgs(
                    chart=str(chart),
                    name=release,
                    namespace=namespace,
                    timeout=60,
                    atomic=True,
                    values=hide(values or {}),
                ),
                pulumi.ResourceOptions(provider=provider),
            )

        stack = EmbeddedStack(Project.load(tmp_path), "test", tmp_path, program=program)
        return getattr(stack, verb)(**arguments)

    run.state = (tmp_path / ".pulumi" / "stacks" / "helm-tests" / "test.json").read_text
    return run


def op(result):
    (found,) = [step for step in result.steps if step.type == RELEASE]
    return str(found.op)


def test_a_release_is_installed_upgraded_and_uninstalled(run, connection, namespace, cluster, chart):
    ref = ObjectRef("apps/v1", "Deployment", "web", namespace)
    assert op(run("preview")) == "create"
    assert connection.find(ref) is None
    hidden = {"values": {"key": "hunter2-in-values"}, "hide": pulumi.Output.secret}
    assert run("up", **hidden).failures == []
    assert connection.get(ref)["status"]["readyReplicas"] == 1
    assert "hunter2-in-values" not in run.state()
    assert op(run("preview", **hidden)) == "same"

    changed = run("preview", {"replicas": 2})
    assert op(changed) == "update"
    assert run("up", {"replicas": 2}).failures == []
    assert connection.get(ref)["spec"]["replicas"] == 2

    manual = ["helm", "upgrade", "web", str(chart), "--set=replicas=3", f"--namespace={namespace}"]
    subprocess.run([*manual, f"--kubeconfig={cluster.kubeconfig}"], check=True, capture_output=True)
    seen = run("refresh", preview_only=True)
    assert [change.text for step in seen.changes for change in step.changes] == ["values.replicas"]
    assert run("up", {"replicas": 2}, refresh_first=True).failures == []
    assert connection.get(ref)["spec"]["replicas"] == 2

    release = (connection, "member1", namespace, "web")
    assert check_release(*release) == []
    connection.patch(ref, {"spec": {"replicas": 5}})
    (finding,) = check_release(*release)
    assert (finding.rule, finding.path, finding.found, finding.remedy) == (
        "release-object-changed",
        "spec.replicas",
        5,
        Remedy.MANUAL,
    )

    assert run("destroy").failures == []
    assert connection.find(ref) is None
    assert run("destroy").steps == []
    assert [finding.rule for finding in check_release(*release)] == ["release-missing"]


def test_a_changed_release_name_replaces_the_release(run, connection, namespace):
    assert run("up").failures == []
    assert run("up", release="other").failures == []
    assert connection.find(ObjectRef("apps/v1", "Deployment", "web", namespace)) is None
    assert connection.find(ObjectRef("apps/v1", "Deployment", "other", namespace))
    assert run("destroy").failures == []


def test_an_existing_release_is_not_taken_over(run, cluster, chart, namespace):
    install = ["helm", "install", "web", str(chart), f"--namespace={namespace}", f"--kubeconfig={cluster.kubeconfig}"]
    subprocess.run(install, check=True, capture_output=True)
    assert "cannot re-use a name that is still in use" in run("up").failures[0]
    assert run("destroy").failures == []


def test_an_interrupted_installation_is_found_and_completed(cluster, chart, namespace, connection):
    provider = HelmProvider(cluster.kubeconfig.read_text)
    inputs = provider.check(
        "urn::web", None, {"chart": str(chart), "name": "web", "namespace": namespace, "timeout": 60}
    )
    token = provider.creation_token()
    assert provider.recover("urn::web", inputs, token).id == ""
    made = provider.create("urn::web", inputs, timeout=None, adopt=token)
    assert provider.recover("urn::web", inputs, token).id == made.id == f"{namespace}/web"
    assert provider.recover("urn::web", inputs, provider.creation_token()).id == "", "somebody else's"
    assert stuck(connection, "web", namespace) == ""
    _leave_pending(connection, namespace)
    assert "is pending-install (revision 1); the way out: helm uninstall web" in stuck(connection, "web", namespace)
    old = _state(made, inputs)
    assert provider.update(old, inputs, timeout=None).outputs["status"]["status"] == "deployed"
    provider.delete(old, timeout=None)
    assert provider.read("urn::web", made.id, old).id == ""


def _leave_pending(connection, namespace):
    """Change helm's record as if helm had been killed during the installation."""
    (record,) = connection.list("v1", "Secret", namespace=namespace, labels="owner=helm,name=web")
    packed = base64.b64decode(base64.b64decode(record["data"]["release"]))
    release = json.loads(gzip.decompress(packed))
    release["info"]["status"] = "pending-install"
    again = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    ref = ObjectRef("v1", "Secret", record["metadata"]["name"], namespace)
    connection.patch(ref, {"data": {"release": again}, "metadata": {"labels": {"status": "pending-install"}}})


def _state(made, inputs):
    return ResourceState("urn::web", custom=True, type=RELEASE, id=made.id, inputs=inputs, outputs=made.outputs)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "chart is required"),
        ({"chart": "a", "postrender": "sed"}, "doesn't know postrender"),
        ({"chart": "a", "repositoryOpts": {"password": "p"}}, "doesn't know repositoryOpts.password"),
    ],
)
def test_an_unknown_or_missing_input_of_a_release_is_refused_by_name(inputs, words):
    with pytest.raises(EngineError, match=words):
        HelmProvider(str).check("urn::web", None, inputs)


def test_the_objects_of_a_release_are_listed_by_kind():
    manifest = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: b, namespace: there}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
"""
    assert resource_names(manifest) == {"ConfigMap/v1": ["a", "b"], "Deployment.apps/apps/v1": ["there/b"]}
