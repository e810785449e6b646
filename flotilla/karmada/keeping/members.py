"""Members, as they are reached from a control plane alone, and what is done there to copies that stay."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.keeping.marks import freeing, is_managed
from flotilla.karmada.names import CLUSTER_NAMESPACE, proxy_path
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, is_true, ref_of
from flotilla.kube.several import find_served, find_several

_SECONDS = 5.0
_AT_ONCE = 8


def stored_access(control_plane: Connection, cluster: Object) -> Object:
    """Return the kubeconfig by which Karmada reaches a member: the endpoint of its Cluster, and its Secret's token.

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
    """Return a connection to a member: through Karmada's proxy, else as Karmada dials it; None where none answers."""
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


def free(member: Connection, ref: ObjectRef, *, managed: bool = False) -> None:
    """Take the marks off one copy; one that Karmada still manages is left alone unless `managed`.

    Raises:
        ClusterError: the member did not take the change.
    """
    try:
        _free(member, member.find(ref), managed=managed)
    except KindNotServed:
        return


def _free(member: Connection, copy: Object | None, *, managed: bool = False) -> None:
    if copy is None or copy["metadata"].get("deletionTimestamp") or (is_managed(copy) and not managed):
        return
    body = freeing(copy)
    if body is None:
        return
    patched(member, ref_of(copy), body)


def patched(connection: Connection, ref: ObjectRef, body: Object) -> None:
    """Merge a change into an object, where it is there.

    Raises:
        ClusterError: the cluster did not take the change.
    """
    try:
        connection.patch(ref, body, query={"fieldManager": "flotilla"})
    except ApiError as error:
        if not error.missing:
            raise


def free_copies(control_plane: Connection, templates: Iterable[ObjectRef]) -> dict[str, str]:
    """Take the marks off the copies of deleted templates, in every Ready member.

    Returns:
        By member, why its copies could not be looked at.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    gone = [ref for ref in templates if not stands(control_plane, ref)]
    ready = [one for one in control_plane.list(CLUSTER_API, "Cluster") if is_true(one, "Ready")]
    if not gone or not ready:
        return {}

    def in_member(cluster: Object) -> tuple[str, str]:
        name = str(cluster["metadata"]["name"])
        member = reach(control_plane, cluster)
        if member is None:
            return name, "it is reached neither through Karmada nor directly"
        try:
            free_in(member, gone)
        except ClusterError as error:
            return name, error.message
        return name, ""

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="freeing") as pool:
        return {name: why for name, why in pool.map(in_member, ready) if why}


def free_in(member: Connection, refs: Iterable[ObjectRef], *, managed: bool = False) -> None:
    """Take the marks off some copies in one member.

    Raises:
        ClusterError: the member could not be asked, or did not take a change.
    """
    for found in find_several(member, refs).values():
        _free(member, found, managed=managed)


def stands(control_plane: Connection, template: ObjectRef) -> bool:
    """Tell whether a template is there and stays, because another workload has it now."""
    found = find_served(control_plane, template)
    return found is not None and not found["metadata"].get("deletionTimestamp")
