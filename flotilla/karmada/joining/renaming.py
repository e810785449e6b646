"""A member that gets another name, without a change in its copies.

Karmada can't rename a Cluster, and a Cluster that leaves takes its copies along, unless Karmada does not reach the
member: then it lets the Works go and leaves the member alone (handleWorkDelete in its execution controller). So Karmada
loses its access under the former name first. The Cluster of the new name joins with an access of its own and applies
the same objects, which still carry Karmada's mark; then the former Cluster goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.errors import FlotillaError
from flotilla.karmada.joining.abandon import NOTICE_SECONDS, stays_ready
from flotilla.karmada.joining.agent import DEPLOYMENT
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, is_true


@dataclass(frozen=True)
class Agent:
    """Where the agent of a pull-mode member runs."""

    member: Connection
    namespace: str


def cut_access(connection: Connection, former: str, cluster_id: str, agent: Agent | None = None) -> None:
    """Take Karmada's access to a member under its former name away, and wait until Karmada has noticed.

    In push mode the Secrets of the Cluster are deleted. In pull mode the agent is stopped; it starts again under the
    new name. A Cluster that is not there, or is another cluster, is left alone.

    Args:
        connection: the control plane.
        former: the member's name before.
        cluster_id: the member's UID.
        agent: where the agent runs, in pull mode.

    Raises:
        FlotillaError: Karmada still reaches the member under its former name.
        ClusterError: the member or the control plane did not take the change.
    """
    if take_access(connection, former, cluster_id, agent):
        await_cut_off(connection, former)


def take_access(connection: Connection, former: str, cluster_id: str, agent: Agent | None = None) -> bool:
    """Take Karmada's access to a member away, as `cut_access` does, and don't wait. Tell whether the Cluster is there.

    Raises:
        ClusterError: the member or the control plane did not take the change.
    """
    cluster = connection.find(ObjectRef(CLUSTER_API, "Cluster", former))
    if cluster is None or not cluster_id or (cluster.get("spec") or {}).get("id") != cluster_id:
        return False
    if cluster["spec"].get("syncMode") != "Pull":
        _delete_secrets(connection, cluster["spec"])
    elif agent:
        _stop(agent)
    return True


def await_cut_off(connection: Connection, former: str) -> None:
    """Wait until Karmada has noticed that it has no access to a member any more.

    Raises:
        FlotillaError: it still reaches the member.
    """
    doing = f"waiting until Karmada no longer reaches {former}, which is about to leave under this name"
    if stays_ready(connection, former, NOTICE_SECONDS, doing=doing):
        raise FlotillaError(
            f"Karmada still reaches {former} after {NOTICE_SECONDS:.0f} s: if it left now, its copies would be deleted",
            hint="run the same command again; somebody may have started its agent, or made its Secrets, anew",
        )


def _stop(agent: Agent) -> None:
    ref = ObjectRef("apps/v1", "Deployment", DEPLOYMENT, agent.namespace)
    if agent.member.find(ref) is not None:
        agent.member.patch(ref, {"spec": {"replicas": 0}})


def _delete_secrets(connection: Connection, spec: Object) -> None:
    for key in ("secretRef", "impersonatorSecretRef"):
        reference = spec.get(key)
        if reference:
            connection.delete(ObjectRef("v1", "Secret", reference["name"], reference["namespace"]))


def lives_on(connection: Connection, member: str, cluster_id: str) -> bool:
    """Return whether a member's cluster has joined under another name, and is not reached under this one any more.

    What it runs belongs to the other name then.
    """
    if not cluster_id:
        return False
    same = [c for c in connection.list(CLUSTER_API, "Cluster") if (c.get("spec") or {}).get("id") == cluster_id]
    here = [cluster for cluster in same if cluster["metadata"]["name"] == member]
    return len(same) > len(here) and not any(is_true(cluster, "Ready") for cluster in here)
