"""A chart and a kustomization as workloads: planned by object, deployed, changed by one value, removed.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`), with the real `helm` and
`kustomize` (or `kubectl`) where they are installed.
"""

import shutil

import pytest

from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.renderers import DEPLOYMENT, write_chart

BOTH = ("member1", "member2")
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-settings", namespace: "{{ .Release.Namespace }}"}
data: {colour: "{{ .Values.colour }}"}
---
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}-login"}
stringData: {password: {{ .Values.password | quote }}}
"""
GAUGE = """
apiVersion: sources.example.org/v1
kind: Gauge
metadata: {name: "{{ .Release.Name }}"}
spec: {unit: {{ .Values.colour }}}
"""
CHECK = """
apiVersion: v1
kind: Pod
metadata: {name: check, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: check, image: "busybox:1"}]}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gauges.sources.example.org}
spec:
  group: sources.example.org
  names: {kind: Gauge, plural: gauges, singular: gauge}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
PASSWORD = "open-sesame-43"


@pytest.fixture
def run(verbs, shared_stack):  # noqa: F811
    """Run verbs; remove all workloads at the end, and keep the members joined."""
    yield verbs
    verbs.write(members(*BOTH), [])
    verbs("up", "--yes")


def workload(**source):
    return {"name": "shop", "placement": {"clusters": list(BOTH)}, "timeout": 90, **source}


def changed_templates(plan):
    """Return the templates that a plan changes, by name, without policies, rollouts and objects of joins."""
    changing = [step for step in plan["steps"] if step["op"] != "same" and step["type"].startswith("kubernetes:")]
    return {
        step["name"]: step["op"]
        for step in changing
        if "policy.karmada.io" not in step["type"] and not step["name"].startswith(BOTH)
    }


def assert_no_changes(run):
    run("preview", "--expect-no-changes")
    run("preview", "--refresh", "--expect-no-changes")


def copies(fleet, ref):
    return [fleet.connection(name).find(ref) for name in BOTH]


def test_a_chart_is_deployed_changed_by_one_value_and_removed(fleet, run):
    if shutil.which("helm") is None:
        pytest.skip("not on the PATH: helm")
    templates = {"web.yaml": DEPLOYMENT, "settings.yaml": SETTINGS, "gauge.yaml": GAUGE, "check.yaml": CHECK}
    templates["NOTES.txt"] = "{{ .Release.Name }} has {{ .Values.replicas }}, and says {{ .Values.password }}\n"
    values = "replicas: 1\ntag: '1.27'\ncolour: red\npassword: none\n"
    write_chart(fleet.project / "charts" / "web", templates, values=values, crds={"gauge.yaml": DEFINITION})
    chart = {"path": "charts/web", "values": {"replicas": 2, "password": PASSWORD}}
    run.write(members(*BOTH), [workload(chart=chart)])
    plan = run("preview")
    assert changed_templates(plan) == {
        "configmap-default/shop-settings": "create",
        "customresourcedefinition-gauges.sources.example.org": "create",
        "deployment-default/shop-web": "create",
        "gauge-default/shop": "create",
        "secret-default/shop-login": "create",
    }
    assert PASSWORD not in str(plan)
    assert run("up", "--yes")["chartNotes"] == [{"workload": "shop", "text": "shop has 2, and says [secret]"}]
    assert "chartNotes" not in run("up", "--yes")
    deployment = ObjectRef("apps/v1", "Deployment", "shop-web", "default")
    settings = ObjectRef("v1", "ConfigMap", "shop-settings", "default")
    gauge = ObjectRef("sources.example.org/v1", "Gauge", "shop", "default")
    assert [copy["spec"]["replicas"] for copy in copies(fleet, deployment)] == [2, 2]
    assert [copy["data"] for copy in copies(fleet, settings)] == [{"colour": "red"}] * 2
    assert [copy["spec"] for copy in copies(fleet, gauge)] == [{"unit": "red"}] * 2
    assert copies(fleet, ObjectRef("v1", "Pod", "check", "default")) == [None, None]
    assert_no_changes(run)
    run.write(members(*BOTH), [workload(chart={**chart, "values": {**chart["values"], "replicas": 3}})])
    assert changed_templates(run("preview")) == {"deployment-default/shop-web": "update"}
    run("up", "--yes")
    assert [copy["spec"]["replicas"] for copy in copies(fleet, deployment)] == [3, 3]
    assert_no_changes(run)
    run.write(members(*BOTH), [])
    run("up", "--yes")
    assert copies(fleet, deployment) == copies(fleet, settings) == [None, None]
    definition = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "gauges.sources.example.org")
    eventually(lambda: copies(fleet, definition) == [None, None], problem="the definition stays in a member")


def test_a_kustomization_is_deployed_changed_by_one_line_and_removed(fleet, run):
    if shutil.which("kustomize") is None and shutil.which("kubectl") is None:
        pytest.skip("not on the PATH: kustomize, kubectl")
    base, overlay = fleet.project / "app" / "base", fleet.project / "app" / "overlay"
    for folder in (base, overlay):
        folder.mkdir(parents=True, exist_ok=True)
    (base / "deployment.yaml").write_text(
        DEPLOYMENT.replace("{{ .Release.Name }}-web", "web")
        .replace("{{ .Values.replicas }}", "1")
        .replace("{{ .Values.tag }}", "1.27")
    )
    (base / "settings.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n")
    (base / "kustomization.yaml").write_text("resources: [deployment.yaml, settings.yaml]\n")
    kustomization = "resources: [../base]\nnamePrefix: prod-\nreplicas: [{name: web, count: 2}]\n"
    (overlay / "kustomization.yaml").write_text(kustomization)
    run.write(members(*BOTH), [workload(kustomize={"path": "app/overlay"})])
    assert changed_templates(run("preview")) == {
        "configmap-default/prod-settings": "create",
        "deployment-default/prod-web": "create",
    }
    run("up", "--yes")
    deployment = ObjectRef("apps/v1", "Deployment", "prod-web", "default")
    assert [copy["spec"]["replicas"] for copy in copies(fleet, deployment)] == [2, 2]
    assert_no_changes(run)
    (overlay / "kustomization.yaml").write_text(kustomization.replace("count: 2", "count: 3"))
    assert changed_templates(run("preview")) == {"deployment-default/prod-web": "update"}
    run("up", "--yes")
    assert [copy["spec"]["replicas"] for copy in copies(fleet, deployment)] == [3, 3]
    assert_no_changes(run)
    assert run("drift")["clean"]
    run.write(members(*BOTH), [])
    run("up", "--yes")
    assert copies(fleet, deployment) == [None, None]
