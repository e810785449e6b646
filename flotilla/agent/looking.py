"""Tools that read the running fleet: clusters, workloads, why a workload is not healthy, and changes in waves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from flotilla.agent.bounds import cut, page
from flotilla.agent.tool import Answer, Arguments, PagedAnswer, PagedArguments, Refused, Tool
from flotilla.agent.workplace import Workplace
from flotilla.counts import counted
from flotilla.deploy.rollouts import rollouts_of
from flotilla.karmada.waves.record import Phase
from flotilla.observe.fleet import fleet_status
from flotilla.observe.members import MemberStatus, members_of
from flotilla.observe.rollouts import RolloutStatus
from flotilla.observe.why import ask_why
from flotilla.observe.workloads import CopyStatus, copies_of

_ASK_SECONDS = 15.0
_PHASES = tuple(str(phase) for phase in Phase)
_SAME_KEYS = ("namespace", "workload", "change", "phase", "reached", "held", "since")
"""The keys of a rollout's document that `RolloutLine` takes unchanged."""


class ListClusters(PagedArguments):
    """Which clusters to list."""

    only: Literal["all", "ready", "not-ready"] = Field(default="all", description="List only these clusters.")
    labels: str = Field(default="", description="Kubernetes label selector, such as site=edge,tier!=test.")


class ClusterLine(Answer):
    """A cluster in a list."""

    name: str
    ready: bool = Field(description="Karmada can reach the cluster and schedules to it.")
    reason: str = Field(description="Why it is not ready; empty if it is.")
    mode: str = Field(
        description="Push: Karmada connects to the cluster. Pull: an agent in the cluster connects to Karmada."
    )
    version: str = Field(description="Kubernetes version.")
    nodes: str = Field(description="The number of ready nodes and of all nodes, such as 3/3.")
    region: str
    labels: dict[str, str]


class Clusters(PagedAnswer):
    """Clusters, those that are not ready first."""

    ready: int = Field(description="The number of ready clusters among all.")
    clusters: list[ClusterLine]


class OneCluster(Arguments):
    """The cluster to describe."""

    name: str = Field(description="The cluster's name, as list_clusters gives it.")


class ResourceUse(Answer):
    """How much of a resource is used."""

    resource: str = Field(description="cpu (cores), memory (bytes) or pods.")
    allocatable: float
    allocated: float = Field(description="The sum of the pods' requests.")
    percent: int


class ClusterDetails(ClusterLine):
    """All facts about a cluster."""

    since: str = Field(description="When it became ready or not ready (RFC 3339).")
    endpoint: str = Field(description="The API server to which Karmada connects.")
    provider: str
    zones: list[str]
    taints: list[str] = Field(description="Taints as key=value:effect; workloads need a toleration for them.")
    use: list[ResourceUse]
    workloads: list[str] = Field(description="Workloads that run here, with their health.")


class ListWorkloads(PagedArguments):
    """Which workloads to list."""

    only: Literal["all", "healthy", "unhealthy"] = Field(default="all", description="List only these copies.")
    cluster: str = Field(default="", description="Only copies in this cluster; empty for all.")
    namespace: str = Field(default="", description="Only this namespace; empty for all.")


class CopyLine(Answer):
    """One workload in one cluster."""

    namespace: str
    workload: str = Field(description="Kind and name, such as Deployment nginx.")
    cluster: str
    replicas: str = Field(description="Ready and desired replicas, such as 2/2; empty for kinds without replicas.")
    health: str = Field(description="Healthy, Unhealthy, Pending (not applied yet) or Unknown.")
    reason: str = Field(description="Why, if the control plane knows it. describe_workload asks the cluster, too.")
    images: list[str]


class Workloads(PagedAnswer):
    """Copies of workloads, worst first."""

    healthy: int = Field(description="The number of healthy copies among all.")
    copies: list[CopyLine]


class OneWorkload(Arguments):
    """The workload to describe."""

    name: str = Field(description="The workload's name without its kind, such as nginx.")
    namespace: str = Field(default="", description="Its namespace; empty for all namespaces.")


class CopyDetails(CopyLine):
    """All facts about one workload in one cluster."""

    overrides: list[str] = Field(description="Override policies that apply in this cluster.")
    since: str = Field(description="The last transition (RFC 3339).")
    why: list[str] = Field(
        description="Why it is not healthy, from the cluster's pods, conditions and warnings. Otherwise empty."
    )


class WorkloadDetails(Answer):
    """A workload's state in all clusters, with reasons."""

    summary: str = Field(description="The state in one sentence.")
    copies: list[CopyDetails]


class RolloutStatusOf(PagedArguments):
    """Which changes in waves to list."""

    workload: str = Field(default="", description="Only this workload; empty for all of the stack.")


class RolloutWaveLine(Answer):
    """One wave."""

    number: int
    clusters: list[str]
    passed: bool = Field(description="Its clusters have the change, and its gate is passed.")


class RolloutLine(Answer):
    """A change of one workload that reaches its clusters in waves."""

    namespace: str
    workload: str
    change: str = Field(description="The ID of the change; another change of the same workload has another ID.")
    phase: str = Field(description=f"{', '.join(_PHASES[:-1])} or {_PHASES[-1]}.")
    text: str = Field(description="The state of the change and the reason for it, in one line.")
    waits_for: str = Field(
        description="The approval that it waits for, such as before-2; otherwise empty. A person gives it with "
        "`flotilla rollout approve`."
    )
    waves: list[RolloutWaveLine]
    reached: list[str] = Field(description="Clusters that have the change.")
    held: list[str] = Field(  # codespell:ignore held
        description="Clusters that keep the old version until their wave. This is on purpose, and no drift."
    )
    since: str = Field(description="When it began (RFC 3339).")


class Rollouts(PagedAnswer):
    """Changes in waves that are under way; those that need a person come first."""

    rollouts: list[RolloutLine]


class Looking:
    """The tools that read the fleet of a workplace."""

    def __init__(self, workplace: Workplace) -> None:
        """Work on the fleet of a workplace."""
        self._workplace = workplace

    def tools(self) -> list[Tool]:
        """Return the tools."""
        return [
            Tool(
                "list_clusters",
                "List clusters",
                "List the fleet's member clusters, those that are not ready first. Call it first to get their names.",
                ListClusters,
                Clusters,
                self.list_clusters,
            ),
            Tool(
                "describe_cluster",
                "Describe a cluster",
                "Show all facts about one cluster: capacity and use, labels, taints, and the workloads that run in it.",
                OneCluster,
                ClusterDetails,
                self.describe_cluster,
            ),
            Tool(
                "list_workloads",
                "List workloads",
                "List workloads with one entry for each cluster that runs them, the worst first.",
                ListWorkloads,
                Workloads,
                self.list_workloads,
            ),
            Tool(
                "describe_workload",
                "Explain a workload's state",
                "Show the state of one workload in every cluster. For copies that are not healthy, the tool asks the "
                "clusters for pods, conditions and warnings to explain why.",
                OneWorkload,
                WorkloadDetails,
                self.describe_workload,
            ),
            Tool(
                "rollout_status",
                "Show changes in waves",
                "Show the changes of the stack's workloads that reach their clusters in waves and are under way: which "
                "clusters have the change, which are held back until their wave, and what the change waits for.",
                RolloutStatusOf,
                Rollouts,
                self.rollout_status,
            ),
        ]

    def list_clusters(self, asked: ListClusters) -> Clusters:
        """Return a page of members."""
        members = members_of(self._workplace.control_plane(), labels=asked.labels)
        kept = [m for m in members if asked.only == "all" or m.ready == (asked.only == "ready")]
        lines = [ClusterLine(**_line(member)) for member in kept]
        part = page(lines, asked)
        return Clusters(
            total=len(lines),
            next_cursor=part.next_cursor,
            ready=sum(member.ready for member in members),
            clusters=lines[part.first : part.end],
        )

    def describe_cluster(self, asked: OneCluster) -> ClusterDetails:
        """Return all facts about a member."""
        seen = fleet_status(self._workplace.control_plane())
        members = {member.name: member for member in seen.members}
        member = members.get(asked.name)
        if member is None:
            raise Refused(f"there is no cluster {asked.name!r}", hint=f"there are {_names(list(members))}")
        here = [copy for copy in seen.workloads if copy.cluster == asked.name]
        return ClusterDetails(
            **_line(member),
            since=member.since,
            endpoint=member.endpoint,
            provider=member.provider,
            zones=list(member.zones),
            taints=list(member.taints),
            use=[
                ResourceUse(resource=name, allocatable=u.allocatable, allocated=u.allocated, percent=u.percent)
                for name, u in member.usage.items()
            ],
            workloads=[f"{c.namespace}/{c.workload}: {c.health}" for c in here][:100],
        )

    def list_workloads(self, asked: ListWorkloads) -> Workloads:
        """Return a page of copies."""
        copies = [
            copy
            for copy in copies_of(self._workplace.control_plane())
            if asked.cluster in ("", copy.cluster) and asked.namespace in ("", copy.namespace)
        ]
        kept = [c for c in copies if asked.only == "all" or (c.health == "Healthy") == (asked.only == "healthy")]
        lines = [CopyLine(**_copy(copy)) for copy in kept]
        part = page(lines, asked)
        return Workloads(
            total=len(lines),
            next_cursor=part.next_cursor,
            healthy=sum(copy.health == "Healthy" for copy in copies),
            copies=lines[part.first : part.end],
        )

    def describe_workload(self, asked: OneWorkload) -> WorkloadDetails:
        """Return the state of a workload, with the reasons why copies are not healthy."""
        access = self._workplace.access()
        every = copies_of(access.control_plane)
        copies = [c for c in every if _called(c, asked.name) and asked.namespace in ("", c.namespace)]
        if not copies:
            known = sorted({c.workload.partition(" ")[2] for c in every})
            raise Refused(f"no cluster runs a workload {asked.name!r}", hint=f"there are {_names(known)}")
        why = ask_why(access, copies, seconds=_ASK_SECONDS)
        details = [
            CopyDetails(
                **_copy(copy),
                overrides=list(copy.overrides),
                since=copy.since,
                why=[cut(text) for text in why.get(copy, [])],
            )
            for copy in copies
        ]
        healthy = sum(copy.health == "Healthy" for copy in copies)
        worst = next(
            (f"; {c.cluster}: {(c.why or [c.reason or c.health])[0]}" for c in details if _is_unhealthy(c)), ""
        )
        return WorkloadDetails(
            summary=f"{asked.name} is healthy in {healthy} of {counted(len(copies), 'cluster')}{worst}",
            copies=details[:50],
        )

    def rollout_status(self, asked: RolloutStatusOf) -> Rollouts:
        """Return a page of changes in waves."""
        found, _ = rollouts_of(self._workplace.setting(), self._workplace.control_plane())
        lines = [_rollout(one) for one in found if asked.workload in ("", one.record.workload)]
        part = page(lines, asked)
        return Rollouts(total=len(lines), next_cursor=part.next_cursor, rollouts=lines[part.first : part.end])


def _rollout(one: RolloutStatus) -> RolloutLine:
    found = one.to_json()
    return RolloutLine(
        **{key: found[key] for key in _SAME_KEYS},
        text=cut(one.text),
        waits_for=one.waits_for,
        waves=[RolloutWaveLine(**wave) for wave in found["waves"]],
    )


def _line(member: MemberStatus) -> dict[str, object]:
    return {
        "name": member.name,
        "ready": member.ready,
        "reason": cut(member.reason),
        "mode": member.mode,
        "version": member.version,
        "nodes": f"{member.nodes_ready}/{member.nodes}",
        "region": member.region,
        "labels": member.labels,
    }


def _copy(copy: CopyStatus) -> dict[str, object]:
    return {
        "namespace": copy.namespace,
        "workload": copy.workload,
        "cluster": copy.cluster,
        "replicas": copy.progress,
        "health": copy.health,
        "reason": cut(copy.reason),
        "images": list(copy.images),
    }


def _called(copy: CopyStatus, name: str) -> bool:
    return copy.workload.partition(" ")[2] == name


def _is_unhealthy(copy: CopyLine) -> bool:
    return copy.health != "Healthy"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) or "none"
