"""Views of bindings (`work.karmada.io/v1alpha2`): a binding connects a template with the clusters chosen for it."""

from typing import Annotated, Any

from pydantic import Field

from flotilla.karmada.objects.apis import BINDING_API
from flotilla.karmada.objects.placement import PolicyPlacement
from flotilla.karmada.objects.policies import FailoverBehavior, Suspension
from flotilla.karmada.objects.views import (
    ApiModel,
    Bool,
    Condition,
    Int,
    KnownValues,
    Since,
    Toleration,
    WithConditions,
)


class ObjectReference(ApiModel):
    """The template that a binding is for."""

    api_version: str
    kind: str
    namespace: str | None = None
    name: str
    uid: str | None = None
    resource_version: str | None = None


class NodeClaim(ApiModel):
    """The requirements of a pod for nodes."""

    hard_node_affinity: dict[str, Any] | None = None
    node_selector: dict[str, str] | None = None
    tolerations: list[Toleration] | None = None


class ComponentRequirements(ApiModel):
    """The requirements of one replica of a component."""

    node_claim: NodeClaim | None = None
    priority_class_name: str | None = None
    resource_request: dict[str, str | int] | None = None


class ReplicaRequirements(ComponentRequirements):
    """The requirements of one replica."""

    namespace: str | None = None


class Component(ApiModel):
    """One of the pod templates of a workload that has several of them."""

    name: str
    replicas: Int
    replica_requirements: ComponentRequirements | None = None


class TargetCluster(ApiModel):
    """A chosen cluster with its share of the replicas (None where the kind has no replicas)."""

    name: str
    replicas: Int | None = None


class BindingSnapshot(ApiModel):
    """Another binding whose template depends on this one, with its clusters."""

    namespace: str | None = None
    name: str
    clusters: list[TargetCluster] | None = None


class GracefulEvictionTask(ApiModel):
    """The eviction of a copy from a cluster, which waits for a healthy successor or the end of the grace period."""

    from_cluster: str
    producer: str
    reason: str
    message: str | None = None
    replicas: Int | None = None
    purge_mode: Annotated[
        Annotated[str, KnownValues("Immediately", "Directly", "Graciously", "Gracefully", "Never")] | None, Since(1, 12)
    ] = None
    grace_period_seconds: Int | None = None
    suppress_deletion: Bool | None = None
    clusters_before_failover: Annotated[list[str] | None, Since(1, 12)] = None
    preserved_label_state: Annotated[dict[str, str] | None, Since(1, 12)] = None
    creation_timestamp: str | None = None


class BindingSuspension(Suspension):
    """The clusters to which nothing is sent, and whether scheduling is suspended."""

    scheduling: Annotated[Bool | None, Since(1, 13)] = None


class BindingSchedulePriority(ApiModel):
    """The priority in the scheduler's queue."""

    priority: Int = 0


class WorkloadAffinityGroups(ApiModel):
    """The affinity groups of a template, according to its labels."""

    affinity_group: str | None = None
    anti_affinity_group: str | None = None


class BindingSpec(ApiModel):
    """The scheduler's decision, and its input."""

    resource: ObjectReference
    clusters: list[TargetCluster] = Field(default_factory=list)
    replicas: Int | None = None
    replica_requirements: ReplicaRequirements | None = None
    components: Annotated[list[Component] | None, Since(1, 15)] = None
    placement: PolicyPlacement | None = None
    conflict_resolution: Annotated[str, KnownValues("Abort", "Overwrite")] | None = None
    failover: FailoverBehavior | None = None
    graceful_eviction_tasks: list[GracefulEvictionTask] = Field(default_factory=list)
    propagate_deps: Bool | None = None
    preserve_resources_on_deletion: Annotated[Bool | None, Since(1, 12)] = None
    required_by: list[BindingSnapshot] = Field(default_factory=list)
    reschedule_triggered_at: str | None = None
    schedule_priority: Annotated[BindingSchedulePriority | None, Since(1, 13)] = None
    scheduler_name: str | None = None
    suspension: Annotated[BindingSuspension | None, Since(1, 11)] = None
    workload_affinity_groups: Annotated[WorkloadAffinityGroups | None, Since(1, 17)] = None


class AggregatedStatusItem(ApiModel):
    """The status that one cluster reports."""

    cluster_name: str
    applied: Bool = False
    applied_message: str = ""
    health: Annotated[str, KnownValues("Healthy", "Unhealthy", "Unknown")] | None = None
    status: dict[str, Any] | None = None


class BindingStatus(ApiModel):
    """The progress of a binding, with the status of each cluster."""

    conditions: list[Condition] = Field(default_factory=list)
    aggregated_status: list[AggregatedStatusItem] = Field(default_factory=list)
    last_scheduled_time: str | None = None
    scheduler_observed_generation: Int | None = None
    scheduler_observed_affinity_name: Annotated[str | None, Field(alias="schedulerObservingAffinityName")] = None
    """The affinity group in use (`clusterAffinities`)."""


class ResourceBinding(WithConditions):
    """The binding of a namespaced template."""

    api_version_of = BINDING_API
    kind_of = "ResourceBinding"

    spec: BindingSpec
    status: BindingStatus = BindingStatus()


class ClusterResourceBinding(ResourceBinding):
    """The binding of a cluster-scoped template."""

    kind_of = "ClusterResourceBinding"
