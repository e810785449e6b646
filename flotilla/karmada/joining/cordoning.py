"""The end of a cordon, whoever owns the taint by now.

Karmada's controllers write the whole list of a Cluster's taints when its condition changes, and `karmadactl cordon`
does as well: by the rules of server-side apply the taint is theirs then, and stays when a stack declares it no more.
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
    """Take the taint of a cordon off a Cluster; nothing where there is none.

    Args:
        connection: the control plane.
        member: the Cluster's name.

    Raises:
        ClusterError: the control plane could not be asked, or somebody cordons the Cluster all the time.
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
    raise ClusterError(f"{ref} is cordoned again and again", hint="somebody sets the taint: find out who")
