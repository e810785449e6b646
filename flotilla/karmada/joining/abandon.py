"""Removes a member that no longer exists from a control plane, without a request to the member."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from flotilla.errors import FlotillaError
from flotilla.karmada.names import CLUSTER_FINALIZER, WORK_FINALIZER, execution_namespace
from flotilla.karmada.objects import CLUSTER_API, WORK_API
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import ObjectRef, is_true, ref_of
from flotilla.waiting import pause

NOTICE_SECONDS = 240.0
"""The time that Karmada may need to notice that a member hangs (measured: over 80 s; 30 to 45 s if nothing listens)."""
LEAVE_SECONDS = 60.0
"""The time in which a member that isn't Ready may leave (measured: 20 s); after that, finalizers are removed."""
_POLL_SECONDS = 1.0
_TRIES = 5


@dataclass(frozen=True)
class Leftovers:
    """The objects for a member in a control plane."""

    works: tuple[ObjectRef, ...]
    """Works, which have finalizers."""
    running: tuple[ObjectRef, ...]
    """Objects that Karmada has sent to the member: they may still run there."""


def leftovers(connection: Connection, member: str) -> Leftovers:
    """Return the objects for a member in a control plane.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    works = connection.list(WORK_API, "Work", namespace=execution_namespace(member))
    sent = [
        ref_of(manifest)
        for work in works
        for manifest in ((work.get("spec") or {}).get("workload") or {}).get("manifests") or []
    ]
    names = tuple(ObjectRef(WORK_API, "Work", w["metadata"]["name"], w["metadata"]["namespace"]) for w in works)
    return Leftovers(names, tuple(sorted(set(sent))))


def await_not_ready(connection: Connection, member: str, say: Callable[[str], None]) -> None:
    """Wait until Karmada has noticed that a member doesn't answer: until then Karmada would still dial it.

    Raises:
        FlotillaError: the member stays Ready, so Karmada reaches it.
    """
    cluster = connection.find(ObjectRef(CLUSTER_API, "Cluster", member))
    if cluster is not None and is_true(cluster, "Ready"):
        say(f"Karmada still calls {member} Ready: waiting until it notices, up to {NOTICE_SECONDS:.0f} s")
    doing = f"waiting until Karmada notices that {member} does not answer"
    if stays_ready(connection, member, NOTICE_SECONDS, doing=doing):
        raise FlotillaError(
            f"{member} doesn't answer here, but Karmada calls it Ready, so Karmada reaches it",
            hint="nothing was changed; remove it from the stack file and run `up` where the member can be reached",
        )


def stays_ready(connection: Connection, member: str, seconds: float, *, doing: str) -> bool:
    """Wait until a member isn't Ready, or has no Cluster; return whether it stays Ready for the whole time.

    Raises:
        FlotillaError: the run was interrupted; `doing` says what it was waiting for.
    """
    ref = ObjectRef(CLUSTER_API, "Cluster", member)
    deadline = time.monotonic() + seconds
    while (cluster := connection.find(ref)) is not None and is_true(cluster, "Ready"):
        if time.monotonic() > deadline:
            return True
        if pause(_POLL_SECONDS):
            raise FlotillaError(f"interrupted while {doing}")
    return False


def remove_cluster(connection: Connection, member: str, cluster_id: str) -> None:
    """Delete a member's Cluster with its Works; if Karmada doesn't finish this, remove Karmada's finalizers.

    For a push member that isn't Ready, Karmada finishes it after some time; for a pull member only its agent would.

    Raises:
        FlotillaError: the Cluster with this name belongs to another cluster, or it still exists in the end.
    """
    ref = ObjectRef(CLUSTER_API, "Cluster", member)
    cluster = connection.find(ref)
    if cluster is None:  # its Works are deleted with it, unless somebody removed its finalizer
        for work in leftovers(connection, member).works:
            connection.delete(work, propagation="Background")
            release(connection, work, WORK_FINALIZER)
        return
    found = (cluster.get("spec") or {}).get("id")
    if found and cluster_id and found != cluster_id:
        raise FlotillaError(
            f"Cluster {member} is another cluster (UID {found}) than the one to abandon (UID {cluster_id})",
            hint="somebody has joined another cluster under this name: it isn't changed",
        )
    connection.delete(ref, propagation="Background", uid=cluster["metadata"]["uid"])
    if cluster["spec"].get("syncMode") != "Pull" and _gone(connection, ref, LEAVE_SECONDS):
        return
    if _gone(connection, ref, LEAVE_SECONDS / 2, meanwhile=lambda: _release_works(connection, member)):
        return
    release(connection, ref, CLUSTER_FINALIZER)
    if not _gone(connection, ref, LEAVE_SECONDS / 2):
        raise FlotillaError(
            f"Cluster {member} is still there",
            hint="run it again; `kubectl get cluster` shows which finalizers are left",
        )


def _gone(
    connection: Connection, ref: ObjectRef, seconds: float, *, meanwhile: Callable[[], None] = lambda: None
) -> bool:
    deadline = time.monotonic() + seconds
    while connection.find(ref) is not None:
        meanwhile()
        if time.monotonic() > deadline:
            return False
        if pause(_POLL_SECONDS):
            raise FlotillaError(f"interrupted while waiting for the deletion of {ref}; run the same command again")
    return True


def _release_works(connection: Connection, member: str) -> None:
    for work in leftovers(connection, member).works:
        release(connection, work, WORK_FINALIZER)


def release(connection: Connection, ref: ObjectRef, finalizer: str) -> None:
    """Remove one of Karmada's finalizers from an object; finalizers of others stay."""
    for _ in range(_TRIES):
        found = connection.find(ref)
        if found is None or finalizer not in (present := found["metadata"].get("finalizers") or []):
            return
        kept = [one for one in present if one != finalizer]
        body = {"metadata": {"finalizers": kept, "resourceVersion": found["metadata"]["resourceVersion"]}}
        try:
            connection.patch(ref, body)
        except ApiError as error:
            if not error.missing and error.status != HTTPStatus.CONFLICT:
                raise  # else it was deleted or changed meanwhile: the next look shows it
