"""How far a template has got in every cluster that was chosen for it.

The chain is followed link by link, each against what was declared, because every status further down may still be
about the version before: policy -> ResourceBinding (placement, schedule) -> Work (the very object that we would
render for that cluster) -> the member's report (applied, healthy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX, binding_name, execution_namespace
from flotilla.karmada.objects import BINDING_API, CLUSTER_API, WORK_API, AggregatedStatusItem, ResourceBinding, Work
from flotilla.karmada.propagation import HEALTH_IGNORED
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.expected import Expectation
from flotilla.karmada.scheduling import ClusterFacts, choose, facts_of, replicas_of
from flotilla.karmada.status.expected import Fleet, Mismatch, compare, unready_reason
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, differences, ref_of
from flotilla.kube.secrecy import shown

_REFUSED = "not scheduled"
Members = Mapping[str, Mapping[str, Any]]
BINDING_ID_LABELS = ("resourcebinding.karmada.io/permanent-id", "clusterresourcebinding.karmada.io/permanent-id")


@dataclass(frozen=True)
class ClusterProgress:
    """One cluster's share of a rollout; `waiting_for` is empty once it is done."""

    cluster: str
    replicas: int | None
    ready: int | None
    waiting_for: str = ""
    unanswered: str = ""
    """Why the cluster doesn't answer, where nothing can be said of it: the others are not kept waiting for it."""

    @property
    def done(self) -> bool:
        """Applied and healthy."""
        return not self.waiting_for and not self.unanswered


@dataclass(frozen=True)
class Progress:
    """A rollout over all chosen clusters; `waiting_for` is set where not even the scheduling is done."""

    template: ObjectRef
    clusters: tuple[ClusterProgress, ...] = ()
    waiting_for: str = ""
    scheduled: dict[str, int | None] = field(default_factory=dict)
    """Where Karmada has scheduled it, with the replicas."""

    @property
    def done(self) -> bool:
        """Scheduled, and done in every cluster."""
        return not self.waiting_for and all(cluster.done for cluster in self.clusters)

    @property
    def done_where_answered(self) -> bool:
        """Scheduled, and done in every cluster that answers."""
        return not self.waiting_for and all(cluster.done or cluster.unanswered for cluster in self.clusters)

    @property
    def unanswered(self) -> dict[str, str]:
        """The clusters that don't answer, with the reason."""
        return {cluster.cluster: cluster.unanswered for cluster in self.clusters if cluster.unanswered}

    def __str__(self) -> str:
        if self.waiting_for:
            return f"{self.template}: {self.waiting_for}"
        late = [f"{c.cluster}: {c.unanswered or c.waiting_for}" for c in self.clusters if not c.done]
        healthy = ", ".join(c.cluster for c in self.clusters) or "no cluster: it has no replicas"
        return f"{self.template}: " + ("; ".join(late) or f"healthy in {healthy}")


@dataclass(frozen=True)
class RolloutCheck:
    """What was declared, to be compared with what is there."""

    templates: list[Object]
    """Templates as declared."""
    placement: Object
    """Karmada's placement as declared."""
    rules: list[Object]
    """Override rules as declared."""
    members: Members | None = None
    """The clusters that the placement chooses among the stack's members: `id`, and `unanswered`, why one doesn't answer
    now. Without any, the schedule is taken as it is."""
    anew: frozenset[ObjectRef] = frozenset()
    """Templates whose replicas Karmada has divided anew for this declaration: their shares are certain."""

    def look(self, connection: Connection) -> list[Progress]:
        """Ask the control plane once, and judge each template.

        Raises:
            ClusterError: the control plane could not be asked.
        """
        fleet = fleet_of(connection.list(CLUSTER_API, "Cluster"))
        return [self._follow(connection, declared, fleet) for declared in self.templates]

    def _follow(self, connection: Connection, declared: Object, fleet: Fleet) -> Progress:
        """Read a template's chain, no further than it has got: three requests, whatever the number of clusters."""
        ref = ref_of(declared)
        template = connection.find(ref)
        if template is None:
            return Progress(ref, waiting_for="is not in the control plane")
        if goes_by_itself(declared):
            changed = _changed(declared, template)
            return Progress(ref, () if changed else tuple(self._namespace(connection, declared, fleet)), changed)
        binding = connection.find(binding_ref(ref))
        works = find_works(connection, ResourceBinding.read(binding)) if binding else {}
        return self.judge(declared, template, binding, works, fleet)

    def judge(
        self, declared: Object, template: Object, binding: Object | None, works: Mapping[str, Work], fleet: Fleet
    ) -> Progress:
        """Judge one template by what was read of it.

        Args:
            declared: the template as declared.
            template: as it is in the control plane.
            binding: its ResourceBinding, as it was read; None where there is none.
            works: the Works that carry it, by cluster.
            fleet: the Clusters.
        """
        ref = ref_of(declared)
        late = _changed(declared, template) or self._not_scheduled(template, binding)
        if late or binding is None:
            nobody = self._all_silent(fleet) if late.startswith(_REFUSED) else ()
            return Progress(ref, nobody, "" if nobody else late)
        bound = ResourceBinding.read(binding)
        targets = {target.name: target.replicas for target in bound.spec.clusters}
        mismatch = self._mismatch(declared, targets, bound, fleet)
        if not targets and replicas_of(declared) != 0 and not mismatch.unanswered:
            reasons = [f"{name}: {reason}" for name, reason in mismatch.waiting.items()]
            return Progress(ref, waiting_for="; ".join(["scheduled to no cluster", *reasons]))
        reports = {item.cluster_name: item for item in bound.status.aggregated_status}
        progress: list[ClusterProgress] = []
        expectation = Expectation(declared, self.rules, self.placement).scheduled(
            list(targets.items()), uid=template["metadata"].get("uid"), replicas=binding["spec"].get("replicas")
        )
        for name, replicas in targets.items():
            unready = fleet.unready.get(name, "") if self.members else ""
            if unready and name not in (self.members or {}):
                continue  # a cluster that is about to leave, or is nobody's: it is not waited for
            facts = fleet.facts.get(name, ClusterFacts(name))
            report = reports.get(name)
            late = (
                mismatch.waiting.get(name)
                or _late_work(works.get(name), expectation, facts, replicas)
                or _not_healthy(
                    report, replicas, template["metadata"].get("generation"), ignored=_health_ignored(declared)
                )
            )
            said = str((self.members or {}).get(name, {}).get("unanswered") or "")
            ready = (report.status or {}).get("readyReplicas", 0) if report and replicas is not None else None
            progress.append(ClusterProgress(name, replicas, ready, late, unready or (said if late else "")))
        absent = [ClusterProgress(n, None, None, r) for n, r in mismatch.waiting.items() if n not in targets]
        silent = [ClusterProgress(n, None, None, unanswered=r) for n, r in mismatch.unanswered.items()]
        return Progress(ref, (*progress, *absent, *silent), scheduled=targets)

    def _namespace(self, connection: Connection, declared: Object, fleet: Fleet) -> list[ClusterProgress]:
        """Judge a Namespace by the Works that Karmada makes of it, without a binding, for every cluster."""
        progress = []
        members = self.members or {}
        # Karmada carries Namespaces everywhere, whatever the taints.
        for facts in choose(list(fleet.facts.values()), self.placement, before=set(fleet.facts)).chosen:
            unready = fleet.unready.get(facts.name, "") if members else ""
            if unready and facts.name not in members:
                continue
            work = _work_of(connection, ref_of(declared), facts.name)
            late = _late_work(work, Expectation(declared, self.rules, self.placement), facts, None)
            progress.append(ClusterProgress(facts.name, None, None, late, unready))
        return progress

    def _all_silent(self, fleet: Fleet) -> tuple[ClusterProgress, ...]:
        """Return the expected clusters with their reasons, where none of them answers; nothing otherwise."""
        members = self.members or {}
        reasons = {n: fleet.unready.get(n) or str(m.get("unanswered") or "") for n, m in members.items()}
        if not all(reasons.values()):
            return ()
        return tuple(ClusterProgress(name, None, None, unanswered=reason) for name, reason in reasons.items())

    def _mismatch(
        self, declared: Object, targets: dict[str, int | None], binding: ResourceBinding, fleet: Fleet
    ) -> Mismatch:
        if not self.members:
            return Mismatch()
        return compare(
            declared,
            targets,
            self.placement,
            self.members,
            fleet,
            group=binding.status.scheduler_observed_affinity_name or "",
            anew=ref_of(declared) in self.anew,
        )

    def _not_scheduled(self, template: Object, found: Object | None) -> str:
        """Say what keeps the template from being scheduled as declared; empty where nothing does."""
        if found is None:
            return "no policy has claimed it yet (there is no ResourceBinding)"
        binding = ResourceBinding.read(found)
        if binding.spec.resource.uid not in (None, template["metadata"].get("uid")):
            return "its ResourceBinding belongs to an earlier object of this name"
        # The raw object, so that no field that was declared is missing in the comparison.
        if differences(self.placement, (found.get("spec") or {}).get("placement") or {}):
            return "its ResourceBinding has another placement: another policy claims it, or Karmada is not there yet"
        scheduled = binding.condition("Scheduled")
        if scheduled is None:
            return "the scheduler has not seen it yet"
        if scheduled.status != "True":
            return f"{_REFUSED}: {scheduled.message or scheduled.reason}"
        observed, generation = binding.status.scheduler_observed_generation, binding.metadata.generation
        if observed is not None and generation is not None and observed < generation:
            return "the scheduler has not seen its change yet"
        return ""


def as_expected(members: Members | None) -> Members | None:
    """Return expected clusters as a state keeps them, without what was said then of whether they answer."""
    return {name: {**one, "unanswered": ""} for name, one in members.items()} if members is not None else None


def binding_ref(template: ObjectRef) -> ObjectRef:
    """Return where the binding of a template is."""
    kind = "ResourceBinding" if template.namespace else "ClusterResourceBinding"
    return ObjectRef(BINDING_API, kind, binding_name(template.kind, template.name), template.namespace)


def fleet_of(clusters: list[Object]) -> Fleet:
    """Return the Clusters of a control plane, as schedules are judged by them."""
    unready = {cluster["metadata"]["name"]: unready_reason(cluster) for cluster in clusters}
    staying = [facts_of(cluster) for cluster in clusters if not cluster["metadata"].get("deletionTimestamp")]
    return Fleet({facts.name: facts for facts in staying}, {name: reason for name, reason in unready.items() if reason})


def find_works(connection: Connection, binding: ResourceBinding) -> dict[str, Work]:
    """Return the Works that carry a binding's object, by cluster."""
    for label in BINDING_ID_LABELS:
        identity = binding.metadata.labels.get(label)
        if identity:
            works = [Work.read(item) for item in connection.list(WORK_API, "Work", labels=f"{label}={identity}")]
            return {(w.metadata.namespace or "").removeprefix(EXECUTION_NAMESPACE_PREFIX): w for w in works}
    return {}


def _work_of(connection: Connection, ref: ObjectRef, cluster: str) -> Work | None:
    """Return the Work that carries an object to a cluster, found by what is in it; None where there is none."""
    for found in connection.list(WORK_API, "Work", namespace=execution_namespace(cluster)):
        work = Work.read(found)
        if any(ref_of(manifest) == ref for manifest in work.spec.workload.manifests):
            return work
    return None


def _changed(declared: Object, template: Object) -> str:
    found = differences({key: value for key, value in declared.items() if key != "stringData"}, template)
    return f"is not as declared in the control plane: {found[0].text} differs" if found else ""


def _late_work(work: Work | None, expectation: Expectation, facts: ClusterFacts, replicas: int | None) -> str:
    """Say what keeps a cluster's Work from being as declared; empty where nothing does."""
    manifests = work.spec.workload.manifests if work else []
    try:
        wanted = expectation.of(facts, replicas, manifests[0] if manifests else None)
    except OverrideError as error:
        return str(error)
    return _not_sent(work, wanted)


def _not_sent(work: Work | None, wanted: Object) -> str:
    if work is None:
        return "not sent yet (there is no Work)"
    manifests = work.spec.workload.manifests
    if not manifests:
        return "its Work is empty"
    # A status never travels, and the server has turned stringData into data.
    asked = {key: value for key, value in wanted.items() if key not in ("status", "stringData")}
    different = differences(asked, manifests[0])
    if different:
        value = shown(wanted, different[0].path, different[0].wanted)
        return f"its Work doesn't have {different[0].text} = {value!r} yet"
    applied = next((c for c in work.status.conditions if c.type == "Applied"), None)
    if applied is None:
        return "sent, not applied yet"
    return "" if applied.status == "True" else f"not applied: {applied.message or applied.reason}"


def _health_ignored(template: Object) -> bool:
    return (template["metadata"].get("annotations") or {}).get(HEALTH_IGNORED) == "true"


def _not_healthy(
    report: AggregatedStatusItem | None, replicas: int | None, generation: int | None, *, ignored: bool
) -> str:
    if report is None:
        return "applied, not reported yet"
    if not report.applied:
        return f"not applied: {report.applied_message or 'no reason given'}"
    status = report.status or {}
    # Karmada hands a template's generation down to the member and back (not in 1.10).
    seen = status.get("resourceTemplateGeneration")
    if seen is not None and generation is not None and seen < generation:
        return "applied, but reported of an older version"
    if report.health == "Healthy" or ignored:
        return ""
    ready = f"{status.get('readyReplicas', 0)} of {replicas} replicas ready" if replicas is not None else ""
    return ", ".join(part for part in (str(report.health or "health not known yet").lower(), ready) if part)
