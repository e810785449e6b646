"""Views of the override policies of `policy.karmada.io`: how templates differ by cluster."""

from typing import Annotated, Any

from pydantic import Field

from flotilla.karmada.objects.apis import POLICY_API
from flotilla.karmada.objects.placement import ClusterAffinity
from flotilla.karmada.objects.policies import ResourceSelector
from flotilla.karmada.objects.views import ApiModel, ApiObject, Since, Words


class ImagePredicate(ApiModel):
    """Where the image is (a JSON pointer), in kinds whose containers Karmada doesn't know."""

    path: str


class ImageOverrider(ApiModel):
    """Replaces a part of images."""

    predicate: ImagePredicate | None = None
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


class FieldPatchOperation(ApiModel):
    """A JSON patch step inside an embedded document."""

    sub_path: str
    operator: Annotated[str, Words("add", "remove", "replace")]
    value: Any = None


class FieldOverrider(ApiModel):
    """Changes a document of JSON or YAML that is the text of a field, such as a ConfigMap's entry."""

    field_path: str
    json_steps: Annotated[list[FieldPatchOperation] | None, Field(alias="json")] = None
    yaml_steps: Annotated[list[FieldPatchOperation] | None, Field(alias="yaml")] = None


class Overriders(ApiModel):
    """What changes, applied by Karmada in a fixed order by kind of overrider."""

    image_overrider: list[ImageOverrider] | None = None
    command_overrider: list[CommandArgsOverrider] | None = None
    args_overrider: list[CommandArgsOverrider] | None = None
    labels_overrider: list[LabelAnnotationOverrider] | None = None
    annotations_overrider: list[LabelAnnotationOverrider] | None = None
    field_overrider: Annotated[list[FieldOverrider] | None, Since(1, 12)] = None
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
    target_cluster: ClusterAffinity | None = None
    """With `overriders` the form before `overrideRules`, deprecated by Karmada and still in force."""
    overriders: Overriders | None = None


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
