"""Waits until a pull-mode member is Ready, and drains it before it leaves."""

from __future__ import annotations

import time

from flotilla.counts import counted
from flotilla.errors import FlotillaError
from flotilla.karmada.names import execution_namespace
from flotilla.karmada.objects import CLUSTER_API, WORK_API
from flotilla.karmada.status.kept import KEPT_REMEDY, why_unfinished
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef, condition, is_true
from flotilla.waiting import pause

_POLL_SECONDS = 0.5
_SETTLED_LOOKS = 3


def await_member(connection: Connection, member: str, seconds: float) -> None:
    """Wait until a member is Ready.

    Raises:
        FlotillaError: it isn't Ready in time; the message says why.
    """
    ref = ObjectRef(CLUSTER_API, "Cluster", member)
    deadline = time.monotonic() + seconds
    while True:
        cluster = connection.find(ref)
        if cluster and is_true(cluster, "Ready"):
            return
        if time.monotonic() > deadline:
            ready = (condition(cluster, "Ready") or {}) if cluster else {}
            why = ready.get("message") or ready.get("reason") or "its agent has not reported yet"
            raise FlotillaError(
                f"member {member} is not Ready after {seconds:.0f} s: {why}",
                hint="look at the logs of Deployment karmada-agent in the member: can its pods reach Karmada?",
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError(f"interrupted while waiting for member {member} to be Ready")


def drain(connection: Connection, member: str, seconds: float) -> None:
    """Have the agent delete what it runs for Karmada, while it still has the right to.

    The deletion of a Cluster also deletes its execution namespace, and with it the agent's right to finish the Works
    there; so the Works are deleted first. A member that is in push mode now, or doesn't exist any more, is skipped: it
    keeps its workloads.

    Raises:
        FlotillaError: some Works were not deleted in time; the message names them.
    """
    ref = ObjectRef(CLUSTER_API, "Cluster", member)
    cluster = connection.find(ref)
    if cluster is None or (cluster.get("spec") or {}).get("syncMode") != "Pull":
        return
    namespace = execution_namespace(member)
    deadline = time.monotonic() + seconds
    quiet = 0
    while quiet < _SETTLED_LOOKS:
        works = connection.list(WORK_API, "Work", namespace=namespace)
        # Karmada may create the Works of Namespaces again; there must be none for several looks in a row.
        quiet = 0 if works else quiet + 1
        for work in works:
            meta = work["metadata"]
            if not meta.get("deletionTimestamp"):
                connection.delete(ObjectRef(WORK_API, "Work", meta["name"], namespace), propagation="Background")
        if time.monotonic() > deadline:
            names = ", ".join(sorted(work["metadata"]["name"] for work in works)[:5])
            kept = why_unfinished(works)
            if kept:
                raise FlotillaError(f"member {member} can't leave after {seconds:.0f} s: {kept}", hint=KEPT_REMEDY)
            raise FlotillaError(
                f"member {member} still has {counted(len(works), 'Work')} after {seconds:.0f} s: {names}",
                hint="is its agent running? If the member no longer exists, remove the Works' finalizers",
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError(
                f"interrupted while waiting for member {member} to finish its {counted(len(works), 'Work')}"
            )
