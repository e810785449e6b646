"""A project with a chart, and helpers that read the workload which the chart declares."""

import pytest

from flotilla.stack import ConfigError, parse_fleet
from flotilla.stack.files import ManifestFiles
from flotilla.workloads.notices import rendered_notices
from flotilla.workloads.objects import manifests_of
from tests.renderers import DEPLOYMENT, Programs, write_chart

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}-web"}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
RANDOM = """
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {user: admin, password: "{{ random }}"}
"""
VALUES = "replicas: 1\ntag: '1.27'\n"
AT = {"repository": "https://charts.example", "name": "web", "version": "1.2.3"}


@pytest.fixture
def helm(tmp_path, monkeypatch):
    return Programs(tmp_path / "bin", monkeypatch, "helm")


@pytest.fixture
def place(project):
    """A project folder with a chart."""
    write_chart(
        project / "charts" / "web", {"a.yaml": DEPLOYMENT, "b.yaml": SERVICE}, values=VALUES, crds={"c.yaml": CRD}
    )
    return project


@pytest.fixture
def declared(place, sections, helm):
    """Return the objects and the notices that a chart leads to, read as in one run of the program."""

    def read(chart=None, **more):
        given = {"path": "charts/web", **(chart or {})} if not (chart or {}).get("oci") else chart
        if "repository" in given:
            del given["path"]
        sections["workloads"] = [{"name": "shop", "placement": {}, "chart": given, **more}]
        files = ManifestFiles(place)
        fleet = parse_fleet(sections, base=place, manifests=files)
        return manifests_of(fleet.workloads[0], files), rendered_notices(fleet, files)

    return read


def refused(declared, *arguments, **more):
    with pytest.raises(ConfigError) as caught:
        declared(*arguments, **more)
    return [str(problem) for problem in caught.value.problems]


def names(objects):
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects]


HOOKS = "\n---\n".join(
    f"""
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations:
    helm.sh/hook: {events}
    helm.sh/hook-weight: "1"
    helm.sh/hook-delete-policy: hook-succeeded
    kept: "yes"
spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: "a:1"}}]}}}}}}
"""
    for name, events in (("migrate", "pre-install,pre-upgrade"), ("clean", "post-delete"), ("try", "test"))
)
DEFINED_BY_HOOK = CRD.replace(
    "{name: things.example.org}", "{name: things.example.org, annotations: {helm.sh/hook: crd-install}}"
)


@pytest.fixture
def hooks(place):
    (place / "charts" / "web" / "templates" / "hooks.yaml").write_text(HOOKS)
