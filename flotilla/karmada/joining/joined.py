"""Whether a cluster is joined already: under another name, or to another control plane."""

from __future__ import annotations

from flotilla.errors import ClusterError
from flotilla.karmada.joining.join import IMPERSONATOR
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import Connection
from flotilla.kube.identity import PROBE_SECONDS
from flotilla.kube.objects import ObjectRef

_CLUSTERS = f"/apis/{CLUSTER_API}/clusters"


def clusters_by_id(control_plane: Connection) -> dict[str, str] | None:
    """Return the names of a control plane's Clusters by the UID of each; None where there is no answer in time."""
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
    """Return whether a control plane has a cluster as a member; False where it does not answer within seconds.

    The account of a join alone says that a join was begun: it may have broken off before there was a Cluster. What
    Karmada itself sends to each member (pkg/controllers/unifiedauth) says that there is, or was, one.
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
    """Return why a cluster can't join as `name` for the first time; empty where nothing is in the way.

    Args:
        name: what the Cluster is to be called.
        uid: of the cluster; empty where it did not answer.
        known: see `clusters_by_id`.
        member: the cluster.
        namespace: where a join's accounts are.
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
