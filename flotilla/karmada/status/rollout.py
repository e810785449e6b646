"""How far a template has got in every cluster that was chosen for it.

The chain is followed link by link, each against what was declared, because every status further down may still be
about the version before: policy -> ResourceBinding (placement, schedule) -> Work (the very object that we would
render for that cluster) -> the member's report (applied, healthy).
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
    """Why the cluster doesn't answer, where nothing can be said of it: the others are not kept waiting for it."""
    unserved: str = ""
    """What a copy that is applied lacks, where it takes somebody who serves it (a load balancer, an ingress controller,
    a storage class), nothing shows that there is anybody, and the stack doesn't say that it is waited for."""
    ailing: bool = False
    """It has what is declared, and what is waited for is its health: the cluster itself can say why it lacks that."""

    @property
    def done(self) -> bool:
        """Applied, and as far as it has to get."""
        return not self.waiting_for and not self.unanswered and not self.unserved

    @property
    def late(self) -> str:
        """Why it isn't done; empty where it is."""
        return self.unanswered or self.waiting_for or self.unserved


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
        """Scheduled, and done in every cluster that answers, what nobody serves aside."""
        return not self.waiting_for and not any(one.waiting_for and not one.unanswered for one in self.clusters)

    @property
    def settled(self) -> bool:
        """Done, what nobody serves aside: nothing is left that another run would wait for."""
        return not self.waiting_for and not any(one.waiting_for or one.unanswered for one in self.clusters)

    @property
    def unserved(self) -> dict[str, str]:
        """The clusters in which nobody serves it, with what it lacks."""
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
class _Sought:
    """What is looked for in each cluster of a template, and what was read of it."""

    declared: Object
    template: Object
    """As it is in the control plane."""
    reports: Mapping[str, AggregatedStatusItem]
    works: Works
    fleet: Fleet
    expectation: Expectation
    goal: Goal | None
    servers: Servers
    follows: bool = False
    """It follows others. Karmada passes no suspension on to it."""


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
    suspension: Object = field(default_factory=dict)
    """Karmada's Suspension as declared. A cluster to which nothing is sent is not waited for."""
    lazy: bool = False
    """Karmada acts on a change of the policy with the templates' next change: the schedule is taken as it is."""
    version: Version | None = None
    """Karmada's, by whose rules clusters are chosen and overrides applied; None where it isn't known: the newest's."""
    ready: ReadyRules = field(default_factory=dict)
    """How far objects have to get, where it is declared."""
    followers: list[Object] = field(default_factory=list)
    """Objects that no policy selects, and that follow templates that use them (propagateDeps)."""

    @property
    def objects(self) -> list[Object]:
        """The templates, and what follows them."""
        return [*self.templates, *self.followers]

    @classmethod
    def of(cls, inputs: Mapping[str, Any], anew: frozenset[ObjectRef] = frozenset()) -> RolloutCheck:
        """Return the check that a Rollout's inputs ask for.

        Args:
            inputs: templates, placement, overrideRules, and where they are declared members, suspension, lazy, ready,
                followers and karmadaVersion.
            anew: the templates that Karmada has divided anew.
        """
        return cls(
            templates=inputs["templates"],
            placement=inputs["placement"],
            rules=Rules(inputs["overrideRules"]),
            members=inputs.get("members"),
            anew=anew,
            suspension=inputs.get("suspension") or {},
            lazy=bool(inputs.get("lazy")),
            version=known_version(inputs.get("karmadaVersion")),
            ready=inputs.get("ready") or {},
            followers=inputs.get("followers") or [],
        )

    def progress(self, snapshot: Snapshot, servers: Servers | None = None) -> list[Progress]:
        """Judge each template by a snapshot.

        Args:
            snapshot: what was read.
            servers: what is served where; None: as far as the snapshot's bindings show it.

        Raises:
            ClusterError: the snapshot doesn't know of one of them, since it could not be read.
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
        """Judge one template by what was read of it.

        Args:
            declared: the template as declared.
            template: as it is in the control plane.
            binding: its ResourceBinding; None where there is none.
            works: the Works that carry it, by cluster.
            fleet: the Clusters.
            servers: what is served where, as far as it is known.
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
            nobody = self._all_silent(fleet) if late.startswith(judgements.REFUSED) else ()
            return Progress(ref, nobody, "" if nobody else late)
        targets = {target.name: target.replicas for target in binding.spec.clusters}
        mismatch = self._mismatch(declared, targets, binding, fleet)
        if not targets and self._replicas(declared) != 0 and not mismatch.unanswered:
            reasons = [f"{name}: {reason}" for name, reason in mismatch.waiting.items()]
            return Progress(ref, waiting_for="; ".join(["scheduled to no cluster", *reasons]))
        progress: list[ClusterProgress] = []
        bound = binding.spec.placement if self.lazy else None
        placement = bound.wire() if bound else self.placement
        # What others add to the template in the control plane travels with it.
        sent = with_added(declared, template, shape_of(declared))
        expectation = Expectation(sent, self.rules, placement, self.version).scheduled(
            list(targets.items()), uid=template["metadata"].get("uid"), replicas=binding.spec.replicas
        )
        sought = _Sought(declared, template, _reports(binding), works, fleet, expectation, goal, servers or {})
        for name, replicas in targets.items():
            copy = self._copy(sought, name, replicas, mismatch.waiting.get(name, ""))
            progress += [copy] if copy else []
        absent = [ClusterProgress(n, None, None, r) for n, r in mismatch.waiting.items() if n not in targets]
        unanswered = [ClusterProgress(n, None, None, unanswered=r) for n, r in mismatch.unanswered.items()]
        left = self._left(works, binding, fleet)
        return Progress(ref, (*progress, *absent, *unanswered, *left), scheduled=targets)

    def _copy(self, sought: _Sought, name: str, replicas: int | None, late: str = "") -> ClusterProgress | None:
        """Judge the copy of one cluster; None for a cluster that nobody waits for.

        Args:
            sought: what is looked for, and what was read of it.
            name: the cluster.
            replicas: its share.
            late: what is missing there in any case.
        """
        fleet, declared, work = sought.fleet, sought.declared, sought.works.get(name)
        unready = fleet.unready.get(name, "") if self.members else ""
        if unready and name not in (self.members or {}):
            return None  # a cluster that is about to leave, or is nobody's: it is not waited for
        facts = fleet.facts.get(name, ClusterFacts(name))
        report = sought.reports.get(name)
        late = late or _not_arrived(work, sought.expectation, facts, replicas)
        unserved, ailing = "", False
        if not sought.follows and self._is_suspended(name, work):
            late = ""
        elif not late:
            sent = _sent(work, declared)
            late = judgements.not_ready(
                report,
                replicas,
                sought.template["metadata"].get("generation"),
                goal=sought.goal,
                sent=sent,
                version=self.version,
            )
            late, unserved = _served(late, sent, report, sought.goal, sought.servers.get(name, {}))
            ailing = bool(late) and report is not None and bool(report.applied)
        said = str((self.members or {}).get(name, {}).get("unanswered") or "")
        ready = (report.status or {}).get("readyReplicas", 0) if report and replicas is not None else None
        silent = unready or (said if late or unserved else "")
        return ClusterProgress(name, replicas, ready, late, silent, "" if silent else unserved, ailing and not silent)

    def _follower(self, declared: Object, snapshot: Snapshot, servers: Servers) -> Progress:
        """Judge an object that no policy selects, in the clusters of the templates that it follows."""
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
            return Progress(ref, waiting_for=late)  # what it follows says itself why it is nowhere
        if binding is None or judgements.not_claimed(template, binding):
            return Progress(ref, waiting_for="doesn't follow yet what uses it (there is no ResourceBinding)")
        works = snapshot.works_of(binding.metadata.labels)
        sent = with_added(declared, template, shape_of(declared))
        expectation = Expectation(sent, self.rules, {}, self.version)
        goal = goal_of(self.ready, declared)
        sought = _Sought(
            declared, template, _reports(binding), works, snapshot.fleet, expectation, goal, servers, follows=True
        )
        found = [copy for name in sorted(clusters) if (copy := self._copy(sought, name, None))]
        return Progress(ref, (*found, *self._left(works, binding, snapshot.fleet)))

    def _left(self, works: Works, binding: ResourceBinding, fleet: Fleet) -> list[ClusterProgress]:
        """Return the clusters that answer and still have a copy although they aren't chosen any more."""
        reached = [name for name in fleet.facts if name in works and name not in fleet.unready] if self.members else []
        meant = judgements.copies_meant(binding)
        left = [name for name in reached if name not in meant and not self._is_suspended(name)]
        late = {name: judgements.left(works[name]) for name in left}
        return [ClusterProgress(name, None, None, why) for name, why in late.items() if why]

    def _namespace(self, declared: Object, snapshot: Snapshot) -> list[ClusterProgress]:
        """Judge a Namespace by the Works that Karmada makes of it, without a binding, for every cluster."""
        progress = []
        members, fleet = self.members or {}, snapshot.fleet
        works = snapshot.works_without_binding(ref_of(declared))
        expectation = Expectation(declared, self.rules, self.placement, self.version)
        scheduler = Scheduler.of(self.version)
        known = list(fleet.facts.values())
        # Karmada carries Namespaces everywhere, whatever the taints.
        for facts in choose(known, self.placement, before=set(fleet.facts), scheduler=scheduler).chosen:
            unready = fleet.unready.get(facts.name, "") if members else ""
            if unready and facts.name not in members:
                continue
            work = works.get(facts.name)
            # One that the member had before stays as it is, whatever the workload says: no policy sends a Namespace.
            late = "" if judgements.left_alone(work) else _not_arrived(work, expectation, facts, None)
            progress.append(ClusterProgress(facts.name, None, None, late, unready))
        return progress

    def _replicas(self, declared: Object) -> int | None:
        return replicas_of(declared, self.version or SUPPORTED.newest)

    def _is_suspended(self, cluster: str, work: WorkOrError | None = None) -> bool:
        """Return whether nothing is sent to a cluster: as declared, or where Karmada acts lazily, as it still is."""
        if self.lazy and isinstance(work, Work) and work.spec.suspend_dispatching:
            return True
        return judgements.suspends(self.suspension, cluster)

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
        if not self.members or self.lazy:
            return Mismatch()
        return compare(
            declared,
            targets,
            self.placement,
            self.members,
            fleet,
            group=binding.status.scheduler_observed_affinity_name or "",
            anew=ref_of(declared) in self.anew,
            version=self.version,
        )


def as_expected(members: Members | None) -> Members | None:
    """Return expected clusters as a state keeps them, without what was said then of whether they answer."""
    return {name: {**one, "unanswered": ""} for name, one in members.items()} if members is not None else None


def _reports(binding: ResourceBinding) -> dict[str, AggregatedStatusItem]:
    return {item.cluster_name: item for item in binding.status.aggregated_status}


def _not_arrived(work: WorkOrError | None, expectation: Expectation, facts: ClusterFacts, replicas: int | None) -> str:
    """Say what is missing until a cluster has taken what is declared for it; empty where nothing is."""
    manifests = work.spec.workload.manifests if isinstance(work, Work) else []
    try:
        wanted = expectation.of(facts, replicas, manifests[0] if manifests else None)
    except OverrideError as error:
        return str(error)
    return judgements.arrived(work, wanted)


def _sent(work: WorkOrError | None, declared: Object) -> Object:
    """Return what a cluster was sent; as declared, where its Work doesn't say it."""
    manifests = work.spec.workload.manifests if isinstance(work, Work) else []
    return manifests[0] if manifests and manifests[0].get("kind") and manifests[0].get("apiVersion") else declared


def _served(
    late: str,
    sent: Object,
    report: AggregatedStatusItem | None,
    goal: Goal | None,
    servers: Mapping[GroupKind, ObjectRef],
) -> tuple[str, str]:
    """Return what a copy is waited for, and what it lacks because nobody seems to serve it: one of them is empty."""
    kind = kind_of(sent)
    judged = report is not None and report.applied and report.health == "Unhealthy"
    if not late or goal is not None or not judged or not needs_server(kind, sent):
        return late, ""
    other = servers.get(kind)
    return (f"{late} ({other} has one there)", "") if other else ("", late)
