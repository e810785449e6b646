"""What Helm keeps in the cluster of a release: the manifest that it deployed (pkg/storage/driver, Secrets)."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import yaml

from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object


def deployed_manifest(connection: Connection, namespace: str, name: str) -> list[Object] | None:
    """Return the objects of a release's deployed revision, hooks left out; None where none is deployed.

    Raises:
        ClusterError: the cluster could not be asked.
    """
    selector = f"owner=helm,name={name},status=deployed"
    records = connection.list("v1", "Secret", namespace=namespace, labels=selector)
    if not records:
        return None
    latest = max(records, key=lambda record: int(record["metadata"]["labels"]["version"]))
    # The Secret's own encoding, around Helm's.
    packed = base64.b64decode(base64.b64decode(latest["data"]["release"]))
    release: dict[str, Any] = json.loads(gzip.decompress(packed))
    found = [obj for obj in yaml.safe_load_all(release.get("manifest") or "") if obj]
    return [_placed(connection, obj, namespace) for obj in found]


def _placed(connection: Connection, obj: Object, namespace: str) -> Object:
    """Return an object with the namespace that it went to."""
    if obj["metadata"].get("namespace") or not connection.resource(obj["apiVersion"], obj["kind"]).namespaced:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
