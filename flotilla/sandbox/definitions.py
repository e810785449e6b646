"""The objects that Karmada's API server needs before its controllers, real or stand-in, start."""

from __future__ import annotations

from flotilla.errors import ClusterError
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, is_true
from flotilla.sandbox.processes import wait_until

SYSTEM_NAMESPACE = "karmada-system"
_FIELD_MANAGER = "flotilla-sandbox"
_SECONDS = 60
_ADMINISTRATOR = "kwok-admin"  # the subject of the certificate that kwokctl makes


def apply(connection: Connection, obj: Object) -> None:
    """Apply an object of the sandbox."""
    connection.apply(obj, field_manager=_FIELD_MANAGER, force=True)


def prepare(connection: Connection, definitions: list[Object]) -> None:
    """Create Karmada's namespaces and kinds, and wait until the kinds are served."""
    for name in (SYSTEM_NAMESPACE, CLUSTER_NAMESPACE):
        apply(connection, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for definition in definitions:
        apply(connection, definition)
    for definition in definitions:
        ref = ObjectRef(definition["apiVersion"], definition["kind"], definition["metadata"]["name"])
        wait_until(
            lambda ref=ref: is_true(connection.get(ref), "Established"),
            seconds=_SECONDS,
            doing=f"waiting for the CRD {ref.name}",
        )


def allow_proxy(connection: Connection) -> None:
    """Let the sandbox's administrator use Karmada's cluster proxy, as Karmada's installers do for their administrators.

    From this binding, Karmada reads which users its account in the members may impersonate.
    """
    name = "cluster-proxy-admin"
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["cluster.karmada.io"], "resources": ["clusters/proxy"], "verbs": ["*"]}
    metadata = {"name": name}
    apply(connection, {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]})
    apply(
        connection,
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": _ADMINISTRATOR}],
        },
    )


def serves_clusters(connection: Connection) -> bool:
    """Return whether Karmada's API answers; its kind Cluster is the last one that is served."""
    try:
        connection.list(CLUSTER_API, "Cluster")
    except ClusterError:
        return False
    return True
