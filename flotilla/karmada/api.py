"""Typed views of the Karmada types that Flotilla uses, as published for 1.10 to 1.18.

Only fields that Flotilla reads or writes are modelled. A view keeps every other field, at any depth, and writes it back
as it was: what newer versions or other people set is never lost. A test checks every modelled field against the
published OpenAPI and CRDs of both ends of the range.
"""

from __future__ import annotations

from functools import cache
from types import NoneType
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from flotilla.errors import ClusterError

CLUSTER_API = "cluster.karmada.io/v1alpha1"
POLICY_API = "policy.karmada.io/v1alpha1"
WORK_API = "work.karmada.io/v1alpha1"
BINDING_API = "work.karmada.io/v1alpha2"


# Numbers and booleans are taken as they are: "3", 3.0 or 1 would come back as another value.
Int = Annotated[int, Strict()]
Bool = Annotated[bool, Strict()]


class Words:
    """The values that the published API has for a field. Views accept others: a newer Karmada may have more."""

    def __init__(self, *words: str) -> None:
        """Take them."""
        self.words = words


class ApiModel(BaseModel):
    """Part of an object: camelCase on the wire. Unknown fields are kept."""

    model_config = ConfigDict(
        extra="allow", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    _nulls: tuple[str, ...] = PrivateAttr(default=())
    """Fields that were null on the wire although their type has no null (a Go server's empty list)."""

    @model_validator(mode="wrap")
    @classmethod
    def _keep_nulls(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        nulls = tuple(key for key in _never_null(cls) if data.get(key, "") is None) if isinstance(data, dict) else ()
        if not nulls:
            return handler(data)
        model = handler({key: value for key, value in data.items() if key not in nulls})
        model._nulls = nulls  # noqa: SLF001 - of the model that is being made
        return model

    @model_serializer(mode="wrap")
    def _write_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = handler(self)
        return body | {key: None for key in self._nulls if body.get(key) is None}

    def wire(self) -> dict[str, Any]:
        """Return it in the API's form: all fields that are set, known or unknown ones."""
        return self.model_dump(by_alias=True, exclude_unset=True)


@cache
def _never_null(model: type[ApiModel]) -> tuple[str, ...]:
    """Return the fields, as they are called on the wire, that have a default and no null among their values."""
    return tuple(
        str(field.alias or name)
        for name, field in model.model_fields.items()
        if not field.is_required() and field.annotation is not Any and NoneType not in get_args(field.annotation)
    )


class ObjectMeta(ApiModel):
    """The part of Kubernetes' ObjectMeta that Flotilla uses."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    generation: Int | None = None
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
        """Return the object as the API takes it: what was read, with what was changed, and no field that isn't set."""
        return {"apiVersion": self.api_version_of, "kind": self.kind_of, **self.wire()}

    @classmethod
    def read(cls, obj: dict[str, Any]) -> Self:
        """Read an object as the API gives it.

        Raises:
            ClusterError: it isn't as Karmada publishes the kind; says which field.
        """
        try:
            return cls.model_validate(obj, by_alias=True, by_name=False)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            metadata = obj.get("metadata") if isinstance(obj, dict) else None
            name = metadata.get("name", "") if isinstance(metadata, dict) else ""
            field = ".".join(str(step) for step in first["loc"]) or "the object"
            raise ClusterError(
                f"{cls.kind_of} {name}: {field} is not as Karmada's API has it: {first['msg']}",
                hint="is it an object of another API version, or not Karmada's answer at all?",
            ) from None


class Condition(ApiModel):
    """metav1.Condition."""

    type: str
    status: Annotated[str, Words("True", "False", "Unknown")]
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

    sync_mode: Annotated[str, Words("Push", "Pull")]
    id: str | None = None
    api_endpoint: str | None = None
    secret_ref: LocalSecretReference | None = None
    impersonator_secret_ref: LocalSecretReference | None = None
    insecure_skip_tls_verification: Annotated[Bool | None, Field(alias="insecureSkipTLSVerification")] = None
    proxy_url: Annotated[str | None, Field(alias="proxyURL")] = None
    provider: str | None = None
    region: str | None = None
    zones: list[str] | None = None
    taints: list[ClusterTaint] | None = None


class NodeSummary(ApiModel):
    """Counts of nodes."""

    total_num: Int = 0
    ready_num: Int = 0


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
    weight: Int


class ClusterPreferences(ApiModel):
    """How replicas are weighted."""

    static_weight_list: list[StaticClusterWeight] | None = None
    dynamic_weight: str | None = None


class ReplicaSchedulingStrategy(ApiModel):
    """How replicas are spread."""

    replica_scheduling_type: Annotated[str, Words("Duplicated", "Divided")] | None = None
    replica_division_preference: Annotated[str, Words("Aggregated", "Weighted")] | None = None
    weight_preference: ClusterPreferences | None = None


class PolicyPlacement(ApiModel):
    """Where templates go."""

    cluster_affinity: ClusterAffinity | None = None
    cluster_affinities: list[dict[str, Any]] | None = None
    """Groups, in the order in which they are tried."""
    cluster_tolerations: list[dict[str, Any]] | None = None
    spread_constraints: list[dict[str, Any]] | None = None
    replica_scheduling: ReplicaSchedulingStrategy | None = None


class PropagationSpec(ApiModel):
    """The rule that sends templates to clusters."""

    resource_selectors: list[ResourceSelector]
    placement: PolicyPlacement = PolicyPlacement()
    priority: Int | None = None
    preemption: Annotated[str, Words("Always", "Never")] | None = None
    conflict_resolution: Annotated[str, Words("Abort", "Overwrite")] | None = None
    propagate_deps: Bool | None = None
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

    component: Annotated[str, Words("Registry", "Repository", "Tag")]
    operator: Annotated[str, Words("add", "remove", "replace")]
    value: str | None = None


class CommandArgsOverrider(ApiModel):
    """Adds words to a container's command or arguments, or removes them."""

    container_name: str
    operator: Annotated[str, Words("add", "remove")]
    value: list[str] | None = None


class LabelAnnotationOverrider(ApiModel):
    """Adds, replaces or removes labels or annotations."""

    operator: Annotated[str, Words("add", "remove", "replace")]
    value: dict[str, str] | None = None


class PlaintextOverrider(ApiModel):
    """A JSON patch step."""

    path: str
    operator: Annotated[str, Words("add", "remove", "replace")]
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

    resource_selectors: list[ResourceSelector] = Field(default_factory=list)
    """None: every template that the policy reaches."""
    override_rules: list[RuleWithCluster] = Field(default_factory=list)


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
