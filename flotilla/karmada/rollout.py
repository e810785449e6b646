"""How far a template has got in every cluster that was chosen for it.

The chain is followed link by link, each against what was declared, because every status further down may still be
about the version before: policy -> ResourceBinding (placement, schedule) -> Work (the very object that we would
render for that cluster) -> the member's report (applied, healthy).
"""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.karmada.api import BINDING_API, CLUSTER_API, WORK_API, AggregatedStatusItem, ResourceBinding, Work
from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.names import binding_name, execution_namespace
from flotilla.karmada.placement import ClusterFacts, matches
from flotilla.karmada.propagation import HEALTH_IGNORED
from flotilla.karmada.render import render
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, differences, ref_of

BINDING_ID_LABELS = ("resourcebinding.karmada.io/permanent-id", "clusterresourcebinding.karmada.io/permanent-id")


@dataclass(frozen=True)
class ClusterProgress:
    """One cluster's share of a rollout; `waiting_for` is empty once it is done."""

    cluster: str
    replicas: int | None
    ready: int | None
    waiting_for: str = ""

    @property
    def done(self) -> bool:
        """Applied and healthy."""
        return not self.waiting_for


@dataclass(frozen=True)
class Progress:
    """A rollout over all chosen clusters; `waiting_for` is set where not even the scheduling is done."""

    template: ObjectRef
    clusters: tuple[ClusterProgress, ...] = ()
    waiting_for: str = ""

    @property
    def done(self) -> bool:
        """Scheduled, and done in every cluster."""
        return not self.waiting_for and all(cluster.done for cluster in self.clusters)

    def __str__(self) -> str:
        if self.waiting_for:
            return f"{self.template}: {self.waiting_for}"
        late = [f"{c.cluster}: {c.waiting_for}" for c in self.clusters if c.waiting_for]
        return f"{self.template}: " + ("; ".join(late) or "healthy in " + ", ".join(c.cluster for c in self.clusters))


@dataclass(frozen=True)
class RolloutCheck:
    """What was declared, to be compared with what is there."""

    templates: list[Object]
    """Templates as declared."""
    placement: Object
    """Karmada's placement as declared."""
    rules: list[Object]
    """Override rules as declared."""

    def look(self, connection: Connection) -> list[Progress]:
        """Ask the control plane once, and judge each template.

        Raises:
            ClusterError: the control plane could not be asked.
        """
        clusters = {c["metadata"]["name"]: facts_of(c) for c in connection.list(CLUSTER_API, "Cluster")}
        return [self._judge(connection, declared, clusters) for declared in self.templates]

    def _judge(self, connection: Connection, declared: Object, clusters: dict[str, ClusterFacts]) -> Progress:
        ref = ref_of(declared)
        template = connection.find(ref)
        if template is None:
            return Progress(ref, waiting_for="is not in the control plane")
        changed = differences({key: value for key, value in declared.items() if key != "stringData"}, template)
        if changed:
            return Progress(ref, waiting_for=f"is not as declared in the control plane: {changed[0].text} differs")
        if goes_by_itself(declared):
            return Progress(ref, tuple(self._judge_namespace(connection, declared, clusters)))
        found = connection.find(binding_ref(ref))
        binding = ResourceBinding.read(found) if found else None
        late = self._not_scheduled(template, binding)
        if late or binding is None:
            return Progress(ref, waiting_for=late)
        reports = {item.cluster_name: item for item in binding.status.aggregated_status}
        progress = []
        for target in binding.spec.clusters:
            facts = clusters.get(target.name, ClusterFacts(target.name))
            wanted = render(declared, facts, replicas=target.replicas, rules=self.rules)
            late = _not_sent(find_work(connection, binding, target.name), wanted) or _not_healthy(
                reports.get(target.name),
                target.replicas,
                template["metadata"].get("generation"),
                ignored=_health_ignored(declared),
            )
            report = reports.get(target.name)
            ready = (report.status or {}).get("readyReplicas", 0) if report and target.replicas is not None else None
            progress.append(ClusterProgress(target.name, target.replicas, ready, late))
        return Progress(ref, tuple(progress))

    def _judge_namespace(
        self, connection: Connection, declared: Object, clusters: dict[str, ClusterFacts]
    ) -> list[ClusterProgress]:
        """Judge a Namespace by the Works that Karmada makes of it, without a binding, for every cluster."""
        progress = []
        for facts in clusters.values():
            if matches(facts, self.placement.get("clusterAffinity") or {}):
                wanted = render(declared, facts, replicas=None, rules=self.rules)
                late = _not_sent(_work_of(connection, ref_of(declared), facts.name), wanted)
                progress.append(ClusterProgress(facts.name, None, None, late))
        return progress

    def _not_scheduled(self, template: Object, binding: ResourceBinding | None) -> str:
        """Say what keeps the template from being scheduled as declared; empty where nothing does."""
        if binding is None:
            return "no policy has claimed it yet (there is no ResourceBinding)"
        if binding.spec.resource.uid not in (None, template["metadata"].get("uid")):
            return "its ResourceBinding belongs to an earlier object of this name"
        placement = (
            binding.spec.placement.model_dump(by_alias=True, exclude_none=True) if binding.spec.placement else {}
        )
        if differences(self.placement, placement):
            return "its ResourceBinding has another placement: another policy claims it, or Karmada is not there yet"
        scheduled = binding.condition("Scheduled")
        if scheduled is None:
            return "not scheduled yet"
        if scheduled.status != "True":
            return f"not scheduled: {scheduled.message or scheduled.reason}"
        observed, generation = binding.status.scheduler_observed_generation, binding.metadata.generation
        if observed is not None and generation is not None and observed < generation:
            return "not scheduled again after its change"
        return "" if binding.spec.clusters else "scheduled to no cluster"


def binding_ref(template: ObjectRef) -> ObjectRef:
    """Return where the binding of a template is."""
    kind = "ResourceBinding" if template.namespace else "ClusterResourceBinding"
    return ObjectRef(BINDING_API, kind, binding_name(template.kind, template.name), template.namespace)


def facts_of(cluster: Object) -> ClusterFacts:
    """Return what placements ask about a Cluster of the API."""
    spec = cluster.get("spec") or {}
    zones = spec.get("zones") or ([spec["zone"]] if spec.get("zone") else [])
    return ClusterFacts(
        cluster["metadata"]["name"],
        cluster["metadata"].get("labels") or {},
        spec.get("provider") or "",
        spec.get("region") or "",
        tuple(zones),
    )


def find_work(connection: Connection, binding: ResourceBinding, cluster: str) -> Work | None:
    """Return the Work that carries a binding's object to a cluster; None where there is none yet."""
    for label in BINDING_ID_LABELS:
        identity = binding.metadata.labels.get(label)
        if identity:
            works = connection.list(
                WORK_API, "Work", namespace=execution_namespace(cluster), labels=f"{label}={identity}"
            )
            return Work.read(works[0]) if works else None
    return None


def _work_of(connection: Connection, ref: ObjectRef, cluster: str) -> Work | None:
    """Return the Work that carries an object to a cluster, found by what is in it; None where there is none."""
    for found in connection.list(WORK_API, "Work", namespace=execution_namespace(cluster)):
        work = Work.read(found)
        if any(ref_of(manifest) == ref for manifest in work.spec.workload.manifests):
            return work
    return None


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
        return f"its Work doesn't have {different[0].text} = {different[0].wanted!r} yet"
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
