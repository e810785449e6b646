"""Views of `cluster.karmada.io`: members."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flotilla.karmada.objects.views import ApiModel, ApiObject, Bool, Condition, Int, Words

CLUSTER_API = "cluster.karmada.io/v1alpha1"


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
