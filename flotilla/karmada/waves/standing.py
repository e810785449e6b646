"""The state of a change in waves as text: for `flotilla rollout`, for drift, and for lists of workloads."""

from __future__ import annotations

from collections.abc import Sequence

from flotilla.karmada.waves.record import Phase, Record
from flotilla.karmada.waves.strategy import Approval
from flotilla.kube.objects import ObjectRef

HOLD_TEXT = "held back by the rollout"
"""The text for a cluster that a change has intentionally not reached."""


def namespace_of(where: ObjectRef) -> str:
    """Return the namespace of a record's workload; the record is a Secret."""
    return where.name.split(".")[1] if where.name.count(".") > 1 else ""


def current(record: Record) -> int:
    """Return the number of the first wave that has not passed its gate, else of the last wave; 0 without waves."""
    numbers = [number for number, clusters in record.waves if not set(clusters) <= set(record.passed)]
    return numbers[0] if numbers else max((number for number, _ in record.waves), default=0)


def awaited(record: Record) -> str:
    """Return the approval that the change waits for, such as `before-2` or `after-2`; empty where it waits for none."""
    if record.phase is not Phase.APPROVAL:
        return ""
    number = current(record)
    begun = set(dict(record.waves).get(number, ())) & set(record.reached)
    return f"{Approval.AFTER if begun else Approval.BEFORE}-{number}"


def wave_of(record: Record, cluster: str) -> int | None:
    """Return the number of a cluster's wave; None where the cluster is in no wave."""
    return next((number for number, names in record.waves if cluster in names), None)


def wave_text(record: Record) -> str:
    """Return which wave is under way or comes next: `wave 2 of 3`."""
    return f"wave {current(record)} of {max((number for number, _ in record.waves), default=0)}"


def standing(record: Record) -> str:
    """Return the state of a change in one line: `wave 2 of 3 waits for approval`; if it stopped, with the reason."""
    wave = wave_text(record)
    texts = {
        Phase.NOT_BEGUN: f"{wave} has not begun",
        Phase.MOVING: f"{wave} is under way",
        Phase.APPROVAL: f"{wave} waits for approval" + _approval_place(record),
        Phase.PAUSED: f"{wave}, paused" + (f" by {record.paused}" if record.paused else ""),
        Phase.FAILED: f"failed: {record.why or wave}",
        Phase.REVERTING: f"being taken back: {record.why or wave}",
        Phase.REVERTED: f"taken back: {record.why or wave}",
    }
    asked = [
        f"{what} asked for by {who}"
        for what, who, done in (
            ("a pause", record.paused, record.phase is Phase.PAUSED),
            ("an abort", record.aborted, record.phase in (Phase.REVERTING, Phase.REVERTED)),
        )
        if who and not done
    ]
    return "; ".join((texts[record.phase], *asked))


def held_back_text(record: Record, clusters: Sequence[str]) -> str:
    """Return that clusters are held back, and why: `held back by the rollout: member2 (wave 2 of 3 failed: ...)`."""
    return f"{HOLD_TEXT}: {', '.join(clusters)} ({standing(record)})"


def held_back_in(record: Record, cluster: str) -> str:
    """Return the text for a copy in a cluster that the change has not reached; empty for any other cluster."""
    if cluster not in record.held_back or record.phase is Phase.REVERTED:
        return ""
    return f"{HOLD_TEXT} (wave {wave_of(record, cluster)})"


def _approval_place(record: Record) -> str:
    return ", which ends it" if awaited(record).startswith(Approval.AFTER) else ""
