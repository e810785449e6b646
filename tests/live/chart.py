"""Karmada's chart from `charts/<version>` in the folder of its programs, prepared for helm."""

import shutil
from pathlib import Path

import pytest
import yaml

from flotilla.errors import SandboxError
from flotilla.sandbox.karmada import find_karmada

# The chart needs two helpers of a library chart that isn't in its archive: an image's name, and its pull secrets.
HELPERS = """
{{- define "common.images.image" -}}
{{- $registry := .imageRoot.registry -}}
{{- if .global.imageRegistry }}{{ $registry = .global.imageRegistry }}{{ end -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .imageRoot.repository }}:{{ .imageRoot.tag }}
{{- end -}}
{{- define "common.images.pullSecrets" -}}
{{- $names := concat (.global.imagePullSecrets | default list) -}}
{{- range .images }}{{ $names = concat $names (.pullSecrets | default list) }}{{ end -}}
{{- if $names }}
imagePullSecrets:
{{- range $names | uniq }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}
"""


def karmada_chart(version: str, folder: Path) -> Path:
    """Copy a version's chart into a folder; skip the test where helm or the chart is missing."""
    if shutil.which("helm") is None:
        pytest.skip("not on the PATH: helm")
    try:
        programs = find_karmada(None)
    except SandboxError as error:
        pytest.skip(str(error))
    source = programs / "charts" / version if programs else None
    if source is None or not source.is_dir():
        pytest.skip(f"Karmada's chart {version} is not in charts/ of the folder of its programs")
    target = folder / f"karmada-{version}"
    shutil.copytree(source, target)
    for lock in target.glob("Chart.lock"):
        lock.unlink()
    library = target / "charts" / "common"
    if not library.exists():
        (library / "templates").mkdir(parents=True)
        about = {"apiVersion": "v2", "name": "common", "version": "2.0.0", "type": "library"}
        (library / "Chart.yaml").write_text(yaml.safe_dump(about))
        (library / "templates" / "_images.tpl").write_text(HELPERS)
    return target
