"""The status of each member, from Karmada's Cluster objects.

Clusters are read as plain data, because building the models of Karmada's API takes longer than reading the Clusters of
a large fleet. The models are used only to find out why a Cluster can't be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flotilla.errors import ClusterError
from flotilla.karmada.cordons import maintenance_of
from flotilla.karmada.objects.apis import CLUSTER_API
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.kube.quantities import parse_quantity

_MEASURED = ("cpu", "memory", "pods")


@dataclass(frozen=True)
class Usage:
    """A member's amount of a resource, and the amount that its pods request; in cores, bytes or a count."""

    allocatable: float
    allocated: float

    @property
    def percent(self) -> int:
        """The allocated share; 0 if nothing is allocatable."""
        return round(100 * self.allocated / self.allocatable) if self.allocatable else 0


@dataclass(frozen=True)
class MemberStatus:
    """The status of one member."""

    name: str
    version: str
    mode: str
    """Push or Pull."""
    ready: bool
    reason: str
    """Why the member isn't ready; empty if it is."""
    since: str
    """The last change of readiness (RFC 3339); empty if Karmada doesn't report it."""
    nodes_ready: int
    nodes: int
    endpoint: str = ""
    provider: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    """The taints in kubectl's format: key=value:effect."""
    maintenance: str = ""
    """The maintenance: `drain: new kernel` if a stack declares it, `cordon` for a plain cordon by anybody."""
    usage: dict[str, Usage] = field(default_factory=dict)
    """The usage of cpu (cores), memory (bytes) and pods."""

    @property
    def worst_first(self) -> tuple[bool, str]:
        """The sort key of lists: members that aren't ready come first."""
        return (self.ready, self.name)


def member_status(cluster: Object) -> MemberStatus:
    """Return a member's status from its Cluster, as read from the API.

    Raises:
        TypeError, ValueError, ArithmeticError: a field doesn't have the type of Karmada's API.
    """
    meta, spec, status = (_map(cluster, key) for key in ("metadata", "spec", "status"))
    found = next((one for one in map(_a_map, _list(status, "conditions")) if one.get("type") == "Ready"), {})
    ready = found.get("status") == "True"
    why = _text(found, "message") or _text(found, "reason") if found else "no status yet"
    nodes, labels = _map(status, "nodeSummary"), _map(meta, "labels")
    return MemberStatus(
        name=_text(meta, "name"),
        version=_text(status, "kubernetesVersion"),
        mode=_text(spec, "syncMode"),
        ready=ready,
        reason="" if ready else why,
        since=_text(found, "lastTransitionTime"),
        nodes_ready=_count(nodes, "readyNum"),
        nodes=_count(nodes, "totalNum"),
        endpoint=_text(spec, "apiEndpoint"),
        provider=_text(spec, "provider"),
        region=_text(spec, "region"),
        zones=_texts(spec, "zones"),
        labels={key: _text(labels, key) for key in labels},
        taints=tuple(map(_taint, _list(spec, "taints"))),
        maintenance=maintenance_of(cluster),
        usage=_usage(_map(status, "resourceSummary")),
    )


def _taint(value: Any) -> str:
    taint = _a_map(value)
    said = _text(taint, "value")
    return f"{_text(taint, 'key')}{'=' + said if said else ''}:{_text(taint, 'effect')}"


def _a_map(value: Any) -> Object:
    if value is not None and not isinstance(value, dict):
        raise TypeError("not a map")
    return value or {}


def _map(of: Object, key: str) -> Object:
    return _a_map(of.get(key))


def _list(of: Object, key: str) -> list[Any]:
    value = of.get(key)
    if value is not None and not isinstance(value, list):
        raise TypeError(f"{key} is not a list")
    return value or []


def _text(of: Object, key: str) -> str:
    value = of.get(key)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{key} is not a text")
    return value or ""


def _texts(of: Object, key: str) -> tuple[str, ...]:
    return tuple(_text({key: one}, key) for one in _list(of, key))


def _count(of: Object, key: str) -> int:
    value = of.get(key)
    if value is not None and type(value) is not int:
        raise TypeError(f"{key} is not a whole number")
    return value or 0


def members_of(connection: Connection, *, labels: str = "") -> list[MemberStatus]:
    """Read the members from the control plane, those that aren't ready first.

    Args:
        connection: the control plane.
        labels: a selector for Clusters, in kubectl's format.

    Raises:
        ClusterError: the control plane did not answer, or refused.
    """
    return members_in(connection.list(CLUSTER_API, "Cluster", labels=labels or None))


def members_in(clusters: Iterable[Object]) -> list[MemberStatus]:
    """Return the members of Clusters, as read from the API; those that aren't ready come first."""
    return sorted(map(_read, clusters), key=lambda member: member.worst_first)


def _read(item: Object) -> MemberStatus:
    """Return one member; a malformed Cluster becomes a member that isn't ready, so that the others are still listed."""
    try:
        return member_status(item)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        reason = _why_malformed(item) or f"its Cluster object has a form that is not expected ({type(error).__name__})"
    return MemberStatus(item["metadata"]["name"], "", "", ready=False, reason=reason, since="", nodes_ready=0, nodes=0)


def _why_malformed(item: Object) -> str:
    """Return which field of a Cluster doesn't match Karmada's API; empty if the models accept it."""
    from flotilla.karmada.objects.clusters import Cluster

    try:
        Cluster.read(item)
    except ClusterError as error:
        return error.message
    return ""


def _usage(summary: Object) -> dict[str, Usage]:
    allocatable, allocated = _map(summary, "allocatable"), _map(summary, "allocated")
    return {
        name: Usage(_number(allocatable[name]), _number(allocated.get(name, 0)))
        for name in _MEASURED
        if name in allocatable
    }


def _number(quantity: str | int) -> float:
    return float(parse_quantity(quantity))
