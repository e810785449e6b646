"""The input of scheduling: facts about clusters, the scheduler, and how a template is scheduled now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flotilla.karmada.versions import SUPPORTED, Version

Object = dict[str, Any]
Shares = Mapping[str, int | None]
"""Replicas by cluster; None for kinds without replicas."""
ServedKind = tuple[str, str]
"""An apiVersion and a kind."""

_CONDITION_TAINTS = frozenset({"cluster.karmada.io/not-ready", "cluster.karmada.io/unreachable"})


class Taint(NamedTuple):
    """A taint; it keeps workloads off a cluster unless they tolerate it."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"
    """NoSchedule or NoExecute. Karmada's scheduler ignores all other effects, PreferNoSchedule included."""

    def __str__(self) -> str:
        return f"{self.key}{'=' + self.value if self.value else ''}:{self.effect}"

    @property
    def of_condition(self) -> bool:
        """Whether Karmada's own controllers set the taint while the cluster doesn't answer, and remove it later."""
        return self.key in _CONDITION_TAINTS


@dataclass(frozen=True)
class ModelNodes:
    """Nodes of one grade of a cluster's resource models."""

    count: int
    least: Mapping[str, str]
    """The lower bound of the grade, by resource: the minimum that such a node has free."""


@dataclass(frozen=True)
class Capacity:
    """A cluster's resources as its status reports them (cluster/v1alpha1, ResourceSummary): quantities by resource."""

    allocatable: Mapping[str, str] = field(default_factory=dict)
    allocated: Mapping[str, str] = field(default_factory=dict)
    allocating: Mapping[str, str] = field(default_factory=dict)
    models: tuple[ModelNodes, ...] = ()
    """The nodes by grade, in the order of the grades; empty if the cluster doesn't report them."""


NO_CAPACITY = Capacity()
"""The capacity of a cluster that reports no resources: Karmada treats it as full."""


@dataclass(frozen=True)
class ClusterFacts:
    """The facts about a cluster that scheduling depends on."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    provider: str = ""
    region: str = ""
    zones: tuple[str, ...] = ()
    taints: tuple[Taint, ...] = ()
    served: frozenset[ServedKind] | None = None
    """The kinds that the cluster serves.

    None where that isn't known: the cluster then counts as serving every kind, since a stack declares objects of custom
    kinds only once their clusters serve them."""
    capacity: Capacity | None = None
    """Its free resources; None where they aren't known."""
    deleting: bool = False


def facts_of(cluster: Object) -> ClusterFacts:
    """Return the facts of a Cluster of the API. Karmada hasn't yet checked a Cluster without conditions."""
    meta, spec, status = cluster["metadata"], cluster.get("spec") or {}, cluster.get("status") or {}
    zones = spec.get("zones") or ([spec["zone"]] if spec.get("zone") else [])
    seen = bool(status.get("conditions"))
    return ClusterFacts(
        meta["name"],
        meta.get("labels") or {},
        spec.get("provider") or "",
        spec.get("region") or "",
        tuple(zones),
        tuple(
            Taint(str(taint.get("key", "")), str(taint.get("value") or ""), str(taint.get("effect", "")))
            for taint in spec.get("taints") or []
        ),
        _served(status) or None,
        _capacity(spec, status) if seen else None,
        bool(meta.get("deletionTimestamp")),
    )


def _served(status: Object) -> frozenset[ServedKind]:
    return frozenset(
        (str(group.get("groupVersion")), str(resource.get("kind")))
        for group in status.get("apiEnablements") or []
        for resource in group.get("resources") or []
    )


def _capacity(spec: Object, status: Object) -> Capacity:
    summary = status.get("resourceSummary")
    if not summary:
        return NO_CAPACITY
    least = {
        model.get("grade"): {str(one["name"]): str(one["min"]) for one in model.get("ranges") or []}
        for model in spec.get("resourceModels") or []
    }
    counts = [(one.get("grade") or 0, int(one.get("count") or 0)) for one in summary.get("allocatableModelings") or []]
    models = tuple(ModelNodes(count, least[grade]) for grade, count in sorted(counts) if grade in least)
    allocatable, allocated, allocating = (
        {key: str(value) for key, value in (summary.get(part) or {}).items()}
        for part in ("allocatable", "allocated", "allocating")
    )
    return Capacity(allocatable, allocated, allocating, models)


@dataclass(frozen=True)
class Scheduler:
    """The properties of the control plane's scheduler that its decisions depend on."""

    version: Version = SUPPORTED.newest
    estimators: bool = False
    """It asks scheduler-estimators in the members; only Karmada knows their answers."""
    empty_propagation: bool = False
    """It runs with --enable-empty-workload-propagation: chosen clusters without replicas also get the template."""

    @classmethod
    def of(cls, version: Version | None) -> Scheduler:
        """Return the scheduler of a version of Karmada; of the newest one where the version isn't known."""
        return cls(version or SUPPORTED.newest)

    def since(self, minor: int) -> bool:
        """Return whether its version is 1.`minor` or later."""
        return self.version >= Version(1, minor)


@dataclass(frozen=True)
class Current:
    """How a template is scheduled now, according to its binding."""

    shares: Shares = field(default_factory=dict)
    """The replicas by cluster in the binding's order, which breaks ties."""
    group: str = ""
    """The affinity group in use; empty before the template is first scheduled and for a single affinity."""
    placement: Object | None = None
    """The placement that was used last; None where it isn't known: Karmada is then assumed to schedule again."""
    problem: str = ""
    """Why the last attempt to schedule failed; empty where it didn't."""
    evicting: frozenset[str] = frozenset()
    """Clusters from which the template is being evicted."""
    fresh: bool = False
    """A WorkloadRebalancer requests a new schedule that disregards the current one."""
