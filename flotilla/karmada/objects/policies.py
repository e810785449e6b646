"""Views of `policy.karmada.io`: where templates go, and how they differ by cluster."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from flotilla.karmada.objects.views import ApiModel, ApiObject, Bool, Int, Words

POLICY_API = "policy.karmada.io/v1alpha1"


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
