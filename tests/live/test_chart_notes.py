"""The notes of charts, rendered by the real helm, which needs no cluster for this."""

import shutil
import subprocess
import tarfile

import pytest
import yaml

from flotilla.stack import parse_fleet
from flotilla.stack.files import ManifestFiles
from flotilla.workloads.notices import chart_notes
from flotilla.workloads.objects import manifests_of
from tests.unit.conftest import project, sections  # noqa: F401 - fixtures

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

NOTES = """{{- define "web.hello" -}}hello {{ .Release.Name }}{{- end -}}
{{ include "web.hello" . }}: it's "é" <b> & {{ .Values.colour | quote }}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}
  watched{{ end }}
{{ range $i := until 2 }}
- {{ $i }} of {{ $.Chart.Name }}
{{- end }}
"""


@pytest.fixture
def chart(project):  # noqa: F811
    if shutil.which("helm") is None:
        pytest.skip("helm is not on the PATH")
    place = project / "charts" / "web"
    (place / "templates").mkdir(parents=True)
    (place / "charts" / "sub" / "templates").mkdir(parents=True)
    for one, name in ((place, "web"), (place / "charts" / "sub", "sub")):
        (one / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n")
        (one / "templates" / "NOTES.txt").write_text(NOTES if name == "web" else "notes of a chart within\n")
        config = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: b}}\n"
        (one / "templates" / "c.yaml").write_text(config)
    (place / "values.yaml").write_text("colour: blue\n")
    (place / ".helmignore").write_text("*.orig\n.git/\n")
    return place


@pytest.mark.parametrize("how", ["folder", "archive"])
def test_chart_notes_equal_those_of_helm(chart, project, sections, how):  # noqa: F811
    if how == "archive":
        with tarfile.open(project / "charts" / "web-1.0.0.tgz", "w:gz") as archive:
            archive.add(chart, arcname="web")
    path = "charts/web" if how == "folder" else "charts/web-1.0.0.tgz"
    given = {"path": path, "values": {"colour": "green"}, "apiVersions": ["monitoring.coreos.com/v1"]}
    sections["workloads"] = [{"name": "shop", "placement": {}, "chart": given}]
    files = ManifestFiles(project)
    workloads = parse_fleet(sections, base=project, manifests=files).workloads
    assert chart_notes(workloads, files) == {
        "shop": 'hello shop: it\'s "é" <b> & "green"\n  watched\n\n- 0 of web\n- 1 of web'
    }
    assert [obj["metadata"]["name"] for obj in manifests_of(workloads[0], files)] == ["sub", "web"]


def test_a_chart_of_helm_create_has_notes(project, sections):  # noqa: F811
    if shutil.which("helm") is None:
        pytest.skip("helm is not on the PATH")
    subprocess.run(["helm", "create", "web"], cwd=project, check=True, capture_output=True, timeout=60)
    sections["workloads"] = [{"name": "shop", "placement": {}, "chart": {"path": "web"}}]
    files = ManifestFiles(project)
    workloads = parse_fleet(sections, base=project, manifests=files).workloads
    notes = chart_notes(workloads, files)["shop"]
    assert notes.startswith("1. Get the application URL by running these commands:")
    assert "app.kubernetes.io/instance=shop" in notes
    assert "flotilla-notes" not in yaml.safe_dump_all(manifests_of(workloads[0], files))
