"""The changes in waves that are in progress in a control plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla.errors import ClusterError
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.karmada.waves.record import Phase, Record, list_records
from flotilla.karmada.waves.standing import awaited, current, namespace_of, standing
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef

_CHANGE = 12
_ORDER = (Phase.FAILED, Phase.APPROVAL, Phase.PAUSED, Phase.REVERTED, Phase.REVERTING, Phase.MOVING, Phase.NOT_BEGUN)


@dataclass(frozen=True)
class RolloutStatus:
    """The change of one workload."""

    where: ObjectRef
    """The Secret that stores its record."""
    record: Record

    @property
    def namespace(self) -> str:
        """The workload's namespace."""
        return namespace_of(self.where)

    @property
    def change(self) -> str:
        """An identifier of this change among those of the same workload."""
        return self.record.declaration[:_CHANGE]

    @property
    def waits_for(self) -> str:
        """The awaited approval, such as `before-2`; empty if none is awaited."""
        return awaited(self.record)

    @property
    def text(self) -> str:
        """The progress of the change, in one line."""
        return standing(self.record)

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON data."""
        record = self.record
        return {
            "namespace": self.namespace,
            "workload": record.workload,
            "change": self.change,
            "phase": str(record.phase),
            "wave": current(record),
            "waves": [
                {"number": number, "clusters": list(clusters), "passed": set(clusters) <= set(record.passed)}
                for number, clusters in record.waves
            ],
            "reached": sorted(record.reached),
            "held": list(record.held_back),
            "since": record.since,
            "why": record.why,
            "text": self.text,
            "waitsFor": self.waits_for,
            "paused": record.paused,
            "aborted": record.aborted,
            "approved": list(record.approved),
        }


def records_for(control_plane: Connection, snapshot: Snapshot) -> list[Record]:
    """Read the records of changes in waves if the snapshot has suspended Works; otherwise return none.

    A user who may not read the records sees suspended copies, but not the reason.
    """
    if not any((work.get("spec") or {}).get("suspendDispatching") for work in snapshot.works):
        return []
    try:
        return list(list_records(control_plane).values())
    except ClusterError:
        return []


def rollouts_in(control_plane: Connection) -> list[RolloutStatus]:
    """Return the changes in waves of a control plane; those that need a person's attention come first.

    Raises:
        ClusterError: the control plane did not answer, or refused.
    """
    found = [RolloutStatus(where, record) for where, record in list_records(control_plane).items()]
    return sorted(found, key=lambda one: (_ORDER.index(one.record.phase), one.namespace, one.record.workload))
