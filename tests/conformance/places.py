"""Places for the resources of a case: a folder of files, or a namespace of a real cluster."""

import base64
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from flotilla.kube.operations import Scope
from flotilla.sandbox.clusters import SandboxCluster

CHART = Path(__file__).with_name("chart")
"""A small Helm chart."""

_KINDS = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
)
_OF_EVERY_NAMESPACE = ("kube-root-ca.crt", "default")
_HELMS_OWN = "helm.sh/release.v1"
# Values that the API server generates, which differ in every run.
_GENERATED = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink")
_CREDENTIALS = ("token", "ca.crt")
_IDENTITY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Folder:
    """A folder of files, used instead of a cluster."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.handle = path

    def contents(self) -> dict[str, Any]:
        """Return the contents of all files, by name."""
        return {f.name: self.scrubbed(json.loads(f.read_text())) for f in sorted(self.handle.glob("*.json"))}

    def scrubbed(self, value: Any) -> Any:
        """Return a value without the parts that differ between runs."""
        return json.loads(re.sub(re.escape(str(self.handle)), "FILES", json.dumps(value)))


class Namespace:
    """A namespace of a cluster; programs and manual changes get this object as their argument."""

    def __init__(self, connection: Connection, kubeconfig: str, name: str) -> None:
        self.connection = connection
        self.kubeconfig = kubeconfig
        self.name = name
        self.handle = self

    def ref(self, api_version: str, kind: str, name: str) -> ObjectRef:
        """Return a reference to an object in the namespace."""
        return ObjectRef(api_version, kind, name, self.name)

    def version(self) -> str:
        """Return the resource version from which `history` can start."""
        (page,) = self.connection.pages("v1", "ConfigMap", Scope(self.name))
        return page.resource_version

    def history(self, version: str) -> list[str]:
        """Return which ConfigMaps were created and deleted since a version, in order."""
        events = self.connection.watch("v1", "ConfigMap", resource_version=version, namespace=self.name, seconds=1)
        named = [(event["type"], event["object"]["metadata"].get("name")) for event in events]
        return [
            f"{kind} {name}" for kind, name in named if kind in ("ADDED", "DELETED") and name not in _OF_EVERY_NAMESPACE
        ]

    def contents(self) -> dict[str, Any]:
        """Return all objects that a case can create, by kind and name, without values that the server generates."""
        found = {}
        for api_version, kind in _KINDS:
            for obj in self.connection.list(api_version, kind, namespace=self.name):
                name = obj["metadata"]["name"]
                if name not in _OF_EVERY_NAMESPACE and obj.get("type") != _HELMS_OWN:
                    whole = {"apiVersion": api_version, "kind": kind, **obj}
                    found[f"{kind}/{name}"] = {key: value for key, value in whole.items() if key != "status"}
        scrubbed: dict[str, Any] = self.scrubbed(found)
        return dict(sorted(scrubbed.items()))

    def scrubbed(self, value: Any) -> Any:
        """Return a value without the parts that differ between runs."""
        text = json.dumps(_without_generated(value))
        shown = {json.dumps(self.kubeconfig)[1:-1]: "KUBECONFIG", self.name: "NAMESPACE", str(CHART): "CHART"}
        shown[base64.b64encode(self.name.encode()).decode()] = "NAMESPACE IN BASE64"
        for stored, name in shown.items():
            text = text.replace(stored, name)
        text = _IDENTITY.sub("IDENTITY", text)
        return json.loads(re.sub(r"(?<=-)[0-9a-f]{8}(?=\")", "RANDOM", text))


@contextmanager
def namespace_in(cluster: SandboxCluster) -> Iterator[Namespace]:
    """Create a namespace for one case; delete it afterwards."""
    name = f"case-{uuid.uuid4().hex[:6]}"
    connection = cluster.connection()
    connection.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, field_manager="conformance"
    )
    try:
        yield Namespace(connection, cluster.kubeconfig.read_text(), name)
    finally:
        connection.delete(ObjectRef("v1", "Namespace", name), propagation="Background")


def _without_generated(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_generated(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, entry in value.items():
        if key == "metadata" and isinstance(entry, dict):
            entry = {k: v for k, v in entry.items() if k not in _GENERATED}  # noqa: PLW2901
        if key == "__fieldManager" or key in _CREDENTIALS:
            kept[key] = key.strip("_").upper()
        elif key != "status":
            kept[key] = _without_generated(entry)
    return kept
