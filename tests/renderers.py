"""Stand-ins for `helm` and `kustomize` in this process, which record their calls.

They behave as Flotilla expects: helm's arguments, `# Source:` before each object, hooks after all other objects, values
that override each other, NOTES.txt rendered but not printed. Their templates can use `{{ .Release.Name }}`,
`{{ .Values.a.b }}`, `{{ random }}` and the inclusion of another file of the templates as JSON.
"""

import json
import re
import secrets
import stat
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from flotilla.kube import children

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:{{ .Values.tag }}"}]}
"""
"""A template of a chart, for `values.yaml` with `replicas` and `tag`."""


class Failed(Exception):
    """The stand-in ends with exit code 1 and this text on standard error."""


@dataclass
class Call:
    """One call of a program."""

    arguments: list[str]
    environment: dict[str, str]
    modes: set[int] = field(default_factory=set)
    """The modes of the files of values that the program got."""

    def option(self, name):
        return next((a.partition("=")[2] for a in self.arguments if a.startswith(f"--{name}=")), "")

    def options(self, name):
        return [a.partition("=")[2] for a in self.arguments if a.startswith(f"--{name}=")]


class Programs:
    """A folder that is the whole PATH. Its programs are empty files; this class does their work in the process."""

    def __init__(self, folder: Path, monkeypatch, *names: str) -> None:
        self.folder = folder
        self.calls: list[Call] = []
        self.version = "v3.17.1+gstandin"
        self.offline = False
        folder.mkdir()
        for name in names:
            self.install(name)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setattr(children, "bounded", self._bounded)

    def install(self, name: str, script: str = "#!/bin/sh\nexit 1\n") -> None:
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()

    def of(self, verb: str) -> list[Call]:
        return [call for call in self.calls if call.arguments[0] == verb]

    def _bounded(self, arguments, variables, *, seconds, largest):
        program, *rest = arguments
        call = Call(rest, dict(variables))
        self.calls.append(call)
        errors: list[str] = []
        try:
            output = {"helm": self._helm, "kustomize": self._kustomize}[Path(program).name](call, errors)
        except Failed as failed:
            return children.Ended(1, b"", "".join([*errors, str(failed)]).encode(), late=False)
        return children.Ended(0, output.encode(), "".join(errors).encode(), late=False)

    # -- helm --------------------------------------------------------------------------------------

    def _helm(self, call: Call, errors: list[str]) -> str:
        call.modes = {stat.S_IMODE(Path(file).stat().st_mode) for file in call.options("values")}
        match call.arguments:
            case ["version", *_]:
                return self.version
            case ["pull", chart, *_]:
                self._pull(call, chart.rpartition("/")[2])
                return ""
            case ["template", release, place, *_]:
                return self._template(call, release, Path(place), errors)
        raise Failed(f"Error: unknown command {call.arguments[0]!r}")

    def _pull(self, call: Call, name: str) -> None:
        if self.offline:
            raise Failed(f'Error: looks like "{call.option("repo")}" is not a chart repository or can\'t be reached\n')
        with tarfile.open(Path(call.option("destination")) / f"{name}-{call.option('version')}.tgz", "w:gz") as archive:
            archive.add(self.folder / "repository" / name, arcname=name)

    def _template(self, call: Call, release: str, place: Path, errors: list[str]) -> str:
        if place.is_file():
            with tempfile.TemporaryDirectory() as into, tarfile.open(place) as archive:
                archive.extractall(into, filter="data")
                return self._template(call, release, next(Path(into).iterdir()), errors)
        name = yaml.safe_load((place / "Chart.yaml").read_text())["name"]
        values = yaml.safe_load((place / "values.yaml").read_text()) or {}
        for file in call.options("values"):
            values = _over(values, yaml.safe_load(Path(file).read_text()) or {})
        if values.get("fail"):
            advice = "\n\nUse --debug flag to render out invalid YAML\n"
            raise Failed(f"Error: execution error at ({name}/templates/web.yaml:3:4): {values['fail']}{advice}")
        if values.get("warn"):
            errors.append(f"coalesce.go:237: warning: {values['warn']}\n")
        known = {"Release": {"Name": release, "Namespace": call.option("namespace")}, "Values": values}
        definitions = sorted(place.glob("crds/*.yaml")) if "--include-crds" in call.arguments else []
        printed = [f"---\n# Source: {name}/crds/{file.name}\n{file.read_text()}" for file in definitions]
        hooks = []
        for file in sorted(place.glob("templates/*")):
            text = _filled(_with_included(file.read_text(), place, known), known)
            if file.name == "NOTES.txt":
                continue
            for part in re.split(r"^---$", text, flags=re.MULTILINE):
                target = hooks if "helm.sh/hook:" in part else printed
                target.append(f"---\n# Source: {name}/templates/{file.name}\n{part.strip()}\n")
        every = printed + hooks
        if only := call.options("show-only"):
            every = [part for part in every if any(part.startswith(f"---\n# Source: {name}/{one}\n") for one in only)]
            if not every:
                raise Failed(f"Error: could not find template {only[0]} in chart")
        return "".join(every)

    # -- kustomize ---------------------------------------------------------------------------------

    def _kustomize(self, call: Call, _errors: list[str]) -> str:
        match call.arguments:
            case ["version"]:
                return "v5.5.0"
            case ["build", folder] if folder.startswith("/"):
                return "---\n".join(_build(Path(folder)))
        raise Failed(f"Error: unknown command {call.arguments[0]!r}")


def _over(one, other):
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: _over(one.get(key), value) for key, value in other.items()}}


def _with_included(text, place, known):
    """Replace includes of other templates by their text as JSON; as in helm, the path of the file names a template."""

    def value(found):
        file = place / "templates" / found[1]
        if not file.exists():
            raise Failed(f"Error: template: no template {found[1]!r} associated with template {place.name!r}")
        return json.dumps(_filled(file.read_text(), known))

    return re.sub(r'\{\{ include \(print \$\.Template\.BasePath "/([\w.]+)"\) \. \| toJson \}\}', value, text)


def _filled(text, known):
    def value(found):
        if found[1] == "random":
            return secrets.token_hex(16)
        value = known
        for step in found[1].split(".")[1:]:
            value = value[step]
        return str(value)

    return re.sub(r"\{\{ ([\w.]+) \}\}", value, text)


def _build(folder):
    document = yaml.safe_load((folder / "kustomization.yaml").read_text())
    found = []
    for name in document.get("resources", []):
        if name.startswith("https://"):
            found.append(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: remote{len(found)}}}\n")
        elif not (folder / name).exists():
            raise Failed(f"Error: accumulating resources: {name}: no such file or directory\n")
        else:
            found += _build(folder / name) if (folder / name).is_dir() else [(folder / name).read_text()]
    return [text.replace("NAME", document.get("namePrefix", "NAME")) for text in found]


def write_chart(
    folder: Path, templates: dict[str, str], *, values: str = "", crds: dict[str, str] | None = None
) -> None:
    """Write a chart with the name of its folder; `templates` may contain a NOTES.txt."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {folder.name}\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text(values)
    for name, text in templates.items():
        (folder / "templates" / name).write_text(text)
    for name, text in (crds or {}).items():
        (folder / "crds").mkdir(exist_ok=True)
        (folder / "crds" / name).write_text(text)
