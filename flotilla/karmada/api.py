"""Typed models of the Karmada types that Flotilla uses, as published for 1.10 to 1.18.

Only fields that Flotilla reads or writes are modelled; the rest passes through unseen. A test checks every field
against the published OpenAPI and CRDs of both ends of the range. `Since` marks what older versions don't have.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

CLUSTER_API = "cluster.karmada.io/v1alpha1"
POLICY_API = "policy.karmada.io/v1alpha1"
WORK_API = "work.karmada.io/v1alpha1"
BINDING_API = "work.karmada.io/v1alpha2"


class ApiModel(BaseModel):
    """Part of an object: camelCase on the wire, unknown fields ignored, so that newer servers can be read."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class ObjectMeta(ApiModel):
    """The part of Kubernetes' ObjectMeta that Flotilla uses."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    generation: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    deletion_timestamp: str | None = None


class ApiObject(ApiModel):
    """A whole object of one of Karmada's kinds."""

    api_version_of: ClassVar[str]
    kind_of: ClassVar[str]

    metadata: ObjectMeta

    def manifest(self) -> dict[str, Any]:
        """Return the object as the API takes it, without fields that are not set."""
        body = self.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)
        return {"apiVersion": self.api_version_of, "kind": self.kind_of, **body}

    @classmethod
    def read(cls, obj: dict[str, Any]) -> Self:
        """Read an object as the API gives it."""
        return cls.model_validate(obj)


class Condition(ApiModel):
    """metav1.Condition."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


# -- cluster.karmada.io ---------------------------------------------------------------------------


class LocalSecretReference(ApiModel):
    """A Secret of the control plane."""

    namespace: str
    name: str


class ClusterTaint(ApiModel):
    """corev1.Taint, on a Cluster."""

    key: str
    value: str | None = None
    effect: str


class ClusterSpec(ApiModel):
    """What Karmada knows of a member. `resourceModels` is defaulted by the server and stays unset."""

    sync_mode: Literal["Push", "Pull"]
    id: str | None = None
    api_endpoint: str | None = None
    secret_ref: LocalSecretReference | None = None
    impersonator_secret_ref: LocalSecretReference | None = None
    insecure_skip_tls_verification: Annotated[bool | None, Field(alias="insecureSkipTLSVerification")] = None
    proxy_url: Annotated[str | None, Field(alias="proxyURL")] = None
    provider: str | None = None
    region: str | None = None
    zones: list[str] | None = None
    taints: list[ClusterTaint] | None = None


class NodeSummary(ApiModel):
    """Counts of nodes."""

    total_num: int = 0
    ready_num: int = 0


class ResourceSummary(ApiModel):
    """Quantities by resource name."""

    allocatable: dict[str, str | int] = Field(default_factory=dict)
    allocating: dict[str, str | int] = Field(default_factory=dict)
    allocated: dict[str, str | int] = Field(default_factory=dict)


class ClusterStatus(ApiModel):
    """What Karmada observed of a member."""

    kubernetes_version: str = ""
    conditions: list[Condition] = Field(default_factory=list)
    node_summary: NodeSummary | None = None
    resource_summary: ResourceSummary | None = None


class Cluster(ApiObject):
    """A member, in the aggregated API of the control plane."""

    api_version_of = CLUSTER_API
    kind_of = "Cluster"

    spec: ClusterSpec
    status: ClusterStatus | None = None

    def condition(self, kind: str) -> Condition | None:
        """Return a status condition by type."""
        return next((c for c in (self.status or ClusterStatus()).conditions if c.type == kind), None)

    @property
    def ready(self) -> bool:
        """Karmada can reach the member and uses it."""
        found = self.condition("Ready")
        return found is not None and found.status == "True"


# -- policy.karmada.io ----------------------------------------------------------------------------


class ResourceSelector(ApiModel):
    """Which templates a policy is for."""

    api_version: str
    kind: str
    namespace: str | None = None
    name: str | None = None
    label_selector: dict[str, Any] | None = None


class ClusterAffinity(ApiModel):
    """Which clusters a placement chooses."""

    cluster_names: list[str] | None = None
    exclude: list[str] | None = None
    label_selector: dict[str, Any] | None = None
    field_selector: dict[str, Any] | None = None


class StaticClusterWeight(ApiModel):
    """A weight for the clusters that an affinity matches."""

    target_cluster: ClusterAffinity
    weight: int


class ClusterPreferences(ApiModel):
    """How replicas are weighted."""

    static_weight_list: list[StaticClusterWeight] | None = None
    dynamic_weight: str | None = None


class ReplicaSchedulingStrategy(ApiModel):
    """How replicas are spread."""

    replica_scheduling_type: Literal["Duplicated", "Divided"]
    replica_division_preference: Literal["Aggregated", "Weighted"] | None = None
    weight_preference: ClusterPreferences | None = None


class PolicyPlacement(ApiModel):
    """Where templates go."""

    cluster_affinity: ClusterAffinity | None = None
    cluster_tolerations: list[dict[str, Any]] | None = None
    spread_constraints: list[dict[str, Any]] | None = None
    replica_scheduling: ReplicaSchedulingStrategy | None = None


class PropagationSpec(ApiModel):
    """The rule that sends templates to clusters."""

    resource_selectors: list[ResourceSelector]
    placement: PolicyPlacement
    priority: int | None = None
    preemption: Literal["Always", "Never"] | None = None
    conflict_resolution: Literal["Abort", "Overwrite"] | None = None
    propagate_deps: bool | None = None
    scheduler_name: str | None = None


class PropagationPolicy(ApiObject):
    """Sends templates of one namespace to clusters."""

    api_version_of = POLICY_API
    kind_of = "PropagationPolicy"

    spec: PropagationSpec


class ClusterPropagationPolicy(ApiObject):
    """Sends templates of any namespace, and cluster-scoped ones, to clusters."""

    api_version_of = POLICY_API
    kind_of = "ClusterPropagationPolicy"

    spec: PropagationSpec


class ImageOverrider(ApiModel):
    """Replaces a part of images."""

    component: Literal["Registry", "Repository", "Tag"]
    operator: Literal["add", "remove", "replace"]
    value: str | None = None


class CommandArgsOverrider(ApiModel):
    """Adds words to a container's command or arguments, or removes them."""

    container_name: str
    operator: Literal["add", "remove"]
    value: list[str] | None = None


class LabelAnnotationOverrider(ApiModel):
    """Adds, replaces or removes labels or annotations."""

    operator: Literal["add", "remove", "replace"]
    value: dict[str, str] | None = None


class PlaintextOverrider(ApiModel):
    """A JSON patch step."""

    path: str
    operator: Literal["add", "remove", "replace"]
    value: Any = None


class Overriders(ApiModel):
    """What changes, applied by Karmada in a fixed order by kind of overrider."""

    image_overrider: list[ImageOverrider] | None = None
    command_overrider: list[CommandArgsOverrider] | None = None
    args_overrider: list[CommandArgsOverrider] | None = None
    labels_overrider: list[LabelAnnotationOverrider] | None = None
    annotations_overrider: list[LabelAnnotationOverrider] | None = None
    plaintext: list[PlaintextOverrider] | None = None


class RuleWithCluster(ApiModel):
    """Overriders for some clusters, or for all that get the template."""

    target_cluster: ClusterAffinity | None = None
    overriders: Overriders


class OverrideSpec(ApiModel):
    """The rule that makes templates differ by cluster."""

    resource_selectors: list[ResourceSelector]
    override_rules: list[RuleWithCluster]


class OverridePolicy(ApiObject):
    """Makes templates of one namespace differ by cluster."""

    api_version_of = POLICY_API
    kind_of = "OverridePolicy"

    spec: OverrideSpec


class ClusterOverridePolicy(ApiObject):
    """Makes any template differ by cluster."""

    api_version_of = POLICY_API
    kind_of = "ClusterOverridePolicy"

    spec: OverrideSpec


# -- work.karmada.io ------------------------------------------------------------------------------


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
    replicas: int | None = None


class AggregatedStatusItem(ApiModel):
    """What one cluster reports."""

    cluster_name: str
    applied: bool = False
    applied_message: str = ""
    health: Literal["Healthy", "Unhealthy", "Unknown"] | None = None
    status: dict[str, Any] | None = None


class BindingSpec(ApiModel):
    """What the scheduler decided."""

    resource: ObjectReference
    clusters: list[TargetCluster] = Field(default_factory=list)
    replicas: int | None = None
    conflict_resolution: str | None = None
    placement: PolicyPlacement | None = None


class BindingStatus(ApiModel):
    """How far it got."""

    conditions: list[Condition] = Field(default_factory=list)
    aggregated_status: list[AggregatedStatusItem] = Field(default_factory=list)
    scheduler_observed_generation: int | None = None


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
