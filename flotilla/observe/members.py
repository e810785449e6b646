"""How each member is, as Karmada knows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from flotilla.errors import ClusterError
from flotilla.karmada.cordons import maintenance_of
from flotilla.karmada.objects import CLUSTER_API, Cluster, ClusterStatus, ResourceSummary
from flotilla.karmada.scheduling import Taint
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object

_MEASURED = ("cpu", "memory", "pods")


@dataclass(frozen=True)
class Usage:
    """How much of a resource a member has, and how much its pods ask for; cores, bytes or a count."""

    allocatable: float
    allocated: float

    @property
    def percent(self) -> int:
        """The share that is taken; 0 where there is nothing."""
        return round(100 * self.allocated / self.allocatable) if self.allocatable else 0


@dataclass(frozen=True)
class MemberStatus:
    """One member."""

    name: str
    version: str
    mode: str
    """Push or Pull."""
    ready: bool
    reason: str
    """Why it isn't ready; empty if it is."""
    since: str
    """When it became ready, or ceased to be (RFC 3339); empty where Karmada doesn't say."""
    nodes_ready: int
    nodes: int
    endpoint: str = ""
    provider: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    """As kubectl writes them: key=value:effect."""
    maintenance: str = ""
    """What is done there: `drain: new kernel` where a stack says so, `cordon` for a bare cordon, whoever has set it."""
    usage: dict[str, Usage] = field(default_factory=dict)
    """Of cpu (cores), memory (bytes) and pods."""

    @property
    def worst_first(self) -> tuple[bool, str]:
        """The order of lists: what isn't ready comes first."""
        return (self.ready, self.name)


def member_status(cluster: Cluster) -> MemberStatus:
    """Read a member's status off its Cluster."""
    status = cluster.status or ClusterStatus()
    found = cluster.condition("Ready")
    reason = "" if cluster.ready else found.why if found else "no status yet"
    nodes = status.node_summary
    return MemberStatus(
        name=cluster.metadata.name,
        version=status.kubernetes_version,
        mode=cluster.spec.sync_mode,
        ready=cluster.ready,
        reason=reason,
        since=(found.last_transition_time or "") if found else "",
        nodes_ready=nodes.ready_num if nodes else 0,
        nodes=nodes.total_num if nodes else 0,
        endpoint=cluster.spec.api_endpoint or "",
        provider=cluster.spec.provider or "",
        region=cluster.spec.region or "",
        zones=tuple(cluster.spec.zones or ()),
        labels=cluster.metadata.labels,
        taints=tuple(str(Taint(t.key, t.value or "", t.effect)) for t in cluster.spec.taints or ()),
        maintenance=maintenance_of(cluster.wire()),
        usage=_usage(status.resource_summary),
    )


def members_of(connection: Connection, *, labels: str = "") -> list[MemberStatus]:
    """Ask the control plane for its members, those that aren't ready first.

    Args:
        connection: the control plane.
        labels: a selector for Clusters, as kubectl takes it.

    Raises:
        ClusterError: it could not be asked.
    """
    return _members(connection.list(CLUSTER_API, "Cluster", labels=labels or None))


def members_in(snapshot: Snapshot) -> list[MemberStatus]:
    """Return the members that a snapshot has, those that aren't ready first."""
    return _members(snapshot.clusters)


def _members(clusters: Iterable[Object]) -> list[MemberStatus]:
    return sorted(map(_read, clusters), key=lambda member: member.worst_first)


def _read(item: Object) -> MemberStatus:
    """Read one member; a Cluster of an odd form is a member that isn't ready, not the end of the list."""
    try:
        return member_status(Cluster.read(item))
    except ClusterError as error:
        reason = error.message
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        reason = f"its Cluster object has a form that is not expected ({type(error).__name__})"
    return MemberStatus(item["metadata"]["name"], "", "", ready=False, reason=reason, since="", nodes_ready=0, nodes=0)


def _usage(summary: ResourceSummary | None) -> dict[str, Usage]:
    if summary is None:
        return {}
    return {
        name: Usage(_number(summary.allocatable[name]), _number(summary.allocated.get(name, 0)))
        for name in _MEASURED
        if name in summary.allocatable
    }


def _number(quantity: str | int) -> float:
    return float(Decimal(parse_quantity(quantity)))
