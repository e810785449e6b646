"""Views of `cluster.karmada.io`: members."""

from typing import Annotated

from pydantic import Field

from flotilla.karmada.objects.apis import CLUSTER_API
from flotilla.karmada.objects.views import ApiModel, Bool, Condition, Int, KnownValues, WithConditions


class LocalSecretReference(ApiModel):
    """A Secret of the control plane."""

    namespace: str
    name: str


class ClusterTaint(ApiModel):
    """corev1.Taint, on a Cluster."""

    key: str
    value: str | None = None
    effect: str
    time_added: str | None = None


class ResourceModelRange(ApiModel):
    """A range of a resource: from `min` up to, but not including, `max`."""

    name: str
    min: str | int
    max: str | int


class ResourceModel(ApiModel):
    """A class of nodes, defined by their resources."""

    grade: Int
    ranges: list[ResourceModelRange]


class ClusterSpec(ApiModel):
    """How Karmada reaches and describes a member. `resourceModels` stays unset: the server has a default for it."""

    sync_mode: Annotated[str, KnownValues("Push", "Pull")]
    id: str | None = None
    api_endpoint: str | None = None
    secret_ref: LocalSecretReference | None = None
    impersonator_secret_ref: LocalSecretReference | None = None
    insecure_skip_tls_verification: Annotated[Bool | None, Field(alias="insecureSkipTLSVerification")] = None
    proxy_url: Annotated[str | None, Field(alias="proxyURL")] = None
    proxy_header: dict[str, str] | None = None
    provider: str | None = None
    region: str | None = None
    zone: str | None = None
    """Deprecated by Karmada in favour of `zones`."""
    zones: list[str] | None = None
    taints: list[ClusterTaint] | None = None
    resource_models: list[ResourceModel] | None = None


class ApiResource(ApiModel):
    """A kind that a member serves."""

    name: str
    kind: str


class ApiEnablement(ApiModel):
    """The kinds of a group and version that a member serves."""

    group_version: str
    resources: list[ApiResource] = Field(default_factory=list)


class NodeSummary(ApiModel):
    """Counts of nodes."""

    total_num: Int = 0
    ready_num: Int = 0


class AllocatableModeling(ApiModel):
    """The number of nodes of a class (`ClusterSpec.resource_models`)."""

    grade: Int
    count: Int


class ResourceSummary(ApiModel):
    """Quantities by resource name."""

    allocatable: dict[str, str | int] = Field(default_factory=dict)
    allocating: dict[str, str | int] = Field(default_factory=dict)
    allocated: dict[str, str | int] = Field(default_factory=dict)
    allocatable_modelings: list[AllocatableModeling] = Field(default_factory=list)


class ClusterStatus(ApiModel):
    """What Karmada observed about a member."""

    kubernetes_version: str = ""
    conditions: list[Condition] = Field(default_factory=list)
    api_enablements: list[ApiEnablement] = Field(default_factory=list)
    node_summary: NodeSummary | None = None
    resource_summary: ResourceSummary | None = None
    remedy_actions: list[str] = Field(default_factory=list)


class Cluster(WithConditions):
    """A member, as the control plane's aggregated API serves it."""

    api_version_of = CLUSTER_API
    kind_of = "Cluster"

    spec: ClusterSpec
    status: ClusterStatus | None = None

    @property
    def ready(self) -> bool:
        """Whether Karmada reaches the member and schedules to it."""
        return self.is_true("Ready")
