"""What happened lately, in the control plane and the members, as their event recorders noted it."""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.karmada.status.reasons import event_time
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object


@dataclass(frozen=True)
class FleetEvent:
    """One event of one cluster."""

    time: str
    """When it was seen last (RFC 3339)."""
    cluster: str
    type: str
    """Normal or Warning."""
    namespace: str
    object: str
    """Kind and name of what it is about."""
    reason: str
    message: str
    count: int


def events(connection: Connection, *, namespace: str = "", warnings: bool = False, about: str = "") -> list[FleetEvent]:
    """Return a cluster's events, oldest first.

    Args:
        connection: the cluster.
        namespace: of what the events are about; all of them if empty.
        warnings: leave out normal ones.
        about: only of objects whose name begins so.

    Raises:
        ClusterError: it could not be asked.
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
