"""Views of a placement: which clusters get a template, and how its replicas are spread over them."""

from typing import Annotated

from flotilla.karmada.objects.views import ApiModel, Int, KnownValues, LabelSelector, Since, Toleration


class FieldSelectorRequirement(ApiModel):
    """A rule for a Cluster's provider, region or zone."""

    key: str
    operator: str
    values: list[str] | None = None


class FieldSelector(ApiModel):
    """Rules for a Cluster's provider, region and zones."""

    match_expressions: list[FieldSelectorRequirement] | None = None


class ClusterAffinity(ApiModel):
    """Which clusters a placement chooses."""

    cluster_names: list[str] | None = None
    exclude: list[str] | None = None
    label_selector: LabelSelector | None = None
    field_selector: FieldSelector | None = None


class OverflowAffinity(ClusterAffinity):
    """Clusters that an affinity group may use once its own clusters are full."""

    affinity_name: str


class ClusterAffinityTerm(ClusterAffinity):
    """An affinity group."""

    affinity_name: str
    overflow_affinities: Annotated[list[OverflowAffinity] | None, Since(1, 18)] = None


class SpreadConstraint(ApiModel):
    """How many groups of clusters a template spreads over; `maxGroups` 0 means no limit."""

    spread_by_field: Annotated[str, KnownValues("cluster", "region", "zone", "provider")] | None = None
    spread_by_label: str | None = None
    max_groups: Int | None = None
    min_groups: Int | None = None


class StaticClusterWeight(ApiModel):
    """A weight for the clusters that an affinity matches."""

    target_cluster: ClusterAffinity
    weight: Int


class ClusterPreferences(ApiModel):
    """How replicas are weighted."""

    static_weight_list: list[StaticClusterWeight] | None = None
    dynamic_weight: Annotated[str, KnownValues("AvailableReplicas")] | None = None


class ReplicaSchedulingStrategy(ApiModel):
    """How replicas are spread."""

    replica_scheduling_type: Annotated[str, KnownValues("Duplicated", "Divided")] | None = None
    replica_division_preference: Annotated[str, KnownValues("Aggregated", "Weighted")] | None = None
    weight_preference: ClusterPreferences | None = None


class WorkloadAffinityTerm(ApiModel):
    """The label whose value names a template's group."""

    group_by_label_key: str


class WorkloadAffinity(ApiModel):
    """Sends the templates of one group to the same clusters, or to different ones."""

    affinity: WorkloadAffinityTerm | None = None
    anti_affinity: WorkloadAffinityTerm | None = None


class PolicyPlacement(ApiModel):
    """Which clusters get templates, and how their replicas are spread."""

    cluster_affinity: ClusterAffinity | None = None
    cluster_affinities: list[ClusterAffinityTerm] | None = None
    """Affinity groups, in the order in which Karmada tries them."""
    cluster_tolerations: list[Toleration] | None = None
    spread_constraints: list[SpreadConstraint] | None = None
    replica_scheduling: ReplicaSchedulingStrategy | None = None
    workload_affinity: Annotated[WorkloadAffinity | None, Since(1, 17)] = None
