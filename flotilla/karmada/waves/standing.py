"""Where a change in waves stands, in words: for `flotilla rollout`, for drift, and for lists of workloads."""

from __future__ import annotations

from collections.abc import Sequence

from flotilla.karmada.waves.record import Phase, Record
from flotilla.karmada.waves.strategy import Approval
from flotilla.kube.objects import ObjectRef

HELD = "held back by the rollout"
"""What is said of a cluster that a change has not reached, on purpose."""


def namespace_of(where: ObjectRef) -> str:
    """Return the namespace of the workload whose record a Secret keeps."""
    return where.name.split(".")[1] if where.name.count(".") > 1 else ""


def awaited(record: Record) -> str:
    """Return the approval that is waited for, such as `before-2` or `after-2`; empty where none is."""
    if record.phase is not Phase.APPROVAL:
        return ""
    clusters = dict(record.waves).get(record.wave, ())
    done = bool(clusters) and set(clusters) <= set(record.reached)
    return f"{Approval.AFTER if done else Approval.BEFORE}-{record.wave}"


def wave_of(record: Record, cluster: str) -> int | None:
    """Return the number of the wave that a cluster is in; None where it is in none."""
    return next((number for number, names in record.waves if cluster in names), None)


def wave_text(record: Record) -> str:
    """Return which wave is meant: `wave 2 of 3`."""
    last = max((number for number, _ in record.waves), default=record.wave)
    return f"wave {max(record.wave, 1)} of {last}"


def standing(record: Record) -> str:
    """Return in one line where a change stands and why: `wave 2 of 3 waits for approval`."""
    wave, why = wave_text(record), f": {record.why}" if record.why else ""
    texts = {
        Phase.HELD: f"{wave} has not begun",
        Phase.MOVING: f"{wave} is under way{why}",
        Phase.APPROVAL: f"{wave} waits for approval" + _approval_place(record),
        Phase.PAUSED: f"{wave}, paused" + (f" by {record.paused}" if record.paused else ""),
        Phase.FAILED: f"{wave} failed{why}",
        Phase.REVERTING: f"the change is being taken back{why}",
        Phase.REVERTED: f"the change was taken back{why}",
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


def held_text(record: Record, clusters: Sequence[str]) -> str:
    """Return that clusters are held back, and why: `held back by the rollout: member2 (wave 2 of 3 failed: ...)`."""
    return f"{HELD}: {', '.join(clusters)} ({standing(record)})"


def held_in(record: Record, cluster: str) -> str:
    """Return what is said of a copy in a cluster that the change has not reached; empty for any other cluster."""
    if cluster not in record.held or record.phase is Phase.REVERTED:
        return ""
    return f"{HELD} (wave {wave_of(record, cluster)})"


def _approval_place(record: Record) -> str:
    return ", which ends it" if awaited(record).startswith(Approval.AFTER) else ""
