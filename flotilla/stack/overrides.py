"""Overrides: how a workload's objects differ in single clusters."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from flotilla.karmada.status.ready import Selector
from flotilla.stack.expressions import OPENING
from flotilla.stack.labels import LabelKey, check_key, check_value
from flotilla.stack.placement import Affinity
from flotilla.stack.problems import ConfigModel, refuse


def _pointer(value: str) -> str:
    if not value.startswith("/"):
        raise refuse("must be a JSON pointer", remedy=f"write /{value.replace('.', '/')}")
    return value


def _labels(value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    """Check labels; a value with expressions is checked after its evaluation."""
    for key, text in value.items():
        check_key(key)
        if not (info.data.get("evaluate") and OPENING in text):
            check_value(text)
    return value


OverridingLabels = Annotated[dict[str, str], AfterValidator(_labels)]
Pointer = Annotated[str, AfterValidator(_pointer)]


class ImagePart(StrEnum):
    """The parts of an image that Karmada can change separately."""

    REGISTRY = "registry"
    REPOSITORY = "repository"
    TAG = "tag"


class ImageParts(ConfigModel):
    """Texts by part of an image."""

    registry: str | None = Field(default=None, description="The registry, such as `registry.example.org`.")
    repository: str | None = Field(default=None, description="The repository, such as `library/nginx`.")
    tag: str | None = Field(default=None, description="A tag, or a digest with its algorithm.")

    @property
    def given(self) -> dict[str, str]:
        """The parts that are given, with their values."""
        return {part.value: text for part in ImagePart if (text := getattr(self, part.value)) is not None}


class ImageOverride(ImageParts):
    """Parts of an image that are replaced, extended or removed in a cluster.

    At least one part, and each part once.
    """

    append: ImageParts = Field(default_factory=ImageParts, description="Texts to add at the end of parts.")
    remove: tuple[ImagePart, ...] = Field(default=(), description="Parts to remove.")
    path: Pointer | None = Field(
        default=None,
        description="JSON pointer of the image, such as `/spec/template/spec/initContainers/0/image`. "
        "Default: the containers of Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets and "
        "Jobs.",
    )

    @model_validator(mode="after")
    def _check_changes(self) -> Self:
        parts = [*self.given, *self.append.given, *(part.value for part in self.remove)]
        if not parts:
            raise refuse("changes nothing", remedy="give registry, repository or tag")
        twice = next((part for part in parts if parts.count(part) > 1), None)
        if twice:
            raise refuse(f"changes '{twice}' twice", remedy="keep one of them")
        return self


class Operation(StrEnum):
    """JSON patch operations that Karmada supports."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


class Patch(ConfigModel):
    """A step of a JSON patch (RFC 6902)."""

    op: Operation = Field(description="The operation.")
    path: Pointer = Field(description="JSON pointer of the value, such as `/spec/template/spec/priorityClassName`.")
    value: Any = Field(default=None, description="The value, with `add` and `replace`.")

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.value is None) != (self.op is Operation.REMOVE):
            raise refuse("'remove' takes no value, 'add' and 'replace' take one", remedy="fix op or value")
        return self


class Format(StrEnum):
    """The format of a text within an object."""

    JSON = "json"
    YAML = "yaml"


class FieldOverride(ConfigModel):
    """Changes within a text that is itself JSON or YAML, such as a file in a ConfigMap."""

    path: Pointer = Field(description="JSON pointer of the text, such as `/data/config.yaml`.")
    format: Format = Field(description="The format of the text.")
    patches: tuple[Patch, ...] = Field(min_length=1, description="JSON patch steps. Their paths begin within the text.")


class OverriddenObject(ConfigModel):
    """Objects of the workload that an override changes.

    An object that the workload doesn't have is refused, and the message lists the objects that it has. Where
    several overrides name an object, they apply in their order, together with those for all objects.
    """

    kind: str = Field(min_length=1, description="The kind of the object.")
    name: str = Field(min_length=1, description="The name of the object.")
    namespace: str | None = Field(default=None, min_length=1, description="The namespace of the object. Default: any.")

    def matches(self, obj: dict[str, Any]) -> bool:
        """Return whether this is an object's kind, namespace and name; the object must have its namespace set."""
        return Selector(self.kind, namespace=self.namespace or "", name=self.name).matches(obj)

    def __str__(self) -> str:
        within = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {within}{self.name}"


class Override(ConfigModel):
    """How the objects of a workload differ in some clusters.

    Karmada applies image, command, args, labels, annotations, fields and patches, in this order. Set a value that a
    patch writes into a Secret with `pulumi config set --secret --path`: Pulumi's CLI stores the stack file's clear
    text with its state.
    """

    clusters: tuple[str, ...] = Field(default=(), description="Names of members.")
    target: Affinity | None = Field(
        default=None,
        description="Instead of `clusters`: conditions, as in a placement. `{}` matches every cluster.",
    )
    evaluate: bool = Field(
        default=False,
        description="Values contain expressions about the member, such as `${member.region}`.",
    )
    objects: tuple[OverriddenObject, ...] = Field(
        default=(),
        min_length=1,
        description="The objects of the workload that change, by kind and name. Default: all of them.",
    )
    image: ImageOverride | None = Field(default=None, description="Changes of the container images.")
    command: tuple[str, ...] = Field(default=(), description="Words to add to the container's command.")
    remove_command: tuple[str, ...] = Field(default=(), description="Words to remove from the container's command.")
    args: tuple[str, ...] = Field(default=(), description="Arguments to add.")
    remove_args: tuple[str, ...] = Field(default=(), description="Arguments to remove.")
    container: str | None = Field(
        default=None,
        description="The container whose command and arguments change. Default: the one with the workload's name.",
    )
    labels: OverridingLabels = Field(default_factory=dict, description="Labels to add or replace.")
    replace_labels: OverridingLabels = Field(
        default_factory=dict, description="Labels to replace where the object has them."
    )
    remove_labels: tuple[LabelKey, ...] = Field(default=(), description="Keys of labels to remove.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations to add or replace.")
    replace_annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations to replace where the object has them."
    )
    remove_annotations: tuple[LabelKey, ...] = Field(default=(), description="Keys of annotations to remove.")
    fields: tuple[FieldOverride, ...] = Field(
        default=(), description="Changes within texts that are JSON or YAML. Needs Karmada 1.12."
    )
    patches: tuple[Patch, ...] = Field(default=(), description="JSON patch steps, for everything else.")

    @model_validator(mode="after")
    def _check_changes(self) -> Self:
        target = {"clusters", "target", "evaluate", "objects", "container"}
        if not any(getattr(self, name) for name in type(self).model_fields if name not in target):
            raise refuse("changes nothing", consequence="it would have no effect", remedy="remove it, or add a change")
        return self

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if bool(self.clusters) == (self.target is not None):
            raise refuse(
                "needs exactly one of 'clusters' and 'target'",
                consequence="it would be unclear to which clusters it applies",
                remedy="name the clusters, or write their conditions into 'target'",
            )
        return self

    def is_for(self, obj: dict[str, Any]) -> bool:
        """Return whether it applies to an object of the workload; the object must have its namespace set."""
        return not self.objects or any(one.matches(obj) for one in self.objects)

    @property
    def affinity(self) -> Affinity:
        """The conditions for the clusters to which it applies."""
        return self.target or Affinity(clusters=self.clusters)
