"""The recent events of the control plane and the members."""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.karmada.status.reasons import event_time
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object


@dataclass(frozen=True)
class FleetEvent:
    """One event of one cluster."""

    time: str
    """The last occurrence (RFC 3339)."""
    cluster: str
    type: str
    """Normal or Warning."""
    namespace: str
    object: str
    """Kind and name of the involved object."""
    reason: str
    message: str
    count: int


def events(connection: Connection, *, namespace: str = "", warnings: bool = False, about: str = "") -> list[FleetEvent]:
    """Return a cluster's events, oldest first.

    Args:
        connection: the cluster.
        namespace: the namespace of the involved objects; all namespaces if empty.
        warnings: whether normal events are left out.
        about: a prefix of the names of the involved objects.

    Raises:
        ClusterError: the cluster did not answer, or refused.
    """
    fields = "type=Warning" if warnings else None
    found = connection.list("v1", "Event", namespace=namespace or None, fields=fields)
    seen = (_event(connection.name, item) for item in found)
    kept = (one for one in seen if one.object.partition(" ")[2].startswith(about))
    return sorted(kept, key=lambda one: one.time)


def _event(cluster: str, item: Object) -> FleetEvent:
    about = item.get("involvedObject") or {}
    return FleetEvent(
        time=event_time(item),
        cluster=cluster,
        type=str(item.get("type", "")),
        namespace=str(about.get("namespace") or ""),
        object=f"{about.get('kind', '')} {about.get('name', '')}",
        reason=str(item.get("reason") or ""),
        message=str(item.get("message") or "").strip(),
        count=int((item.get("series") or {}).get("count") or item.get("count") or 1),
    )
