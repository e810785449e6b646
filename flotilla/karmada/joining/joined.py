"""Whether a cluster has joined already: under another name, or to another control plane."""

from __future__ import annotations

from flotilla.errors import ClusterError
from flotilla.karmada.joining.join import IMPERSONATOR
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import Connection
from flotilla.kube.identity import PROBE_SECONDS
from flotilla.kube.objects import ObjectRef

_CLUSTERS = f"/apis/{CLUSTER_API}/clusters"


def clusters_by_id(control_plane: Connection) -> dict[str, str] | None:
    """Return the names of a control plane's Clusters by their ID; None where it doesn't answer in time."""
    try:
        listed = control_plane.request("GET", _CLUSTERS, doing="listing Clusters", timeout=PROBE_SECONDS)
    except ClusterError:
        return None
    found = {}
    for cluster in listed.get("items") or []:
        identifier = (cluster.get("spec") or {}).get("id")
        if identifier:
            found[str(identifier)] = str(cluster["metadata"]["name"])
    return found


def is_served(member: Connection, namespace: str) -> bool:
    """Return whether a cluster is a member of any control plane; False where it doesn't answer within seconds.

    The ServiceAccount of a join only proves that a join was begun: the join may have failed before there was a Cluster.
    The ClusterRoleBinding, which Karmada itself sends to each member (pkg/controllers/unifiedauth), proves that there
    is, or was, a Cluster.
    """
    refs = (
        ObjectRef("v1", "ServiceAccount", IMPERSONATOR, namespace),
        ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", IMPERSONATOR),
    )
    try:
        return all(member.find(ref, timeout=PROBE_SECONDS) is not None for ref in refs)
    except ClusterError:
        return False


def join_conflict(name: str, uid: str, known: dict[str, str] | None, member: Connection, namespace: str) -> str:
    """Return why a cluster can't join as `name` for the first time; empty where nothing prevents it.

    Args:
        name: the intended name of the Cluster.
        uid: the UID of the cluster; empty where it didn't answer.
        known: see `clusters_by_id`.
        member: a connection to the cluster.
        namespace: the namespace of a join's accounts.
    """
    if not uid or known is None or known.get(uid) == name:
        return ""
    if uid in known:
        return (
            f"{name} is joined to this control plane already, as Cluster {known[uid]} (UID {uid}): Karmada would send "
            f"it everything twice; if it has a new name, add `formerly: {known[uid]}`, else that Cluster has to leave"
        )
    if is_served(member, namespace):
        return (
            f"{name} is joined to another control plane: it has ServiceAccount {namespace}/{IMPERSONATOR} and what "
            "Karmada sends to its members, and this control plane has no Cluster for it; two control planes would undo "
            f"each other's changes; let it leave there first, or delete namespace {namespace} in it if it is left over "
            "from an earlier join"
        )
    return ""
