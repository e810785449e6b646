"""What a file leaves in the fleet that files share: the next file would find it, as drift or as a competing policy."""

from flotilla.kube.objects import Object
from tests.contract.karmada import eventually

_EVERYWHERE = (("v1", "ConfigMap"), ("apps/v1", "Deployment"))
_IN_MEMBERS = (
    *_EVERYWHERE,
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)
_IN_KARMADA = (
    *_EVERYWHERE,
    ("v1", "Secret"),
    ("cluster.karmada.io/v1alpha1", "Cluster"),
    ("policy.karmada.io/v1alpha1", "PropagationPolicy"),
    ("policy.karmada.io/v1alpha1", "ClusterPropagationPolicy"),
    ("policy.karmada.io/v1alpha1", "OverridePolicy"),
    ("policy.karmada.io/v1alpha1", "ClusterOverridePolicy"),
    ("work.karmada.io/v1alpha2", "ResourceBinding"),
    ("work.karmada.io/v1alpha2", "ClusterResourceBinding"),
    ("work.karmada.io/v1alpha1", "Work"),
)
_SECONDS = 20


class Leftovers:
    """What the clusters of a fleet have at first; afterwards they may have nothing else."""

    def __init__(self, fleet) -> None:
        self._fleet = fleet
        self._first = {cluster: _staying(fleet, cluster) for cluster in fleet.clusters}

    def check(self) -> None:
        """Wait until nothing is left of a file, or say what is. A cluster that came later has no first look."""
        left: list[str] = []

        def none() -> bool:
            left[:] = [
                f"{cluster} {text}"
                for cluster, first in self._first.items()
                for text in sorted(_staying(self._fleet, cluster) - first)
            ]
            return not left

        try:
            eventually(none, seconds=_SECONDS)
        except AssertionError:
            raise AssertionError(f"this file leaves in the fleet that others use, too: {', '.join(left)}") from None


def _staying(fleet, cluster: str) -> set[str]:
    """Name what stays in a cluster: neither on its way out nor in a namespace that is."""
    connection = fleet.connection(cluster)
    namespaces = [one for one in connection.list("v1", "Namespace") if not _going(one)]
    known = {"", *(one["metadata"]["name"] for one in namespaces)}
    found = {f"Namespace {name}" for name in known}
    for api_version, kind in _IN_KARMADA if cluster == "karmada" else _IN_MEMBERS:
        for one in connection.list(api_version, kind):
            namespace = one["metadata"].get("namespace") or ""
            if namespace in known and not _going(one) and one["metadata"]["name"] != "kube-root-ca.crt":
                found.add(f"{kind} {namespace}/{one['metadata']['name']}")
    return found


def _going(one: Object) -> bool:
    return bool(one["metadata"].get("deletionTimestamp"))
