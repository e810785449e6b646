"""Views of the override policies of `policy.karmada.io`: how templates differ by cluster."""

from typing import Annotated, Any

from pydantic import Field

from flotilla.karmada.objects.apis import POLICY_API
from flotilla.karmada.objects.placement import ClusterAffinity
from flotilla.karmada.objects.policies import ResourceSelector
from flotilla.karmada.objects.views import ApiModel, ApiObject, KnownValues, Since


class ImagePredicate(ApiModel):
    """The place of the image (a JSON pointer), for kinds whose containers Karmada doesn't know."""

    path: str


class ImageOverrider(ApiModel):
    """Replaces a part of an image reference."""

    predicate: ImagePredicate | None = None
    component: Annotated[str, KnownValues("Registry", "Repository", "Tag")]
    operator: Annotated[str, KnownValues("add", "remove", "replace")]
    value: str | None = None


class CommandArgsOverrider(ApiModel):
    """Adds values to a container's command or arguments, or removes them."""

    container_name: str
    operator: Annotated[str, KnownValues("add", "remove")]
    value: list[str] | None = None


class LabelAnnotationOverrider(ApiModel):
    """Adds, replaces or removes labels or annotations."""

    operator: Annotated[str, KnownValues("add", "remove", "replace")]
    value: dict[str, str] | None = None


class PlaintextOverrider(ApiModel):
    """One operation of a JSON patch."""

    path: str
    operator: Annotated[str, KnownValues("add", "remove", "replace")]
    value: Any = None


class FieldPatchOperation(ApiModel):
    """One operation of a JSON patch inside an embedded document."""

    sub_path: str
    operator: Annotated[str, KnownValues("add", "remove", "replace")]
    value: Any = None


class FieldOverrider(ApiModel):
    """Changes a JSON or YAML document inside a text field, such as an entry of a ConfigMap."""

    field_path: str
    json_steps: Annotated[list[FieldPatchOperation] | None, Field(alias="json")] = None
    yaml_steps: Annotated[list[FieldPatchOperation] | None, Field(alias="yaml")] = None


class Overriders(ApiModel):
    """Changes to a template; Karmada applies them in a fixed order of their kinds."""

    image_overrider: list[ImageOverrider] | None = None
    command_overrider: list[CommandArgsOverrider] | None = None
    args_overrider: list[CommandArgsOverrider] | None = None
    labels_overrider: list[LabelAnnotationOverrider] | None = None
    annotations_overrider: list[LabelAnnotationOverrider] | None = None
    field_overrider: Annotated[list[FieldOverrider] | None, Since(1, 12)] = None
    plaintext: list[PlaintextOverrider] | None = None


class RuleWithCluster(ApiModel):
    """Overriders for some clusters, or for all clusters that get the template."""

    target_cluster: ClusterAffinity | None = None
    overriders: Overriders


class OverrideSpec(ApiModel):
    """The spec of an override policy."""

    resource_selectors: list[ResourceSelector] = Field(default_factory=list)
    """Empty: every template in the policy's scope."""
    override_rules: list[RuleWithCluster] = Field(default_factory=list)
    target_cluster: ClusterAffinity | None = None
    """With `overriders`, the form before `overrideRules`; deprecated by Karmada, but still effective."""
    overriders: Overriders | None = None


class OverridePolicy(ApiObject):
    """Makes templates of one namespace differ by cluster."""

    api_version_of = POLICY_API
    kind_of = "OverridePolicy"

    spec: OverrideSpec


class ClusterOverridePolicy(ApiObject):
    """Makes templates of any namespace, and cluster-scoped ones, differ by cluster."""

    api_version_of = POLICY_API
    kind_of = "ClusterOverridePolicy"

    spec: OverrideSpec
