"""Connections to members when only the control plane is known: through Karmada's proxy, or as Karmada itself dials."""

from __future__ import annotations

import base64
from collections.abc import Callable

from flotilla.errors import FlotillaError
from flotilla.karmada.names import CLUSTER_NAMESPACE, proxy_path
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef

_SECONDS = 5.0


def stored_access(control_plane: Connection, cluster: Object) -> Object:
    """Return the kubeconfig by which Karmada reaches a member: the endpoint of its Cluster and the token of its Secret.

    Raises:
        FlotillaError: the Secret isn't there.
        ClusterError: the control plane could not be asked.
    """
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    reference = spec.get("secretRef") or {}
    secret = control_plane.find(
        ObjectRef("v1", "Secret", reference.get("name", ""), reference.get("namespace", CLUSTER_NAMESPACE))
    )
    if secret is None:
        raise FlotillaError(f"the Secret {reference.get('name')!r} of the Cluster isn't there")
    data = secret.get("data") or {}
    endpoint: Object = {"server": spec.get("apiEndpoint", "")}
    if spec.get("insecureSkipTLSVerification"):
        endpoint["insecure-skip-tls-verify"] = True
    elif data.get("caBundle"):
        endpoint["certificate-authority-data"] = data["caBundle"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": endpoint}],
        "users": [{"name": name, "user": {"token": base64.b64decode(data.get("token", "")).decode()}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def reach(control_plane: Connection, cluster: Object) -> Connection | None:
    """Return a connection to a member, through Karmada's proxy or as Karmada dials it; None if neither answers."""
    name = cluster["metadata"]["name"]
    ways: tuple[Callable[[], Connection], ...] = (
        lambda: control_plane.below(proxy_path(name), name=name),
        lambda: Connection(stored_access(control_plane, cluster), name=name, timeout=_SECONDS),
    )
    for connect in ways:
        try:
            connection = connect()
            connection.request("GET", "/version", doing="asking for the version", timeout=_SECONDS)
        except (FlotillaError, ValueError):
            continue
        return connection
    return None
