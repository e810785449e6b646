"""The end of a cordon, regardless of who owns the taint by then.

Karmada's controllers write the whole list of a Cluster's taints when its condition changes, and so does `karmadactl
cordon`. By the rules of server-side apply they then own the taint, and it stays when a stack no longer declares it.
"""

from __future__ import annotations

from flotilla.errors import ClusterError
from flotilla.karmada.cordons import CORDON, is_cordon
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import ObjectRef

_TRIES = 5
_CHANGED_MEANWHILE = (409, 422)


def end_cordon(connection: Connection, member: str) -> None:
    """Remove the taint of a cordon from a Cluster; do nothing where there is none.

    Args:
        connection: a connection to the control plane.
        member: the Cluster's name.

    Raises:
        ClusterError: the control plane could not be asked, or somebody adds the taint again each time.
    """
    ref = ObjectRef(CLUSTER_API, "Cluster", member)
    for _ in range(_TRIES):
        cluster = connection.find(ref)
        taints = ((cluster or {}).get("spec") or {}).get("taints") or []
        found = [number for number, taint in enumerate(taints) if is_cordon(taint)]
        if not found:
            return
        place = f"/spec/taints/{found[0]}"
        steps = [
            {"op": "test", "path": f"{place}/key", "value": CORDON.key},
            {"op": "test", "path": f"{place}/effect", "value": CORDON.effect},
            {"op": "remove", "path": place},
        ]
        try:
            connection.patch(ref, steps, kind="json", query={"fieldManager": "flotilla"})
        except ApiError as error:
            if error.status not in _CHANGED_MEANWHILE:
                raise
    raise ClusterError(f"{ref} is cordoned again and again", hint="something sets the taint again each time: find it")
