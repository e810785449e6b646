"""Which clusters fit a placement, and what excludes the others (upstream: pkg/scheduler/framework/plugins)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from flotilla.karmada.scheduling.affinity import groups_of, matches, overflows
from flotilla.karmada.scheduling.demand import Demand
from flotilla.karmada.scheduling.facts import ClusterFacts, Object, Scheduler, Taint
from flotilla.karmada.scheduling.taints import untolerated


class Bar(StrEnum):
    """What excludes a cluster."""

    AFFINITY = "affinity"
    TAINT = "taint"
    KIND = "kind"
    FIELD = "field"
    EVICTION = "eviction"
    DELETION = "deletion"


@dataclass(frozen=True)
class Refusal:
    """Why a cluster isn't chosen."""

    bar: Bar
    detail: str = ""
    """The taint in kubectl's notation, the kind and its apiVersion, or the field that the Cluster lacks."""
    taint: Taint | None = None

    def __str__(self) -> str:
        match self.bar:
            case Bar.AFFINITY:
                return "the placement doesn't choose it"
            case Bar.TAINT:
                return f"taint {self.detail}"
            case Bar.KIND:
                return f"it doesn't serve {self.detail}"
            case Bar.FIELD:
                return f"its Cluster has no {self.detail}, by which replicas should be spread"
            case Bar.EVICTION:
                return "the workload is being evicted from it"
            case Bar.DELETION:
                return "its Cluster is being deleted"


@dataclass(frozen=True)
class Choice:
    """Which clusters fit a placement, before spread constraints and division."""

    chosen: tuple[ClusterFacts, ...]
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """Why each of the others doesn't fit, by cluster."""
    group: str = ""
    """The affinity group in use (clusterAffinities); empty for a single affinity."""

    @property
    def refused(self) -> dict[str, Taint]:
        """Clusters that the affinity matches and a taint excludes, by name, with the first such taint."""
        return {name: refusal.taint for name, refusal in self.refusals.items() if refusal.taint}


_EVERY_KIND = Demand("", "")
_FIELDS = ("provider", "region", "zone")


def fit(
    clusters: Iterable[ClusterFacts],
    placement: Object,
    affinity: Object,
    demand: Demand,
    scheduler: Scheduler,
    *,
    before: Collection[str] = (),
    evicting: Collection[str] = (),
    group: str = "",
) -> Choice:
    """Return which clusters fit one affinity of a placement.

    Args:
        clusters: every cluster.
        placement: the placement as the control plane stores it.
        affinity: the placement's only affinity, or one of its groups.
        demand: what the template needs.
        scheduler: the control plane's scheduler.
        before: the clusters that have the workload: Karmada doesn't check their taints, and since 1.12 not the kind
            either.
        evicting: clusters from which the workload is being evicted.
        group: the name of the affinity.
    """
    affinities = [affinity, *(overflows(affinity, scheduler.version) if is_workload(demand, scheduler) else [])]
    tolerations = placement.get("clusterTolerations") or []
    spread = {str(one.get("spreadByField")) for one in placement.get("spreadConstraints") or []}
    chosen, refusals = [], {}
    for cluster in clusters:
        staying = cluster.name in before
        if cluster.deleting and scheduler.since(14):
            refusals[cluster.name] = Refusal(Bar.DELETION)
        elif not any(matches(cluster, one, scheduler.version) for one in affinities):
            refusals[cluster.name] = Refusal(Bar.AFFINITY)
        elif cluster.name in evicting:
            refusals[cluster.name] = Refusal(Bar.EVICTION)
        elif not staying and (taint := untolerated(cluster, tolerations)):
            refusals[cluster.name] = Refusal(Bar.TAINT, str(taint), taint)
        elif not (staying and scheduler.since(12)) and not serves(cluster, demand):
            refusals[cluster.name] = Refusal(Bar.KIND, f"{demand.kind} in {demand.api_version}")
        elif missing := [name for name in _FIELDS if name in spread and not _has(cluster, name)]:
            refusals[cluster.name] = Refusal(Bar.FIELD, missing[0])
        else:
            chosen.append(cluster)
    return Choice(tuple(chosen), refusals, group)


def choose(
    clusters: Collection[ClusterFacts],
    placement: Object,
    *,
    before: Collection[str] = (),
    group: str = "",
    demand: Demand = _EVERY_KIND,
    scheduler: Scheduler | None = None,
) -> Choice:
    """Return which clusters fit a Placement (policy/v1alpha1), before spread constraints and division.

    Args:
        clusters: every cluster.
        placement: the placement in the form of the API.
        before: the clusters that have the workload already.
        group: the affinity group in use; by default the first one that has a cluster that fits.
        demand: what the template needs; by default a kind that every cluster serves.
        scheduler: the control plane's scheduler.
    """
    scheduler = scheduler or Scheduler()
    result = Choice(())
    for name, affinity in groups_of(placement):
        if group and name != group:
            continue
        result = fit(clusters, placement, affinity, demand, scheduler, before=before, group=name)
        if result.chosen:
            break
    return result


def is_workload(demand: Demand, scheduler: Scheduler) -> bool:
    """Return whether Karmada assigns replicas; since 1.16 also for zero replicas, if their pods request something."""
    return demand.count > 0 or (scheduler.since(16) and demand.requests is not None)


def serves(cluster: ClusterFacts, demand: Demand) -> bool:
    """Return whether a cluster serves a template's kind; true where the served kinds aren't known."""
    return not demand.kind or cluster.served is None or (demand.api_version, demand.kind) in cluster.served


def _has(cluster: ClusterFacts, name: str) -> bool:
    return bool({"provider": cluster.provider, "region": cluster.region, "zone": cluster.zones}[name])
