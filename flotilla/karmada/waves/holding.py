"""Holds a workload's clusters back: changes in the control plane don't reach them until they are released.

This uses a field of Karmada's policies: `suspension.dispatchingOnClusters`, since Karmada 1.11.
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
"""A key in the objects that a record stores: the field manager that had written the object."""
_POLL_SECONDS = 0.5
# Karmada's controllers read policies through a watch: when the first template of a policy is created, Karmada may not
# know yet that the policy was suspended.
_SETTLE_SECONDS = 1.0


def hold(reader: SharedReader, subject: Subject, before: str = "", *, only_new: bool = False) -> bool:
    """Hold every cluster of a workload back, and store what they run in the workload's record.

    An existing record is continued: it already contains what all clusters ran last.

    Args:
        reader: reads the control plane.
        subject: the workload with its current declaration.
        before: the declaration that the clusters run; empty where it isn't known.
        only_new: whether policies that existed before are held back already.

    Returns:
        Whether there was anything to hold back: the policies of a new workload don't exist yet.

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
        store.forget_requests(PAUSED, APPROVED, ABORTED)
    record = replace(record, phase=Phase.NOT_BEGUN, why="", waves=numbered(waves), policies=named(policies))
    record = replace(record, reached=(), passed=())
    store.write(record)
    suspend(connection, policies, record.held_back)
    sent = [one for one in subject.sent if not (ahead and kind_of(one) == DEFINITION)]
    await_held_back(reader, subject, sent, set(record.held_back))
    return True


def definitions_go_ahead(clusters: Iterable[ClusterFacts], chosen: Container[str], subject: Subject) -> bool:
    """Return whether a workload's definitions are sent to all clusters before the waves.

    Karmada schedules an object only to clusters that serve its kind, and checks that only once. If one of the clusters
    doesn't serve a kind of the workload yet, its definition can't wait for a wave.
    """
    served = [one.served for one in clusters if one.name in chosen and one.served is not None]
    return any(kind not in known for kind in subject.kinds for known in served)


def waves_of(connection: Connection, subject: Subject) -> tuple[Wave, ...]:
    """Divide the clusters that may get a workload into waves, according to the Clusters of the control plane."""
    clusters = [facts_of(item) for item in connection.list(CLUSTER_API, "Cluster")]
    return divide(subject.strategy, candidates(clusters, subject))


def candidates(clusters: Iterable[ClusterFacts], subject: Subject) -> dict[str, Mapping[str, str]]:
    """Return the clusters that any affinity of a workload chooses, regardless of taints, with their labels."""
    affinities = every_affinity(subject.placement)
    return {
        one.name: one.labels
        for one in clusters
        if any(matches(one, affinity, subject.version) for affinity in affinities)
    }


def numbered(waves: Iterable[Wave]) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return waves in the form of a record."""
    return tuple((wave.number, wave.clusters) for wave in waves)


def named(policies: Iterable[ObjectRef]) -> tuple[tuple[str, str, str], ...]:
    """Return policies in the form of a record."""
    return tuple(policy_key(one) for one in policies)


def suspend(connection: Connection, policies: Iterable[ObjectRef], clusters: Iterable[str]) -> None:
    """Make policies send nothing to some clusters; without clusters, send to all. Missing policies are skipped."""
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
    """Release all clusters, and delete the record of the change, if one was under way.

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
    """Return the policies that a record has suspended, and those that are declared."""
    api = subject.policies[0].api_version if subject.policies else ""
    recorded = [ObjectRef(api, kind, name, namespace) for kind, namespace, name in record.policies]
    return list(dict.fromkeys([*subject.policies, *recorded]))


def await_held_back(reader: SharedReader, subject: Subject, sent: list[Object], clusters: set[str]) -> None:
    """Wait until Karmada has suspended every Work of templates in some clusters.

    Args:
        reader: reads the control plane.
        subject: the workload.
        sent: those of its templates that are held back.
        clusters: the clusters that are held back.

    Raises:
        FlotillaError: Karmada hasn't suspended them in time.
    """
    deadline = time.monotonic() + subject.seconds
    pause(_SETTLE_SECONDS)
    while missing := _not_suspended(reader, sent, clusters):
        if time.monotonic() > deadline:
            raise FlotillaError(
                f"workload {subject.workload}: Karmada doesn't hold back {', '.join(missing)} after "
                f"{int(subject.seconds)} s",
                hint="check that karmada-controller-manager runs; nothing was changed: run `up` again",
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
    """Read what a stack has written of objects, with the manager that wrote each; missing objects are left out."""
    listed = list(refs)
    live = find_several(connection, listed)
    return [{**as_written(live[ref]), WRITER: writer_of(live[ref])} for ref in listed if ref in live]


def _contents(connection: Connection, subject: Subject) -> dict[str, str]:
    """Return what a record stores of a workload's objects; nothing if they are too large and needn't be stored."""
    try:
        return before_data(read_objects(connection, subject.objects))
    except TooLarge as error:
        if subject.strategy.on_failure is not OnFailure.REVERT:
            return {}
        raise FlotillaError(
            f"workload {subject.workload}: its objects are too large to be stored for a revert ({error})",
            hint="write `onFailure: stop`, or divide the workload",
        ) from None


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
