"""The status of each workload in each member: what Karmada decided and sent, and what members reported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flotilla.errors import ClusterError
from flotilla.karmada.kinds import GroupKind, group_of
from flotilla.karmada.objects import AggregatedStatusItem, ResourceBinding, TargetCluster, Work
from flotilla.karmada.rendering.marks import APPLIED_OVERRIDES
from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.selection import OVERRIDES, claimed_by
from flotilla.karmada.status.health import is_plain
from flotilla.karmada.status.judgements import why_not_applied
from flotilla.karmada.status.lacking import lacking, not_replaced
from flotilla.karmada.status.reading import read_sent
from flotilla.karmada.status.snapshot import Snapshot, WorkOrError, Works
from flotilla.karmada.waves.record import Record
from flotilla.karmada.waves.standing import held_back_in
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef
from flotilla.observe.rollouts import records_for

# The errors of reading an object whose fields don't have the types of the API.
_MALFORMED = (ClusterError, ValueError, TypeError, KeyError, AttributeError)
_ORDER = ("Unhealthy", "Pending", "Unknown", "Healthy")
_SUSPENDED = "suspended: Karmada sends nothing there"


@dataclass(frozen=True)
class CopyStatus:
    """The copy of one template in one member."""

    namespace: str
    workload: str
    """Kind and name of the template."""
    cluster: str
    desired: int | None
    """The wanted replicas; None for kinds without replicas."""
    ready: int | None
    """The ready replicas; None for Jobs and kinds without replicas, for which Karmada does not report them."""
    images: tuple[str, ...]
    health: str
    """Healthy, Unhealthy, Unknown or Pending."""
    reason: str
    """Why the copy isn't applied or healthy, as known to the control plane, or that a rollout holds it back."""
    overrides: tuple[str, ...] = ()
    """The policies whose overrides were applied."""
    since: str = ""
    """The last transition of the Work's conditions (RFC 3339)."""
    api_version: str = ""
    finished: str = ""
    """For a finished Job: Complete or Failed."""
    active: int | None = None
    """For a Job: the number of its active pods."""

    @property
    def progress(self) -> str:
        """The progress: `2/3` ready, or `3 active` or `Complete` for a Job; empty for kinds without replicas."""
        if self.finished or self.active is not None:
            return self.finished or f"{self.active} active"
        return "" if self.desired is None or self.ready is None else f"{self.ready}/{self.desired}"

    @property
    def worst_first(self) -> tuple[int, str, str, str]:
        """The sort key of lists."""
        return (_ORDER.index(self.health), self.namespace, self.workload, self.cluster)

    @property
    def ref(self) -> ObjectRef:
        """The object in the member."""
        kind, _, name = self.workload.partition(" ")
        return ObjectRef(self.api_version, kind, name, self.namespace)


def copies_of(connection: Connection) -> list[CopyStatus]:
    """Read all templates that the control plane has bound to members; unhealthy copies come first.

    Raises:
        ClusterError: the control plane did not answer, or refused.
    """
    snapshot = read_sent(connection)
    return copies_in(snapshot, records_for(connection, snapshot))


def copies_in(snapshot: Snapshot, records: Sequence[Record] = ()) -> list[CopyStatus]:
    """Return a copy for every template and member in a snapshot's bindings; unhealthy copies come first.

    Args:
        snapshot: the data of the control plane.
        records: the records of the changes in waves that are in progress.
    """
    by_policy = {policy: record for record in records for policy in record.policies}
    copies = [
        copy
        for ref, binding in snapshot.bindings.items()
        for copy in _copies_or_unknown(ref, binding, snapshot, by_policy)
    ]
    return sorted(copies, key=lambda copy: copy.worst_first)


def _copies_or_unknown(
    ref: ObjectRef,
    binding: ResourceBinding | ClusterError,
    snapshot: Snapshot,
    records: Mapping[tuple[str, str, str], Record],
) -> list[CopyStatus]:
    """Return a binding's copies; a malformed binding becomes one unknown copy, so that the others are still listed."""
    try:
        if isinstance(binding, ClusterError):
            raise binding
        works = snapshot.works_of(binding.metadata.labels)
        claim = claimed_by(binding.metadata.annotations)
        record = records.get(claim) if claim else None
        copies = _copies(binding, works)
        return copies if record is None else [_held_back(copy, record, works.get(copy.cluster)) for copy in copies]
    except _MALFORMED as error:
        why = error.message if isinstance(error, ClusterError) else type(error).__name__
        reason = f"its ResourceBinding has a form that is not expected: {why}"
        return [CopyStatus(ref.namespace, f"ResourceBinding {ref.name}", "", None, None, (), "Unknown", reason)]


def _held_back(copy: CopyStatus, record: Record, work: WorkOrError | None) -> CopyStatus:
    """Return a copy with the reason that a rollout holds it back, if that is so; a healthy copy gets it too."""
    text = held_back_in(record, copy.cluster)
    if not text or not (isinstance(work, Work) and work.spec.suspend_dispatching):
        return copy
    more = "" if copy.reason in ("", _SUSPENDED) else f"; {copy.reason}"
    return replace(copy, reason=f"{text}{more}")


def _copies(binding: ResourceBinding, works: Works) -> list[CopyStatus]:
    reports = {item.cluster_name: item for item in binding.status.aggregated_status}
    targets = {target.name: target for target in binding.spec.clusters}
    for other in binding.spec.required_by:  # it follows another template to these clusters (propagateDeps)
        for target in other.clusters or []:
            targets.setdefault(target.name, TargetCluster(name=target.name))
    return [_copy(binding, target, reports.get(name), works.get(name)) for name, target in targets.items()]


def _copy(
    binding: ResourceBinding, target: TargetCluster, report: AggregatedStatusItem | None, found: WorkOrError | None
) -> CopyStatus:
    work = found if isinstance(found, Work) else None
    manifests = work.spec.workload.manifests if work else []
    status = (report.status if report else None) or {}
    ready = int(status.get("readyReplicas", 0))
    # If members keep their own number of replicas, theirs is the wanted one.
    own = target.replicas is not None and any(owns_replicas(manifest) for manifest in manifests)
    kind = (group_of(binding.spec.resource.api_version), binding.spec.resource.kind)
    reported = report.health if report and report.health in _ORDER else "Unknown"
    if reported == "Unknown" and is_plain(kind):
        reported = "Healthy"  # no interpreter reports its health, so an applied copy counts as healthy
    health = str(reported) if report and report.applied else "Pending"
    is_job = kind == ("batch", "Job")
    ended = _ended(status) if is_job else None
    failed = ended is not None and ended["type"] == "Failed"  # Karmada does not report the health of Jobs
    if health == "Healthy" and (failed or not_replaced(kind, status)):
        health = "Unhealthy"
    return CopyStatus(
        namespace=binding.spec.resource.namespace or "",
        workload=f"{binding.spec.resource.kind} {binding.spec.resource.name}",
        cluster=target.name,
        desired=int(status.get("replicas") or 0) if own and status else target.replicas,
        ready=ready if target.replicas is not None and not is_job else None,
        images=tuple(image for manifest in manifests for image in images_of(manifest)),
        health=health,
        reason=found.message
        if isinstance(found, ClusterError)
        else _reason(health, report, work) or _why(ended) or _lacking(health, kind, manifests, status, target),
        overrides=tuple(_overrides(work)) if work else (),
        since=max((c.last_transition_time or "" for c in work.status.conditions), default="") if work else "",
        api_version=binding.spec.resource.api_version,
        finished=str(ended["type"]) if ended else "",
        active=int(status.get("active") or 0) if is_job and status else None,
    )


def _ended(status: dict[str, Any]) -> dict[str, Any] | None:
    """Return the condition that says how a Job has ended; None if it has not ended."""
    conditions = [one for one in status.get("conditions") or [] if one.get("status") == "True"]
    return next((one for one in conditions if one.get("type") in ("Complete", "Failed")), None)


def _why(ended: dict[str, Any] | None) -> str:
    """Return why a Job has failed; empty if it has not."""
    if ended is None or ended["type"] != "Failed":
        return ""
    return ": ".join(str(part) for part in (ended.get("reason"), ended.get("message")) if part) or "the Job has failed"


def _reason(health: str, report: AggregatedStatusItem | None, work: Work | None) -> str:
    if health == "Healthy":
        return ""
    if report is not None and report.applied_message:
        return why_not_applied(report.applied_message)
    if work is None:
        return "not sent yet"
    if work.spec.suspend_dispatching:
        return _SUSPENDED
    applied = work.condition("Applied")
    if applied is not None and not applied.true:
        return why_not_applied(applied.why)
    return "sent, not reported yet" if report is None else ""


def _lacking(health: str, kind: GroupKind, manifests: list[Object], status: Object, target: TargetCluster) -> str:
    """Return what an unhealthy copy lacks, in the same text as a rollout that waits for it."""
    return lacking(kind, manifests[0], status, target.replicas) if health == "Unhealthy" and manifests else ""


def _overrides(work: Work) -> list[str]:
    """Return the names of the applied override policies, which a Work's annotations list."""
    names = []
    for kind in OVERRIDES:
        try:
            applied: Any = json.loads(work.metadata.annotations.get(APPLIED_OVERRIDES[kind]) or "[]")
        except ValueError:
            continue
        names += [str(one.get("policyName", "")) for one in applied]
    return names


def images_of(manifest: dict[str, Any]) -> list[str]:
    """Return the images of a manifest's containers, in order."""
    spec = manifest.get("spec") or {}
    pod = (spec.get("template") or {}).get("spec") or spec
    return [str(container.get("image")) for container in pod.get("containers") or []]
