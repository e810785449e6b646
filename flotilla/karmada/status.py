"""How a fleet is: its members, and its workloads in each of them, as the control plane knows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flotilla.karmada.api import BINDING_API, CLUSTER_API, Cluster, ResourceBinding
from flotilla.karmada.rollout import find_work
from flotilla.kube.connection import Connection


@dataclass(frozen=True)
class MemberStatus:
    """One member."""

    name: str
    version: str
    mode: str
    ready: bool
    reason: str
    """Why it isn't ready; empty if it is."""
    nodes_ready: int
    nodes: int


@dataclass(frozen=True)
class CopyStatus:
    """One template in one member."""

    namespace: str
    workload: str
    """Kind and name of the template."""
    cluster: str
    desired: int | None
    ready: int | None
    images: tuple[str, ...]
    health: str
    """Healthy, Unhealthy, Unknown or Pending."""
    reason: str


@dataclass(frozen=True)
class FleetStatus:
    """The whole fleet."""

    members: tuple[MemberStatus, ...]
    workloads: tuple[CopyStatus, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the status for machines."""
        return {
            "members": [asdict(member) for member in self.members],
            "workloads": [asdict(copy) for copy in self.workloads],
        }


def fleet_status(connection: Connection) -> FleetStatus:
    """Ask the control plane for its members and for every template that it has bound.

    Raises:
        ClusterError: it could not be asked.
    """
    members = [_member(Cluster.read(item)) for item in connection.list(CLUSTER_API, "Cluster")]
    bindings = [ResourceBinding.read(item) for item in connection.list(BINDING_API, "ResourceBinding")]
    copies = [copy for binding in bindings for copy in _copies(connection, binding)]
    return FleetStatus(
        tuple(sorted(members, key=lambda m: m.name)),
        tuple(sorted(copies, key=lambda c: (c.namespace, c.workload, c.cluster))),
    )


def _member(cluster: Cluster) -> MemberStatus:
    status = cluster.status
    found = cluster.condition("Ready")
    reason = "" if cluster.ready else (found.message or found.reason) if found else "no status yet"
    nodes = status.node_summary if status else None
    return MemberStatus(
        cluster.metadata.name,
        status.kubernetes_version if status else "",
        cluster.spec.sync_mode,
        cluster.ready,
        reason,
        nodes.ready_num if nodes else 0,
        nodes.total_num if nodes else 0,
    )


def _copies(connection: Connection, binding: ResourceBinding) -> list[CopyStatus]:
    reports = {item.cluster_name: item for item in binding.status.aggregated_status}
    copies = []
    for target in binding.spec.clusters:
        report = reports.get(target.name)
        status = (report.status if report else None) or {}
        work = find_work(connection, binding, target.name)
        manifests = work.spec.workload.manifests if work else []
        copies.append(
            CopyStatus(
                binding.spec.resource.namespace or "",
                f"{binding.spec.resource.kind} {binding.spec.resource.name}",
                target.name,
                target.replicas,
                int(status.get("readyReplicas", 0)) if target.replicas is not None else None,
                tuple(image for manifest in manifests for image in images_of(manifest)),
                (report.health or "Unknown") if report and report.applied else "Pending",
                report.applied_message if report and not report.applied else "",
            )
        )
    return copies


def images_of(manifest: dict[str, Any]) -> list[str]:
    """Return the images of a manifest's containers, in order."""
    spec = manifest.get("spec") or {}
    pod = (spec.get("template") or {}).get("spec") or spec
    return [str(container.get("image")) for container in pod.get("containers") or []]
