"""Changes in members to copies that stay."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from flotilla.errors import ClusterError
from flotilla.karmada.keeping.marks import is_managed, unmarking_patch
from flotilla.karmada.objects import CLUSTER_API
from flotilla.karmada.reaching import reach
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, is_true, ref_of
from flotilla.kube.several import find_served, find_several

_AT_ONCE = 8


def free(member: Connection, ref: ObjectRef, *, managed: bool = False) -> None:
    """Remove the marks from one copy; a copy that Karmada still manages is skipped unless `managed`.

    Raises:
        ClusterError: the member rejected the change.
    """
    try:
        _free(member, member.find(ref), managed=managed)
    except KindNotServed:
        return


def _free(member: Connection, copy: Object | None, *, managed: bool = False) -> None:
    if copy is None or copy["metadata"].get("deletionTimestamp") or (is_managed(copy) and not managed):
        return
    body = unmarking_patch(copy)
    if body is None:
        return
    patched(member, ref_of(copy), body)


def patched(connection: Connection, ref: ObjectRef, body: Object) -> None:
    """Merge a change into an object, if it exists.

    Raises:
        ClusterError: the cluster rejected the change.
    """
    try:
        connection.patch(ref, body, query={"fieldManager": "flotilla"})
    except ApiError as error:
        if not error.missing:
            raise


def free_copies(control_plane: Connection, templates: Iterable[ObjectRef]) -> dict[str, str]:
    """Remove the marks from the copies of deleted templates, in every Ready member.

    Returns:
        By member, the reason why its copies could not be checked.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    gone = [ref for ref in templates if not is_in_use(control_plane, ref)]
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
    """Remove the marks from some copies in one member.

    Raises:
        ClusterError: the member could not be asked, or rejected a change.
    """
    for found in find_several(member, refs).values():
        _free(member, found, managed=managed)


def is_in_use(control_plane: Connection, template: ObjectRef) -> bool:
    """Return whether a template exists and isn't being deleted, because another workload has it now."""
    found = find_served(control_plane, template)
    return found is not None and not found["metadata"].get("deletionTimestamp")
