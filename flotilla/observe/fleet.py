"""An overview of the whole fleet: a summary, then members and workloads, the worst first."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from flotilla.karmada.status.reading import read_fleet
from flotilla.kube.connection import Connection
from flotilla.observe.members import MemberStatus, members_in
from flotilla.observe.rollouts import records_for
from flotilla.observe.workloads import CopyStatus, copies_in


@dataclass(frozen=True)
class FleetStatus:
    """The status of the whole fleet."""

    members: tuple[MemberStatus, ...]
    workloads: tuple[CopyStatus, ...]
    unanswered: dict[str, str] = field(default_factory=dict)
    """Members that did not answer Flotilla, with the reason; Karmada may not have noticed it yet."""

    @property
    def summary(self) -> dict[str, int]:
        """The numbers of members, workloads and copies, and how many of them are ready or healthy."""
        return {
            "members": len(self.members),
            "membersReady": sum(member.ready for member in self.members),
            "workloads": len({(copy.namespace, copy.workload) for copy in self.workloads}),
            "copies": len(self.workloads),
            "copiesHealthy": sum(copy.health == "Healthy" for copy in self.workloads),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the status as JSON data."""
        return {
            "summary": self.summary,
            "members": [asdict(member) for member in self.members],
            "workloads": [asdict(copy) for copy in self.workloads],
            "unanswered": self.unanswered,
        }


def fleet_status(connection: Connection) -> FleetStatus:
    """Read the control plane once, and return its members and its workloads.

    Raises:
        ClusterError: the control plane did not answer, or refused.
    """
    snapshot = read_fleet(connection)
    records = records_for(connection, snapshot)
    return FleetStatus(tuple(members_in(snapshot.clusters)), tuple(copies_in(snapshot, records)))
