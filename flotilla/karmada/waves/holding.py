"""Holds a workload's clusters back: what changes in the control plane doesn't reach them until they are released.

Karmada's own means: a policy's `suspension.dispatchingOnClusters`, since Karmada 1.11.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from flotilla.errors import FlotillaError
from flotilla.karmada.kinds import DEFINITION, kind_of
from flotilla.karmada.objects import CLUSTER_API, Work
from flotilla.karmada.propagation import DEFINITIONS
from flotilla.karmada.scheduling import ClusterFacts, every_affinity, facts_of, matches
from flotilla.karmada.selection import policy_key
from flotilla.karmada.status.sharing import SharedReader
from flotilla.karmada.status.written import as_written, writer_of
from flotilla.karmada.waves.division import Wave, divide
from flotilla.karmada.waves.record import (
    ABORTED,
    APPROVED,
    MANAGER,
    PAUSED,
    Phase,
    Record,
    Store,
    TooLarge,
    before_data,
)
from flotilla.karmada.waves.strategy import OnFailure
from flotilla.karmada.waves.subject import Subject
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.kube.several import find_several
from flotilla.waiting import pause, say

WRITER = "flotilla.dev/writer"
"""In the objects that a record keeps: the field manager that had written them."""
_POLL_SECONDS = 0.5
# A policy that was suspended just now may not be known to Karmada yet when its first template is made: its controllers
# read policies by a watch.
_SETTLE_SECONDS = 1.0


def hold(reader: SharedReader, subject: Subject, before: str = "", *, only_new: bool = False) -> bool:
    """Hold every cluster of a workload back, and keep what they run in the workload's record.

    A record that is there goes on: what it keeps of before is what all clusters ran last.

    Args:
        reader: reads the control plane.
        subject: the workload, as it is declared now.
        before: the declaration that the clusters run; empty where it isn't known.
        only_new: policies that were there before are held back already.

    Returns:
        whether there was anything to hold: policies of a new workload come later.

    Raises:
        FlotillaError: Karmada hasn't suspended the Works in time.
        ClusterError: the control plane could not be asked.
    """
    connection, store = reader.connection, Store(reader.connection, subject.record)
    clusters = [facts_of(item) for item in connection.list(CLUSTER_API, "Cluster")]
    chosen = candidates(clusters, subject)
    ahead = definitions_go_ahead(clusters, chosen, subject)
    wanted = [ref for ref in subject.policies if not (ahead and ref.name.endswith(DEFINITIONS))]
    there = find_several(connection, wanted)
    policies = [ref for ref in wanted if ref in there]
    waves = divide(subject.strategy, chosen)
    if not policies or not waves:
        return False
    record = store.read()
    if only_new and record is not None and set(named(policies)) <= set(record.policies):
        return True
    if record is None:
        record = Record(subject.workload, subject.declaration, since=_now(), before=before)
        store.create(record, _contents(connection, subject))
    elif (other := record.declaration != subject.declaration) or record.phase in (Phase.REVERTED, Phase.REVERTING):
        touched = () if record.phase is Phase.REVERTED else tuple(sorted({*record.touched, *record.reached}))
        record = replace(record, declaration=subject.declaration, touched=touched, reached=(), passed=())
        store.write(record, {"after": None} if other else {})
        store.forget_wishes(PAUSED, APPROVED, ABORTED)
    record = replace(record, phase=Phase.HELD, why="", waves=numbered(waves), policies=named(policies))
    record = replace(record, reached=(), passed=())
    store.write(record)
    suspend(connection, policies, record.held)
    sent = [one for one in subject.sent if not (ahead and kind_of(one) == DEFINITION)]
    await_held(reader, subject, sent, set(record.held))
    return True


def definitions_go_ahead(clusters: Iterable[ClusterFacts], chosen: Container[str], subject: Subject) -> bool:
    """Return whether a workload's definitions go to all clusters ahead of the waves.

    Karmada schedules an object only to clusters that serve its kind, and looks only once: where one of them doesn't
    serve a kind of the workload yet, its definition can't wait for a wave.
    """
    served = [one.served for one in clusters if one.name in chosen and one.served is not None]
    return any(kind not in known for kind in subject.kinds for known in served)


def waves_of(connection: Connection, subject: Subject) -> tuple[Wave, ...]:
    """Divide the clusters that may get a workload into waves, by the Clusters of the control plane."""
    clusters = [facts_of(item) for item in connection.list(CLUSTER_API, "Cluster")]
    return divide(subject.strategy, candidates(clusters, subject))


def candidates(clusters: Iterable[ClusterFacts], subject: Subject) -> dict[str, Mapping[str, str]]:
    """Return the clusters that any affinity of a workload chooses, whatever their taints, with their labels."""
    affinities = every_affinity(subject.placement)
    return {
        one.name: one.labels
        for one in clusters
        if any(matches(one, affinity, subject.version) for affinity in affinities)
    }


def numbered(waves: Iterable[Wave]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return waves as a record has them."""
    return tuple((wave.number, wave.clusters) for wave in waves)


def named(policies: Iterable[ObjectRef]) -> tuple[tuple[str, str, str], ...]:
    """Return policies as a record has them."""
    return tuple(policy_key(one) for one in policies)


def suspend(connection: Connection, policies: Iterable[ObjectRef], clusters: Iterable[str]) -> None:
    """Let policies send nothing to some clusters; without any, everything. A policy that is gone stays gone."""
    body = {"spec": {"suspension": suspension_of(clusters) or None}}
    for policy in policies:
        try:
            connection.patch(policy, body, query={"fieldManager": MANAGER})
        except ApiError as error:
            if not error.missing:
                raise


def suspension_of(clusters: Iterable[str]) -> Object:
    """Return Karmada's Suspension (policy/v1alpha1) that holds some clusters back; empty for none."""
    names = sorted(clusters)
    return {"dispatchingOnClusters": {"clusterNames": names}} if names else {}


def release_all(connection: Connection, subject: Subject) -> None:
    """Let everything through, and forget the change that was under way, if there was one.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    store = Store(connection, subject.record)
    record = store.read()
    if record is None:
        return
    suspend(connection, policies_of(record, subject), ())
    store.remove()


def policies_of(record: Record, subject: Subject) -> list[ObjectRef]:
    """Return the policies that are suspended by a record, and those that are declared."""
    api = subject.policies[0].api_version if subject.policies else ""
    recorded = [ObjectRef(api, kind, name, namespace) for kind, namespace, name in record.policies]
    return list(dict.fromkeys([*subject.policies, *recorded]))


def await_held(reader: SharedReader, subject: Subject, sent: list[Object], clusters: set[str]) -> None:
    """Wait until Karmada has suspended every Work of templates in some clusters.

    Args:
        reader: reads the control plane.
        subject: the workload.
        sent: those of its templates that are held back.
        clusters: where.

    Raises:
        FlotillaError: it hasn't in time.
    """
    deadline = time.monotonic() + subject.seconds
    pause(_SETTLE_SECONDS)
    while missing := _not_suspended(reader, sent, clusters):
        if time.monotonic() > deadline:
            raise FlotillaError(
                f"workload {subject.workload}: Karmada doesn't hold back {', '.join(missing)} after "
                f"{int(subject.seconds)} s",
                hint="look whether karmada-controller-manager runs; nothing was changed: run `up` again",
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError(f"interrupted while workload {subject.workload} was being held back")
    say(f"{subject.workload}: held back in {len(clusters)} cluster{'s' if len(clusters) != 1 else ''}")


def _not_suspended(reader: SharedReader, sent: list[Object], clusters: set[str]) -> list[str]:
    snapshot = reader.read_for(sent)
    found: set[str] = set()
    for one in sent:
        binding = snapshot.binding_of(ref_of(one))
        works = snapshot.works_of(binding.metadata.labels) if binding else {}
        for name, work in works.items():
            if name in clusters and isinstance(work, Work) and not work.spec.suspend_dispatching:
                found.add(name)
    return sorted(found)


def read_objects(connection: Connection, refs: Iterable[ObjectRef]) -> list[Object]:
    """Read what a stack has written of objects, those that are there, each with who wrote it."""
    listed = list(refs)
    live = find_several(connection, listed)
    return [{**as_written(live[ref]), WRITER: writer_of(live[ref])} for ref in listed if ref in live]


def _contents(connection: Connection, subject: Subject) -> dict[str, str]:
    """Return what a record keeps of a workload's objects; nothing where they are too large and needn't be kept."""
    try:
        return before_data(read_objects(connection, subject.objects))
    except TooLarge as error:
        if subject.strategy.on_failure is not OnFailure.REVERT:
            return {}
        raise FlotillaError(
            f"workload {subject.workload}: its objects are too large to be kept for a way back ({error})",
            hint="write `onFailure: stop`, or divide the workload",
        ) from None


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
