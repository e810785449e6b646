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
"""How long Karmada may take to see that a member hangs (measured: over 80 s; where nothing listens 30 to 45 s)."""
LEAVE_SECONDS = 60.0
"""How long a member that is not Ready may take to leave (measured: 20 s); finalizers are removed after it."""
_POLL_SECONDS = 1.0
_TRIES = 5


@dataclass(frozen=True)
class Leftovers:
    """What a control plane has of a member."""

    works: tuple[ObjectRef, ...]
    """Works, which carry finalizers."""
    running: tuple[ObjectRef, ...]
    """Objects that Karmada sent to the member: they may still run there."""


def leftovers(connection: Connection, member: str) -> Leftovers:
    """Look at what a control plane has of a member.

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


def await_not_ready(connection: Connection, member: str, tell: Callable[[str], None]) -> None:
    """Wait until Karmada has noticed that a member does not answer: until then it would go on dialling it.

    Raises:
        FlotillaError: it stays Ready: Karmada reaches it.
    """
    cluster = connection.find(ObjectRef(CLUSTER_API, "Cluster", member))
    if cluster is not None and is_true(cluster, "Ready"):
        tell(f"Karmada still calls {member} Ready: waiting until it notices, up to {NOTICE_SECONDS:.0f} s")
    doing = f"waiting until Karmada notices that {member} does not answer"
    if stays_ready(connection, member, NOTICE_SECONDS, doing=doing):
        raise FlotillaError(
            f"{member} does not answer here, but Karmada calls it Ready, so that it reaches it",
            hint="nothing was changed; take it out of the stack file and run `up` where the member can be reached",
        )


def stays_ready(connection: Connection, member: str, seconds: float, *, doing: str) -> bool:
    """Wait until a member is not Ready, or has no Cluster; tell whether it is Ready to the end.

    Raises:
        FlotillaError: the run was interrupted while `doing` this.
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
    """Delete a member's Cluster with its Works; where nobody finishes these, take Karmada's finalizers off.

    For a member in push mode that is not Ready Karmada does it, in time; for one in pull mode only its agent would.

    Raises:
        FlotillaError: the Cluster of this name is another cluster's, or it is still there.
    """
    ref = ObjectRef(CLUSTER_API, "Cluster", member)
    cluster = connection.find(ref)
    if cluster is None:  # its Works go with it; where somebody has taken its finalizer off, they are still there
        for work in leftovers(connection, member).works:
            connection.delete(work, propagation="Background")
            release(connection, work, WORK_FINALIZER)
        return
    found = (cluster.get("spec") or {}).get("id")
    if found and cluster_id and found != cluster_id:
        raise FlotillaError(
            f"Cluster {member} is another cluster (UID {found}) than the one that is given up (UID {cluster_id})",
            hint="somebody has joined another cluster under this name: it is left alone",
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
    """Take one of Karmada's finalizers off an object; others are not ours to judge."""
    for _ in range(_TRIES):
        found = connection.find(ref)
        if found is None or finalizer not in (held := found["metadata"].get("finalizers") or []):
            return
        kept = [one for one in held if one != finalizer]
        body = {"metadata": {"finalizers": kept, "resourceVersion": found["metadata"]["resourceVersion"]}}
        try:
            connection.patch(ref, body)
        except ApiError as error:
            if not error.missing and error.status != HTTPStatus.CONFLICT:
                raise  # else it has gone or changed since: the next look tells
