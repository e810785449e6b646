"""The progress of a template in every cluster that was chosen for it.

The chain is followed step by step, and each step is compared with the declaration, because a later status may still
belong to an earlier version: policy -> ResourceBinding (placement, schedule) -> Work (compared with the object as
Flotilla renders it for that cluster) -> the member's report (applied, healthy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.dependencies import refers_to
from flotilla.karmada.kinds import GroupKind, goes_by_itself, kind_of
from flotilla.karmada.objects import AggregatedStatusItem, ResourceBinding, Work
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.expected import Expectation
from flotilla.karmada.rendering.policies import Rules
from flotilla.karmada.scaling import replicas_from
from flotilla.karmada.scheduling import ClusterFacts, Scheduler, choose, replicas_of
from flotilla.karmada.status import judgements
from flotilla.karmada.status.expected import Fleet, Mismatch, compare
from flotilla.karmada.status.lacking import Servers, needs_server
from flotilla.karmada.status.ready import Goal, ReadyRules, goal_of
from flotilla.karmada.status.snapshot import Snapshot, WorkOrError, Works
from flotilla.karmada.versions import SUPPORTED, Version, known_version
from flotilla.kube.merge_keys import shape_of, with_added
from flotilla.kube.objects import Object, ObjectRef, ref_of

Members = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ClusterProgress:
    """One cluster's share of a rollout; `waiting_for` is empty once it is done."""

    cluster: str
    replicas: int | None
    ready: int | None
    waiting_for: str = ""
    unanswered: str = ""
    """Why the cluster doesn't answer, so that nothing is known about its copy; other clusters don't wait for it."""
    unserved: str = ""
    """What an applied copy lacks because nothing in the cluster seems to serve it (a load balancer, an ingress
    controller, a storage class). Empty if the stack declares that the rollout waits for it."""
    unhealthy: bool = False
    """The cluster has applied the declared object, and only its health is missing: the cluster itself can report
    why."""

    @property
    def done(self) -> bool:
        """Whether the copy is applied, and has reached its goal."""
        return not self.waiting_for and not self.unanswered and not self.unserved

    @property
    def late(self) -> str:
        """Why it isn't done; empty where it is."""
        return self.unanswered or self.waiting_for or self.unserved


@dataclass(frozen=True)
class Progress:
    """A rollout over all chosen clusters; `waiting_for` is set where scheduling isn't done yet."""

    template: ObjectRef
    clusters: tuple[ClusterProgress, ...] = ()
    waiting_for: str = ""
    scheduled: dict[str, int | None] = field(default_factory=dict)
    """The clusters to which Karmada has scheduled the template, with their replicas."""

    @property
    def done(self) -> bool:
        """Whether the template is scheduled, and done in every cluster."""
        return not self.waiting_for and all(cluster.done for cluster in self.clusters)

    @property
    def done_where_answered(self) -> bool:
        """Whether it is scheduled, and done in every cluster that answers, except for what nothing serves."""
        return not self.waiting_for and not any(one.waiting_for and not one.unanswered for one in self.clusters)

    @property
    def settled(self) -> bool:
        """Whether it is done except for what nothing serves: another run would have nothing to wait for."""
        return not self.waiting_for and not any(one.waiting_for or one.unanswered for one in self.clusters)

    @property
    def unserved(self) -> dict[str, str]:
        """The clusters in which nothing serves the object, with what it lacks."""
        return {cluster.cluster: cluster.unserved for cluster in self.clusters if cluster.unserved}

    @property
    def unanswered(self) -> dict[str, str]:
        """The clusters that don't answer, with the reason."""
        return {cluster.cluster: cluster.unanswered for cluster in self.clusters if cluster.unanswered}

    def __str__(self) -> str:
        if self.waiting_for:
            return f"{self.template}: {self.waiting_for}"
        late = [f"{c.cluster}: {c.late}" for c in self.clusters if not c.done]
        healthy = ", ".join(c.cluster for c in self.clusters) or "no cluster: it has no replicas"
        return f"{self.template}: " + ("; ".join(late) or f"healthy in {healthy}")


@dataclass(frozen=True)
class _Expected:
    """What is expected of a template in each cluster, and what was read about it."""

    declared: Object
    template: Object
    """The template as it is in the control plane."""
    reports: Mapping[str, AggregatedStatusItem]
    works: Works
    fleet: Fleet
    expectation: Expectation
    goal: Goal | None
    servers: Servers
    follows: bool = False
    """Whether it follows other templates. Karmada doesn't apply suspensions to such objects."""


@dataclass(frozen=True)
class RolloutCheck:
    """A workload's declaration, to be compared with what was read."""

    templates: list[Object]
    """The declared templates."""
    placement: Object
    """Karmada's placement, as declared."""
    rules: list[Object]
    """The declared override rules."""
    members: Members | None = None
    """The clusters that the placement chooses among the stack's members: `id`, and `unanswered`, the reason why one
    doesn't answer now. Without them, the schedule isn't checked."""
    redivided: frozenset[ObjectRef] = frozenset()
    """Templates whose replicas Karmada has divided again for this declaration: their shares are certain."""
    suspension: Object = field(default_factory=dict)
    """Karmada's Suspension, as declared. The rollout doesn't wait for clusters to which nothing is sent."""
    lazy: bool = False
    """Karmada applies a change of the policy only when the templates change: the schedule isn't checked."""
    version: Version | None = None
    """Karmada's version, which determines chosen clusters and overrides; None where it isn't known: the newest one."""
    ready: ReadyRules = field(default_factory=dict)
    """The declared goals of objects."""
    followers: list[Object] = field(default_factory=list)
    """Objects that no policy selects, and that follow the templates that use them (propagateDeps)."""

    @property
    def objects(self) -> list[Object]:
        """The templates, and the objects that follow them."""
        return [*self.templates, *self.followers]

    @classmethod
    def of(cls, inputs: Mapping[str, Any], redivided: frozenset[ObjectRef] = frozenset()) -> RolloutCheck:
        """Return the check for a Rollout's inputs.

        Args:
            inputs: templates, placement, overrideRules, and if declared members, suspension, lazy, ready, followers and
                karmadaVersion.
            redivided: the templates whose replicas Karmada has divided again.
        """
        return cls(
            templates=inputs["templates"],
            placement=inputs["placement"],
            rules=Rules(inputs["overrideRules"]),
            members=inputs.get("members"),
            redivided=redivided,
            suspension=inputs.get("suspension") or {},
            lazy=bool(inputs.get("lazy")),
            version=known_version(inputs.get("karmadaVersion")),
            ready=inputs.get("ready") or {},
            followers=inputs.get("followers") or [],
        )

    def progress(self, snapshot: Snapshot, servers: Servers | None = None) -> list[Progress]:
        """Return the progress of each template according to a snapshot.

        Args:
            snapshot: what was read.
            servers: which kinds are served in which clusters; None: as far as the snapshot's bindings prove it.

        Raises:
            ClusterError: one of the templates or bindings could not be read.
        """
        known = snapshot.servers if servers is None else servers
        own = [self._progress(declared, snapshot, known) for declared in self.templates]
        return own + [self._follower(declared, snapshot, known) for declared in self.followers]

    def _progress(self, declared: Object, snapshot: Snapshot, servers: Servers) -> Progress:
        ref = ref_of(declared)
        template = snapshot.template(ref)
        if template is None:
            return Progress(ref, waiting_for=judgements.not_there(declared, goal_of(self.ready, declared)))
        if goes_by_itself(declared):
            late = judgements.not_declared(declared, template)
            return Progress(ref, () if late else tuple(self._namespace(declared, snapshot)), late)
        binding = snapshot.binding_of(ref)
        works = snapshot.works_of(binding.metadata.labels) if binding else {}
        return self.judge(declared, template, binding, works, snapshot.fleet, servers)

    def judge(
        self,
        declared: Object,
        template: Object,
        binding: ResourceBinding | None,
        works: Works,
        fleet: Fleet,
        servers: Servers | None = None,
    ) -> Progress:
        """Return the progress of one template according to what was read.

        Args:
            declared: the declared template.
            template: the template in the control plane.
            binding: its ResourceBinding; None where there is none.
            works: the Works that contain it, by cluster.
            fleet: the Clusters.
            servers: which kinds are served in which clusters, as far as that is known.
        """
        ref = ref_of(declared)
        goal = goal_of(self.ready, declared)
        declared = replicas_from(declared, template)
        late = judgements.not_declared(declared, template) or judgements.not_claimed(template, binding)
        if late or binding is None:
            return Progress(ref, waiting_for=late)
        late = "" if self.lazy else judgements.another_placement(binding, self.placement)
        late = late or judgements.not_scheduled(binding)
        if late:
            silent = self._all_silent(fleet) if late.startswith(judgements.REFUSED) else ()
            return Progress(ref, silent, "" if silent else late)
        targets = {target.name: target.replicas for target in binding.spec.clusters}
        mismatch = self._mismatch(declared, targets, binding, fleet)
        if not targets and self._replicas(declared) != 0 and not mismatch.unanswered:
            reasons = [f"{name}: {reason}" for name, reason in mismatch.waiting.items()]
            return Progress(ref, waiting_for="; ".join(["scheduled to no cluster", *reasons]))
        progress: list[ClusterProgress] = []
        bound = binding.spec.placement if self.lazy else None
        placement = bound.wire() if bound else self.placement
        # Fields that others add to the template in the control plane are sent with it.
        sent = with_added(declared, template, shape_of(declared))
        expectation = Expectation(sent, self.rules, placement, self.version).scheduled(
            list(targets.items()), uid=template["metadata"].get("uid"), replicas=binding.spec.replicas
        )
        expected = _Expected(declared, template, _reports(binding), works, fleet, expectation, goal, servers or {})
        for name, replicas in targets.items():
            copy = self._copy(expected, name, replicas, mismatch.waiting.get(name, ""))
            progress += [copy] if copy else []
        absent = [ClusterProgress(n, None, None, r) for n, r in mismatch.waiting.items() if n not in targets]
        unanswered = [ClusterProgress(n, None, None, unanswered=r) for n, r in mismatch.unanswered.items()]
        left = self._left(works, binding, fleet)
        return Progress(ref, (*progress, *absent, *unanswered, *left), scheduled=targets)

    def _copy(self, expected: _Expected, name: str, replicas: int | None, late: str = "") -> ClusterProgress | None:
        """Return the progress of one cluster's copy; None for a cluster for which the rollout doesn't wait.

        Args:
            expected: what is expected of the template, and what was read about it.
            name: the cluster.
            replicas: its share of the replicas.
            late: what is already known to be missing.
        """
        fleet, declared, work = expected.fleet, expected.declared, expected.works.get(name)
        unready = fleet.unready.get(name, "") if self.members else ""
        if unready and name not in (self.members or {}):
            return None  # a cluster that is about to leave, or doesn't belong to the stack
        facts = fleet.facts.get(name, ClusterFacts(name))
        report = expected.reports.get(name)
        late = late or _not_arrived(work, expected.expectation, facts, replicas)
        unserved, unhealthy = "", False
        if not expected.follows and self._is_suspended(name, work):
            late = ""
        elif not late:
            sent = _sent(work, declared)
            late = judgements.not_ready(
                report,
                replicas,
                expected.template["metadata"].get("generation"),
                goal=expected.goal,
                sent=sent,
                version=self.version,
            )
            late, unserved = _served(late, sent, report, expected.goal, expected.servers.get(name, {}))
            unhealthy = bool(late) and report is not None and bool(report.applied)
        said = str((self.members or {}).get(name, {}).get("unanswered") or "")
        ready = (report.status or {}).get("readyReplicas", 0) if report and replicas is not None else None
        silent = unready or (said if late or unserved else "")
        return ClusterProgress(
            name, replicas, ready, late, silent, "" if silent else unserved, unhealthy and not silent
        )

    def _follower(self, declared: Object, snapshot: Snapshot, servers: Servers) -> Progress:
        """Return the progress of an object that no policy selects, in the clusters of the templates that it follows."""
        ref = ref_of(declared)
        template = snapshot.template(ref)
        if template is None:
            return Progress(ref, waiting_for="is not in the control plane")
        clusters: dict[str, None] = {}
        for user in self.templates:
            if refers_to(user, declared, self.version or SUPPORTED.newest):
                bound = snapshot.binding_of(ref_of(user))
                clusters |= dict.fromkeys(target.name for target in bound.spec.clusters) if bound else {}
        binding = snapshot.binding_of(ref)
        late = judgements.not_declared(declared, template)
        if late or not clusters:
            return Progress(ref, waiting_for=late)  # the progress of its templates shows why they are nowhere
        if binding is None or judgements.not_claimed(template, binding):
            return Progress(ref, waiting_for="doesn't follow its templates yet (there is no ResourceBinding)")
        works = snapshot.works_of(binding.metadata.labels)
        sent = with_added(declared, template, shape_of(declared))
        expectation = Expectation(sent, self.rules, {}, self.version)
        goal = goal_of(self.ready, declared)
        expected = _Expected(
            declared, template, _reports(binding), works, snapshot.fleet, expectation, goal, servers, follows=True
        )
        found = [copy for name in sorted(clusters) if (copy := self._copy(expected, name, None))]
        return Progress(ref, (*found, *self._left(works, binding, snapshot.fleet)))

    def _left(self, works: Works, binding: ResourceBinding, fleet: Fleet) -> list[ClusterProgress]:
        """Return the clusters that answer and still have a copy although they are no longer chosen."""
        reached = [name for name in fleet.facts if name in works and name not in fleet.unready] if self.members else []
        intended = judgements.intended_clusters(binding)
        left = [name for name in reached if name not in intended and not self._is_suspended(name)]
        late = {name: judgements.left(works[name]) for name in left}
        return [ClusterProgress(name, None, None, why) for name, why in late.items() if why]

    def _namespace(self, declared: Object, snapshot: Snapshot) -> list[ClusterProgress]:
        """Return the progress of a Namespace by its Works, which Karmada makes for every cluster, without a binding."""
        progress = []
        members, fleet = self.members or {}, snapshot.fleet
        works = snapshot.works_without_binding(ref_of(declared))
        expectation = Expectation(declared, self.rules, self.placement, self.version)
        scheduler = Scheduler.of(self.version)
        known = list(fleet.facts.values())
        # Karmada sends Namespaces to every cluster, regardless of taints.
        for facts in choose(known, self.placement, before=set(fleet.facts), scheduler=scheduler).chosen:
            unready = fleet.unready.get(facts.name, "") if members else ""
            if unready and facts.name not in members:
                continue
            work = works.get(facts.name)
            # A Namespace that the member already had stays as it is, whatever the workload declares: no policy sends
            # it.
            late = "" if judgements.is_left_alone(work) else _not_arrived(work, expectation, facts, None)
            progress.append(ClusterProgress(facts.name, None, None, late, unready))
        return progress

    def _replicas(self, declared: Object) -> int | None:
        return replicas_of(declared, self.version or SUPPORTED.newest)

    def _is_suspended(self, cluster: str, work: WorkOrError | None = None) -> bool:
        """Return whether nothing is sent to a cluster: as declared, or if lazily activated, as its Work says."""
        if self.lazy and isinstance(work, Work) and work.spec.suspend_dispatching:
            return True
        return judgements.suspends(self.suspension, cluster)

    def _all_silent(self, fleet: Fleet) -> tuple[ClusterProgress, ...]:
        """Return the expected clusters with their reasons, if none of them answers; otherwise nothing."""
        members = self.members or {}
        reasons = {n: fleet.unready.get(n) or str(m.get("unanswered") or "") for n, m in members.items()}
        if not all(reasons.values()):
            return ()
        return tuple(ClusterProgress(name, None, None, unanswered=reason) for name, reason in reasons.items())

    def _mismatch(
        self, declared: Object, targets: dict[str, int | None], binding: ResourceBinding, fleet: Fleet
    ) -> Mismatch:
        if not self.members or self.lazy:
            return Mismatch()
        return compare(
            declared,
            targets,
            self.placement,
            self.members,
            fleet,
            group=binding.status.scheduler_observed_affinity_name or "",
            redivided=ref_of(declared) in self.redivided,
            version=self.version,
        )


def without_unanswered(members: Members | None) -> Members | None:
    """Return expected clusters as a state stores them: without the reasons why some didn't answer."""
    return {name: {**one, "unanswered": ""} for name, one in members.items()} if members is not None else None


def _reports(binding: ResourceBinding) -> dict[str, AggregatedStatusItem]:
    return {item.cluster_name: item for item in binding.status.aggregated_status}


def _not_arrived(work: WorkOrError | None, expectation: Expectation, facts: ClusterFacts, replicas: int | None) -> str:
    """Return what is missing until a cluster has applied what is declared for it; empty where nothing is."""
    manifests = work.spec.workload.manifests if isinstance(work, Work) else []
    try:
        wanted = expectation.of(facts, replicas, manifests[0] if manifests else None)
    except OverrideError as error:
        return str(error)
    return judgements.arrived(work, wanted)


def _sent(work: WorkOrError | None, declared: Object) -> Object:
    """Return what was sent to a cluster; the declared template where its Work doesn't contain it."""
    manifests = work.spec.workload.manifests if isinstance(work, Work) else []
    return manifests[0] if manifests and manifests[0].get("kind") and manifests[0].get("apiVersion") else declared


def _served(
    late: str,
    sent: Object,
    report: AggregatedStatusItem | None,
    goal: Goal | None,
    servers: Mapping[GroupKind, ObjectRef],
) -> tuple[str, str]:
    """Return what the rollout waits for in a copy, and what it lacks because nothing serves it; one is empty."""
    kind = kind_of(sent)
    judged = report is not None and report.applied and report.health == "Unhealthy"
    if not late or goal is not None or not judged or not needs_server(kind, sent):
        return late, ""
    other = servers.get(kind)
    return (f"{late} ({other} has one there)", "") if other else ("", late)
