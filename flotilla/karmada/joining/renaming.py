"""A member that gets another name, without a change in its copies.

Karmada can't rename a Cluster, and a Cluster that leaves takes its copies along, unless Karmada does not reach the
member: then it lets the Works go and leaves the member alone (handleWorkDelete in its execution controller). So Karmada
loses its access under the former name first. The Cluster of the new name joins with an access of its own and applies
the same objects, which still carry Karmada's mark; then the former Cluster goes.
"""

from __future__ import annotations

from flotilla.errors import FlotillaError
from flotilla.karmada.joining.abandon import NOTICE_SECONDS, is_ready_until
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, is_true


def cut_access(connection: Connection, former: str, cluster_id: str) -> None:
    """Take Karmada's credentials for a member under its former name away, and wait until Karmada has noticed.

    A Cluster that is not there, or is another cluster, is left alone. So is one in pull mode: its agent becomes the
    agent of the new name (see `await_former_agent`).

    Raises:
        FlotillaError: Karmada still reaches the member under its former name.
    """
    cluster = _former(connection, former, cluster_id)
    if cluster is None or cluster["spec"].get("syncMode") == "Pull":
        return
    for key in ("secretRef", "impersonatorSecretRef"):
        reference = cluster["spec"].get(key)
        if reference:
            connection.delete(ObjectRef("v1", "Secret", reference["name"], reference["namespace"]))
    _await_not_ready(connection, former, "somebody may have made the Secrets of its Cluster anew")


def await_former_agent(connection: Connection, former: str, cluster_id: str) -> None:
    """Wait until the agent of a member's former name has ended: until then it would delete the copies.

    Raises:
        FlotillaError: it still reports.
    """
    if _former(connection, former, cluster_id) is not None:
        _await_not_ready(connection, former, "its former agent still runs: look at Deployment karmada-agent")


def lives_on(connection: Connection, member: str, cluster_id: str) -> bool:
    """Tell whether a member's cluster has joined under another name, and is not reached under this one any more.

    What it runs belongs to the other name then.
    """
    if not cluster_id:
        return False
    same = [c for c in connection.list(CLUSTER_API, "Cluster") if (c.get("spec") or {}).get("id") == cluster_id]
    here = [cluster for cluster in same if cluster["metadata"]["name"] == member]
    return len(same) > len(here) and not any(is_true(cluster, "Ready") for cluster in here)


def _former(connection: Connection, former: str, cluster_id: str) -> Object | None:
    cluster = connection.find(ObjectRef(CLUSTER_API, "Cluster", former))
    return cluster if cluster and cluster_id and (cluster.get("spec") or {}).get("id") == cluster_id else None


def _await_not_ready(connection: Connection, former: str, hint: str) -> None:
    doing = f"waiting until Karmada no longer reaches {former}, which gets another name"
    if is_ready_until(connection, former, NOTICE_SECONDS, doing=doing):
        raise FlotillaError(
            f"Karmada still reaches {former} after {NOTICE_SECONDS:.0f} s: if it left now, its copies would be deleted",
            hint=f"{hint}; run the same command again",
        )
