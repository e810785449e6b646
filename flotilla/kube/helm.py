"""The record that Helm keeps of a release in the cluster (pkg/storage/driver, Secrets)."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

from flotilla.errors import ClusterError
from flotilla.kube import yaml
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object


@dataclass(frozen=True)
class Release:
    """One revision of a release."""

    status: str
    """deployed, failed, superseded, uninstalling, pending-install, pending-upgrade or pending-rollback."""
    revision: int
    manifest: str
    """The deployed objects as YAML, without hooks."""
    hooks: tuple[dict[str, Any], ...]
    """Each with kind, events and manifest."""


def latest_release(connection: Connection, namespace: str, name: str, *, status: str = "") -> Release | None:
    """Return a release's newest revision, of one status if that is given; None if there is no such revision.

    Raises:
        ClusterError: the cluster did not answer, or refused.
    """
    selector = f"owner=helm,name={name}" + (f",status={status}" if status else "")
    records = connection.list("v1", "Secret", namespace=namespace, labels=selector)
    if not records:
        return None
    latest = max(records, key=lambda record: int(record["metadata"]["labels"]["version"]))
    # The Secret's own base64 encoding, around Helm's.
    packed = base64.b64decode(base64.b64decode(latest["data"]["release"]))
    record: dict[str, Any] = json.loads(gzip.decompress(packed))
    return Release(
        status=str((record.get("info") or {}).get("status", "")),
        revision=int(record.get("version", 1)),
        manifest=record.get("manifest") or "",
        hooks=tuple(record.get("hooks") or ()),
    )


def deployed_manifest(connection: Connection, namespace: str, name: str) -> list[Object] | None:
    """Return the objects of a release's deployed revision, without hooks; None if no revision is deployed.

    Raises:
        ClusterError: the cluster did not answer, or refused.
    """
    release = latest_release(connection, namespace, name, status="deployed")
    if release is None:
        return None
    try:
        found = [obj for obj in yaml.load_all(release.manifest) if obj]
    except yaml.YamlError as error:
        what = f"{connection.name}: the manifest of release {namespace}/{name}"
        raise ClusterError(f"{what} is not valid YAML: {error.message}") from None
    return [_placed(connection, obj, namespace) for obj in found]


def _placed(connection: Connection, obj: Object, namespace: str) -> Object:
    """Return an object with the namespace that Helm created it in."""
    if obj["metadata"].get("namespace") or not connection.resource(obj["apiVersion"], obj["kind"]).namespaced:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
