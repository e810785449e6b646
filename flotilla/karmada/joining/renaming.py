"""A member that gets another name, without a change of its copies.

Karmada can't rename a Cluster. When a Cluster leaves, Karmada deletes its copies, unless it doesn't reach the member:
then it deletes the Works and leaves the member unchanged (handleWorkDelete in its execution controller). So Karmada
first loses its access under the former name. Then the Cluster with the new name joins with a new access and gets the
same objects, which still have Karmada's mark; finally the former Cluster leaves.
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
    """The agent of a pull-mode member, and where it runs."""

    member: Connection
    namespace: str


def cut_access(connection: Connection, former: str, cluster_id: str, agent: Agent | None = None) -> None:
    """Remove Karmada's access to a member under its former name, and wait until Karmada has noticed.

    In push mode the Secrets of the Cluster are deleted. In pull mode the agent is stopped; it starts again under the
    new name. A Cluster that doesn't exist, or belongs to another cluster, isn't changed.

    Args:
        connection: a connection to the control plane.
        former: the former name of the member.
        cluster_id: the member's UID.
        agent: the agent, in pull mode.

    Raises:
        FlotillaError: Karmada still reaches the member under its former name.
        ClusterError: the member or the control plane rejected the change.
    """
    if take_access(connection, former, cluster_id, agent):
        await_cut_off(connection, former)


def take_access(connection: Connection, former: str, cluster_id: str, agent: Agent | None = None) -> bool:
    """Remove Karmada's access to a member like `cut_access`, without waiting; return whether it had a Cluster.

    Raises:
        ClusterError: the member or the control plane rejected the change.
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
    """Wait until Karmada has noticed that it no longer has access to a member.

    Raises:
        FlotillaError: Karmada still reaches the member.
    """
    doing = f"waiting until Karmada no longer reaches {former}, which is about to leave under this name"
    if stays_ready(connection, former, NOTICE_SECONDS, doing=doing):
        raise FlotillaError(
            f"Karmada still reaches {former} after {NOTICE_SECONDS:.0f} s: if it left now, its copies would be deleted",
            hint="run the same command again; somebody may have started its agent, or created its Secrets, again",
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


def has_joined_elsewhere(connection: Connection, member: str, cluster_id: str) -> bool:
    """Return whether a member's cluster has joined under another name, and is no longer reached under this one.

    Its workloads then belong to the other name.
    """
    if not cluster_id:
        return False
    same = [c for c in connection.list(CLUSTER_API, "Cluster") if (c.get("spec") or {}).get("id") == cluster_id]
    here = [cluster for cluster in same if cluster["metadata"]["name"] == member]
    return len(same) > len(here) and not any(is_true(cluster, "Ready") for cluster in here)
