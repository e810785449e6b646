"""Views of `work.karmada.io`: bindings of templates to clusters, and Works on their way to one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from flotilla.karmada.objects.policies import PolicyPlacement
from flotilla.karmada.objects.views import ApiModel, ApiObject, Bool, Condition, Int, Words

WORK_API = "work.karmada.io/v1alpha1"
BINDING_API = "work.karmada.io/v1alpha2"


class ObjectReference(ApiModel):
    """The template that a binding is for."""

    api_version: str
    kind: str
    namespace: str | None = None
    name: str
    uid: str | None = None
    resource_version: str | None = None


class TargetCluster(ApiModel):
    """A cluster that was chosen, and its share of the replicas (None where the kind has no replicas)."""

    name: str
    replicas: Int | None = None


class AggregatedStatusItem(ApiModel):
    """What one cluster reports."""

    cluster_name: str
    applied: Bool = False
    applied_message: str = ""
    health: Annotated[str, Words("Healthy", "Unhealthy", "Unknown")] | None = None
    status: dict[str, Any] | None = None


class BindingSpec(ApiModel):
    """What the scheduler decided."""

    resource: ObjectReference
    clusters: list[TargetCluster] = Field(default_factory=list)
    replicas: Int | None = None
    conflict_resolution: str | None = None
    placement: PolicyPlacement | None = None


class BindingStatus(ApiModel):
    """How far it got."""

    conditions: list[Condition] = Field(default_factory=list)
    aggregated_status: list[AggregatedStatusItem] = Field(default_factory=list)
    scheduler_observed_generation: Int | None = None
    scheduler_observed_affinity_name: Annotated[str | None, Field(alias="schedulerObservingAffinityName")] = None
    """The affinity group that was taken (`clusterAffinities`)."""


class ResourceBinding(ApiObject):
    """A template, bound to the clusters that were chosen for it."""

    api_version_of = BINDING_API
    kind_of = "ResourceBinding"

    spec: BindingSpec
    status: BindingStatus = BindingStatus()

    def condition(self, kind: str) -> Condition | None:
        """Return a status condition by type."""
        return next((c for c in self.status.conditions if c.type == kind), None)


class ClusterResourceBinding(ResourceBinding):
    """The same for a cluster-scoped template."""

    kind_of = "ClusterResourceBinding"


class Workload(ApiModel):
    """The manifests of a Work."""

    manifests: list[dict[str, Any]] = Field(default_factory=list)


class WorkSpec(ApiModel):
    """What is sent to a member."""

    workload: Workload = Workload()


class WorkStatus(ApiModel):
    """What became of it."""

    conditions: list[Condition] = Field(default_factory=list)


class Work(ApiObject):
    """Objects on their way to one member, in its execution namespace."""

    api_version_of = WORK_API
    kind_of = "Work"

    spec: WorkSpec
    status: WorkStatus = WorkStatus()
