"""Helm releases (`kubernetes:helm.sh/v3:Release`) through the installed `helm` command."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yaml import safe_dump

from flotilla.errors import EngineError
from flotilla.kube import children, yaml
from flotilla.kube.objects import differences
from flotilla.kube.secrecy import redacted, remember_value
from flotilla.providers import Live
from flotilla.providers.releases import (
    DEFAULT_SECONDS,
    FLAGS,
    KNOWN,
    REPOSITORY,
    TEXTS,
    UPGRADE_FLAGS,
    completed,
    outputs_of,
)
from flotilla.stack.charts import INSTALL_HELM
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change, Diff, compare
from flotilla.state.urns import name_of
from flotilla.state.values import Properties, has_unknown, reveal

_LABEL = "flotilla-creation"
_REPLACES = ("name", "namespace")
_OF_CHART = ("version", "keyring")


class HelmProvider:
    """Releases in one cluster. Values and credentials are passed in private files, never as arguments."""

    def __init__(self, kubeconfig: Callable[[], str]) -> None:
        """Keep the function that returns the kubeconfig; in a preview, where it may be unknown, it isn't called."""
        self._kubeconfig = kubeconfig

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Generate a name if the program gives none, as Pulumi's provider does; refuse unsupported options."""
        if inputs.get("chart") in (None, ""):
            raise EngineError(f"{urn}: chart is required", hint="give a chart's name, path or oci:// reference")
        unknown = sorted(key for key, value in inputs.items() if key not in KNOWN and value)
        more = inputs.get("repositoryOpts") if isinstance(inputs.get("repositoryOpts"), dict) else {}
        wanted = (key for key, value in (more or {}).items() if value)
        unknown += sorted(f"repositoryOpts.{key}" for key in wanted if key not in REPOSITORY)
        if unknown:
            raise EngineError(
                f"{urn}: the embedded engine doesn't know {', '.join(unknown)} of a Release", hint="use --engine pulumi"
            )
        before = reveal(old.inputs) if old else {}
        name = inputs.get("name") or before.get("name") or f"{name_of(urn)}-{secrets.token_hex(4)}"
        whole = completed({**inputs, "name": name})
        return whole if has_unknown(inputs) else {**whole, "version": self._version(whole)}

    def _version(self, inputs: Properties) -> str:
        """Return the version of the requested chart; the input may be a range of versions, or empty.

        If the chart can't be read, the input is returned: a preview works without it, and `up` fails at the chart.
        """
        program = shutil.which("helm")
        if program is None:
            return str(inputs["version"])
        command = [program, "show", "chart", str(inputs["chart"]), *_chart_arguments(inputs)]
        environment = children.environment()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return str(yaml.load(done.stdout)["version"]) if not done.returncode else str(inputs["version"])

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Compare inputs; a release can't be renamed or moved."""
        before, wanted = completed(reveal(old.inputs)), completed(inputs)
        # An older state may lack the version in its inputs, and a plan that can't read the chart has no new version.
        version = before["version"] or (reveal(old.outputs).get("status") or {}).get("version", "")
        changes = compare({**before, "version": version}, {**wanted, "version": wanted["version"] or version})
        marked = [Change(c.path, c.kind, c.old, c.new, replaces=c.path[0] in _REPLACES) for c in changes]
        return Diff(tuple(marked))

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Return no warning: helm isn't asked in a preview."""
        return ""

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Install the release; helm itself refuses a release that exists already."""
        with self._session(inputs) as helm:
            helm.run("install", *_arguments(inputs, timeout), "--labels", f"{_LABEL}={adopt}")
            return helm.live(inputs)

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Upgrade the release; if an interrupted run left it in the middle of an operation, roll that back first."""
        with self._session(inputs) as helm:
            status = helm.status() or {}
            if str((status.get("info") or {}).get("status", "")).startswith("pending"):
                if int(status.get("version", 1)) == 1:
                    helm.run("uninstall", str(inputs["name"]), "--wait")
                    helm.run("install", *_arguments(inputs, timeout), "--labels", f"{_LABEL}={self.creation_token()}")
                    return helm.live(inputs)
                helm.run("rollback", str(inputs["name"]), "--wait")
            helm.run("upgrade", *_arguments(inputs, timeout, upgrade=True))
            return helm.live(inputs)

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Uninstall the release and wait until its objects are gone."""
        inputs = reveal(old.inputs)
        with self._session(inputs) as helm:
            if helm.status() is not None:
                seconds = int(timeout or inputs.get("timeout") or DEFAULT_SECONDS)
                helm.run("uninstall", str(inputs["name"]), "--wait", f"--timeout={seconds}s")

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Read the release from helm; the inputs get the values and the chart's version that are deployed now."""
        if old is None:
            raise EngineError(f"{urn}: a release that the state doesn't have can't be read", hint="use --engine pulumi")
        inputs = completed(reveal(old.inputs))
        with self._session(inputs) as helm:
            found = helm.status()
            if found is None:
                return Live("", {})
            return helm.live(inputs, deployed=found)

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find the release of an interrupted creation, by its label."""
        with self._session(inputs) as helm:
            if not helm.has_label(f"{_LABEL}={token}"):
                return Live("", {})
            return helm.live(inputs)

    def creation_token(self) -> str:
        """Return the value of a label by which an interrupted creation is recognised."""
        return f"flotilla-{secrets.token_hex(6)}"

    @contextmanager
    def _session(self, inputs: Properties) -> Iterator[_Session]:
        program = shutil.which("helm")
        if program is None:
            raise EngineError(f"release {inputs['name']} needs the helm command", hint=INSTALL_HELM)
        with tempfile.TemporaryDirectory(prefix="flotilla-helm-") as folder:
            yield _Session(program, Path(folder), self._kubeconfig(), inputs)


class _Session:
    """One release, for as long as its temporary files exist."""

    def __init__(self, program: str, folder: Path, kubeconfig: str, inputs: Properties) -> None:
        self._program = program
        self._name = str(inputs["name"])
        self._namespace = str(inputs["namespace"])
        self._environment = children.environment(KUBECONFIG=str(_private(folder / "kubeconfig", kubeconfig)))
        remember_value(inputs.get("values"))
        self._values = _private(folder / "values.yaml", safe_dump(inputs.get("values") or {}))

    def run(self, verb: str, *arguments: str) -> str:
        """Run helm; if it fails, the error contains its last line."""
        command = [self._program, verb, *arguments, f"--namespace={self._namespace}"]
        if verb in ("install", "upgrade"):
            command.append(f"--values={self._values}")
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
            raise EngineError(f"helm {verb} {self._name}: {redacted(said[0].removeprefix('Error: '))}")
        return done.stdout

    def status(self) -> Properties | None:
        """Return helm's status of the release; None if the release does not exist."""
        try:
            found: Properties = json.loads(self.run("status", self._name, "--output=json"))
        except EngineError as error:
            if "release: not found" in error.message:
                return None
            raise
        return found

    def has_label(self, label: str) -> bool:
        """Return whether the release has a label."""
        listed = self.run("list", "--all", f"--selector={label}", f"--filter=^{self._name}$", "--output=json")
        return bool(json.loads(listed))

    def live(self, inputs: Properties, *, deployed: Properties | None = None) -> Live:
        """Return the release as a resource.

        Args:
            inputs: the declared inputs.
            deployed: helm's status; the deployed values and version replace differing inputs.
        """
        found = deployed or self.status() or {}
        listed = json.loads(self.run("list", "--all", f"--filter=^{self._name}$", "--output=json"))
        entry = listed[0] if listed else {}
        name, _, version = str(entry.get("chart", "")).rpartition("-")
        chart = {"name": name, "version": version, "appVersion": entry.get("app_version")}
        seen = inputs
        if deployed:
            values = found.get("config") or {}
            if differences(inputs.get("values") or {}, values) or differences(values, inputs.get("values") or {}):
                seen = {**seen, "values": values}
            if inputs.get("version") and version and inputs["version"] != version:
                seen = {**seen, "version": version}
        return Live(f"{self._namespace}/{self._name}", outputs_of(seen, found, chart), seen)


def _private(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def _arguments(inputs: Properties, timeout: float | None, *, upgrade: bool = False) -> list[str]:
    """Return helm's arguments for an installation or an upgrade, which contain no secrets."""
    given: list[str] = [str(inputs["name"]), str(inputs["chart"])]
    given += [flag for key, flag in FLAGS.items() if inputs.get(key)]
    given += [f"{flag}={inputs[key]}" for key, flag in TEXTS.items() if inputs.get(key) and key not in _OF_CHART]
    given += _chart_arguments(inputs)
    if upgrade:
        given += [flag for key, flag in UPGRADE_FLAGS.items() if inputs.get(key)]
        given += [f"--history-max={int(inputs['maxHistory'])}"] if inputs.get("maxHistory") else []
    if not inputs.get("skipAwait"):
        given.append("--wait")
    return [*given, f"--timeout={int(timeout or inputs.get('timeout') or DEFAULT_SECONDS)}s"]


def _chart_arguments(inputs: Properties) -> list[str]:
    """Return helm's arguments for the chart's version and repository."""
    repository: dict[str, Any] = inputs.get("repositoryOpts") or {}
    given = [f"{TEXTS[key]}={inputs[key]}" for key in _OF_CHART if inputs.get(key)]
    return [*given, *(f"{flag}={repository[key]}" for key, flag in REPOSITORY.items() if repository.get(key))]
