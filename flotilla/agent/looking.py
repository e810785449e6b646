"""Tools that look at the running fleet: clusters, workloads, why a workload isn't well, and changes in waves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from flotilla.agent.bounds import cut, page
from flotilla.agent.tool import Answer, Arguments, PagedAnswer, PagedArguments, Refused, Tool
from flotilla.agent.workplace import Workplace
from flotilla.counts import counted
from flotilla.deploy.rollouts import rollouts_of
from flotilla.observe.fleet import fleet_status
from flotilla.observe.members import MemberStatus, members_of
from flotilla.observe.rollouts import RolloutStatus
from flotilla.observe.why import ask_why
from flotilla.observe.workloads import CopyStatus, copies_of

_ASK_SECONDS = 15.0


class ListClusters(PagedArguments):
    """Which clusters to list."""

    only: Literal["all", "ready", "not-ready"] = Field(default="all", description="Leave out the others.")
    labels: str = Field(default="", description="Kubernetes label selector, such as site=edge,tier!=test.")


class ClusterLine(Answer):
    """A cluster in a list."""

    name: str
    ready: bool = Field(description="Karmada can reach the cluster and schedules to it.")
    reason: str = Field(description="Why it is not ready; empty if it is.")
    mode: str = Field(description="Push: Karmada dials the cluster. Pull: an agent in the cluster dials Karmada.")
    version: str = Field(description="Kubernetes version.")
    nodes: str = Field(description="Ready nodes of all nodes, such as 3/3.")
    region: str
    labels: dict[str, str]


class Clusters(PagedAnswer):
    """Clusters, those that are not ready first."""

    ready: int = Field(description="How many of all clusters are ready.")
    clusters: list[ClusterLine]


class OneCluster(Arguments):
    """Which cluster."""

    name: str = Field(description="The cluster's name, as list_clusters gives it.")


class ResourceUse(Answer):
    """How much of a resource is taken."""

    resource: str = Field(description="cpu (cores), memory (bytes) or pods.")
    allocatable: float
    allocated: float = Field(description="What the pods ask for.")
    percent: int


class ClusterDetails(ClusterLine):
    """A cluster, in full."""

    since: str = Field(description="When it became ready or ceased to be (RFC 3339).")
    endpoint: str = Field(description="The API server that Karmada dials.")
    provider: str
    zones: list[str]
    taints: list[str] = Field(description="Taints as key=value:effect; workloads need a toleration for them.")
    use: list[ResourceUse]
    workloads: list[str] = Field(description="Workloads that run here, with their health.")


class ListWorkloads(PagedArguments):
    """Which workloads to list."""

    only: Literal["all", "healthy", "unhealthy"] = Field(default="all", description="Leave out the others.")
    cluster: str = Field(default="", description="Only copies in this cluster; empty for all.")
    namespace: str = Field(default="", description="Only this namespace; empty for all.")


class CopyLine(Answer):
    """One workload in one cluster."""

    namespace: str
    workload: str = Field(description="Kind and name, such as Deployment nginx.")
    cluster: str
    replicas: str = Field(description="Ready of desired replicas, such as 2/2; empty for kinds without replicas.")
    health: str = Field(description="Healthy, Unhealthy, Pending (not applied yet) or Unknown.")
    reason: str = Field(description="Why, as far as the control plane knows. describe_workload asks the cluster.")
    images: list[str]


class Workloads(PagedAnswer):
    """Copies of workloads, worst first."""

    healthy: int = Field(description="How many of all copies are healthy.")
    copies: list[CopyLine]


class OneWorkload(Arguments):
    """Which workload."""

    name: str = Field(description="The workload's name without its kind, such as nginx.")
    namespace: str = Field(default="", description="Its namespace; empty if the name is enough.")


class CopyDetails(CopyLine):
    """One workload in one cluster, in full."""

    overrides: list[str] = Field(description="Override policies that are in force in this cluster.")
    since: str = Field(description="The last transition (RFC 3339).")
    why: list[str] = Field(description="What the cluster itself says is wrong: pods, conditions, warnings. Else empty.")


class WorkloadDetails(Answer):
    """A workload's state everywhere, explained."""

    summary: str = Field(description="The state in one sentence.")
    copies: list[CopyDetails]


class RolloutStatusOf(PagedArguments):
    """Which changes in waves to list."""

    workload: str = Field(default="", description="Only this workload; empty for all of the stack.")


class RolloutWaveLine(Answer):
    """One wave."""

    number: int
    clusters: list[str]
    passed: bool = Field(description="It has the change and has passed its gate.")


class RolloutLine(Answer):
    """A change of one workload that reaches its clusters in waves."""

    namespace: str
    workload: str
    change: str = Field(description="Tells this change from another one of the same workload.")
    phase: str = Field(description="held, moving, approval, paused, failed, reverting or reverted.")
    text: str = Field(description="Where it stands and why, in one line.")
    waits_for: str = Field(
        description="The approval that it waits for, such as before-2; else empty. A person gives it, with "
        "`flotilla rollout approve`."
    )
    waves: list[RolloutWaveLine]
    reached: list[str] = Field(description="Clusters that have the change.")
    held: list[str] = Field(description="Clusters that keep what they ran until their wave: on purpose, no drift.")
    since: str = Field(description="When it began (RFC 3339).")


class Rollouts(PagedAnswer):
    """Changes in waves that are under way, those first that somebody has to look at."""

    rollouts: list[RolloutLine]


class Looking:
    """The tools' work."""

    def __init__(self, workplace: Workplace) -> None:
        """Look at a workplace's fleet."""
        self._workplace = workplace

    def tools(self) -> list[Tool]:
        """Return the tools."""
        return [
            Tool(
                "list_clusters",
                "List clusters",
                "List the fleet's member clusters, those that are not ready first. Use it first to learn the names.",
                ListClusters,
                Clusters,
                self.list_clusters,
            ),
            Tool(
                "describe_cluster",
                "Describe a cluster",
                "Show one cluster in full: capacity and use, labels, taints, and the workloads that run in it.",
                OneCluster,
                ClusterDetails,
                self.describe_cluster,
            ),
            Tool(
                "list_workloads",
                "List workloads",
                "List workloads with one entry for each cluster that runs them, worst first.",
                ListWorkloads,
                Workloads,
                self.list_workloads,
            ),
            Tool(
                "describe_workload",
                "Explain a workload's state",
                "Explain how one workload is in every cluster, and why it is not healthy: for copies that are not, the "
                "clusters are asked for pods, conditions and warnings.",
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
        """List members."""
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
        """Describe a member."""
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
        """List copies."""
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
        """Explain a workload."""
        access = self._workplace.access()
        every = copies_of(access.control_plane)
        copies = [c for c in every if _called(c, asked.name) and asked.namespace in ("", c.namespace)]
        if not copies:
            known = sorted({c.workload.partition(" ")[2] for c in every})
            raise Refused(f"no cluster is chosen for a workload {asked.name!r}", hint=f"there are {_names(known)}")
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
        worst = next((f"; {c.cluster}: {(c.why or [c.reason or c.health])[0]}" for c in details if _ails(c)), "")
        return WorkloadDetails(
            summary=f"{asked.name} is healthy in {healthy} of {counted(len(copies), 'cluster')}{worst}",
            copies=details[:50],
        )

    def rollout_status(self, asked: RolloutStatusOf) -> Rollouts:
        """List changes in waves."""
        found, _ = rollouts_of(self._workplace.setting(), self._workplace.control_plane())
        lines = [_rollout(one) for one in found if asked.workload in ("", one.record.workload)]
        part = page(lines, asked)
        return Rollouts(total=len(lines), next_cursor=part.next_cursor, rollouts=lines[part.first : part.end])


def _rollout(one: RolloutStatus) -> RolloutLine:
    found = one.to_json()
    return RolloutLine(
        **{key: found[key] for key in ("namespace", "workload", "change", "phase", "reached", "held", "since")},
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


def _ails(copy: CopyLine) -> bool:
    return copy.health != "Healthy"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) or "none"
