"""A person's requests for a change in waves: annotations of its record, which a running or the next `up` reads.

Each write refers to the record that the person has seen: a change that began later can't be approved by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from flotilla.errors import FlotillaError
from flotilla.karmada.waves.record import ABORTED, APPROVED, PAUSED, Phase, Record, record_of
from flotilla.karmada.waves.standing import awaited, current, standing
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import ObjectRef

FIELD_MANAGER = "flotilla-rollout-verb"
_ATTEMPTS = 8
Annotations = Mapping[str, str | None]


class NoSuchWave(FlotillaError):
    """A wave that the change doesn't have."""


def pause(connection: Connection, where: ObjectRef, seen: Record, who: str) -> Record:
    """Request that no further wave begins until the change is resumed; return the record after that.

    Args:
        connection: a connection to the control plane.
        where: the record's Secret.
        seen: the record that the person has seen.
        who: who makes the request, and when.

    Raises:
        FlotillaError: there is nothing to pause, or another change is under way now.
        ClusterError: the control plane rejected a request.
    """

    def wanted(record: Record) -> Annotations:
        _refuse_ended(record, "pause")
        return {} if record.paused else {PAUSED: who}

    return _written(connection, where, seen, wanted)


def resume(connection: Connection, where: ObjectRef, seen: Record) -> Record:
    """End a pause; arguments, result and errors are those of `pause`. Nothing changes where no pause was requested."""
    return _written(connection, where, seen, lambda record: {PAUSED: None} if record.paused else {})


def abort(connection: Connection, where: ObjectRef, seen: Record, who: str) -> Record:
    """Request that the change is reverted where it has arrived, and goes no further; otherwise like `pause`."""

    def wanted(record: Record) -> Annotations:
        _refuse_ended(record, "abort")
        return {} if record.aborted else {ABORTED: who}

    return _written(connection, where, seen, wanted)


def approve(connection: Connection, where: ObjectRef, seen: Record, wave: int | None = None) -> tuple[Record, str]:
    """Approve the step that a change waits for; otherwise like `pause`.

    Args:
        connection: a connection to the control plane.
        where: the record's Secret.
        seen: the record that the person has seen.
        wave: the number of the wave to approve; None for the wave that waits.

    Returns:
        The record, and the approval that was given, such as `before-2`.

    Raises:
        NoSuchWave: the change has no such wave.
    """
    numbers = [number for number, _ in seen.waves]
    if wave is not None and wave not in numbers:
        listed = ", ".join(map(str, numbers))
        raise NoSuchWave(
            f"workload {seen.workload} has no wave {wave}: its change has {listed or 'none'}; nothing was approved"
        )
    wanted = _approval(seen, wave)

    def annotations(record: Record) -> Annotations:
        if _approval(record, wave) != wanted:
            raise _meanwhile(record)
        return {} if wanted in record.approved else {APPROVED: ",".join((*record.approved, wanted))}

    return _written(connection, where, seen, annotations), wanted


def _approval(record: Record, wave: int | None) -> str:
    """Return the approval that a change waits for.

    Raises:
        FlotillaError: it waits for no approval, or for that of another wave.
    """
    found = awaited(record)
    if record.aborted:
        raise FlotillaError(
            f"workload {record.workload}: an abort was asked for by {record.aborted}; nothing was approved",
            hint="the next `up` takes the change back",
        )
    if not found:
        raise FlotillaError(
            f"workload {record.workload} waits for no approval ({standing(record)}); nothing was approved"
        )
    if wave is not None and wave != current(record):
        raise FlotillaError(
            f"workload {record.workload} waits for the approval of wave {current(record)}, not of wave {wave}; "
            "nothing was approved",
            hint="approve each wave when it waits for it",
        )
    return found


def _refuse_ended(record: Record, what: str) -> None:
    if record.phase is Phase.REVERTED:
        raise FlotillaError(f"workload {record.workload}: {standing(record)}; there is nothing to {what}")


def _written(connection: Connection, where: ObjectRef, seen: Record, wanted: Callable[[Record], Annotations]) -> Record:
    """Write annotations; if `up` writes the record at the same time, read it again.

    Raises:
        FlotillaError: another change is under way, or none any more.
        ClusterError: the control plane rejected a request.
    """
    for _ in range(_ATTEMPTS):
        secret = connection.find(where)
        record = record_of(secret) if secret is not None else None
        if secret is None or record is None:
            raise FlotillaError(f"workload {seen.workload}: its change in waves has ended; nothing was changed")
        if (record.declaration, record.since) != (seen.declaration, seen.since):
            raise _meanwhile(seen)
        annotations = wanted(record)
        if not annotations:
            return record
        known = {key: secret["metadata"].get(key) for key in ("resourceVersion", "uid")}
        try:
            answer = connection.patch(
                where, {"metadata": {**known, "annotations": annotations}}, query={"fieldManager": FIELD_MANAGER}
            )
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            continue
        return record_of(answer) or record
    raise FlotillaError(
        f"workload {seen.workload}: its record was changed {_ATTEMPTS} times meanwhile; nothing was changed",
        hint="try again",
    )


def _meanwhile(record: Record) -> FlotillaError:
    return FlotillaError(
        f"workload {record.workload}: the change under way is not the one that you looked at; nothing was changed",
        hint="look at `flotilla rollout status` again",
    )
