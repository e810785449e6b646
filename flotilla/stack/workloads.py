"""What runs, and where: templates, their placement, and how single clusters differ."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from flotilla.karmada.names import is_dns_label
from flotilla.stack.members import Labels, TaintEffect
from flotilla.stack.problems import ConfigModel, refuse

MOST_REPLICAS = 150_000
"""Pods of the largest cluster that Kubernetes is tested with (kubernetes.io: considerations for large clusters)."""
MOST_WEIGHT = 2**31 - 1


def _object_name(value: str) -> str:
    if not is_dns_label(value):
        raise refuse("must be a DNS label (lower-case letters, digits, '-')", remedy="rename it")
    return value


Name = Annotated[str, AfterValidator(_object_name)]


class ReplicaStrategy(StrEnum):
    """What `replicas` means over several clusters (Karmada's replicaSchedulingType)."""

    DUPLICATED = "duplicated"
    """Every chosen cluster runs all replicas."""
    DIVIDED = "divided"
    """The chosen clusters share the replicas, by weight."""


class ConflictResolution(StrEnum):
    """What happens where a member already has the object."""

    ABORT = "Abort"
    """Leave it alone and report the conflict."""
    OVERWRITE = "Overwrite"
    """Take it over."""


class TolerationOperator(StrEnum):
    """How a toleration matches a taint."""

    EXISTS = "Exists"
    """Whatever the taint's value is."""
    EQUAL = "Equal"
    """The values are the same."""


class Toleration(ConfigModel):
    """Lets a workload onto clusters that have a taint."""

    key: str = Field(default="", description="The taint's key; every taint, with `operator: Exists`, where left out.")
    operator: TolerationOperator = Field(default=TolerationOperator.EQUAL, description="Equal or Exists.")
    value: str = Field(default="", description="The taint's value, with `operator: Equal`.")
    effect: TaintEffect | None = Field(default=None, description="NoSchedule or NoExecute; both where left out.")
    seconds: int | None = Field(
        default=None, ge=0, description="How long a taint with NoExecute is tolerated; for ever where left out."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.operator is TolerationOperator.EXISTS and self.value:
            raise refuse("has 'value' with `operator: Exists`", remedy="drop the value, or use `operator: Equal`")
        if self.operator is TolerationOperator.EQUAL and not self.key:
            raise refuse(
                "has no 'key'",
                consequence="it could tolerate taints that nobody means",
                remedy="add the taint's key, or `operator: Exists` to tolerate every taint",
            )
        if self.seconds is not None and self.effect is not TaintEffect.NO_EXECUTE:
            raise refuse("has 'seconds' without `effect: NoExecute`", remedy="add the effect, or drop the seconds")
        return self


class Placement(ConfigModel):
    """Which clusters a workload runs on. All conditions that are given must hold."""

    clusters: tuple[str, ...] = Field(default=(), description="Members by name.")
    exclude: tuple[str, ...] = Field(default=(), description="Members that are never chosen.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels that the Cluster must have.")
    providers: tuple[str, ...] = Field(default=(), description="Cloud providers, any of them.")
    regions: tuple[str, ...] = Field(default=(), description="Regions, any of them.")
    zones: tuple[str, ...] = Field(default=(), description="Zones; any of the Cluster's must be among them.")
    tolerations: tuple[Toleration, ...] = Field(
        default=(), description="Taints of clusters that don't keep the workload away."
    )
    replicas: ReplicaStrategy = Field(default=ReplicaStrategy.DUPLICATED, description="duplicated or divided.")
    weights: dict[str, Annotated[int, Field(ge=1, le=MOST_WEIGHT)]] = Field(
        default_factory=dict, description="Static weight by member, for divided replicas."
    )

    @model_validator(mode="after")
    def _weights_need_division(self) -> Self:
        if self.weights and self.replicas is not ReplicaStrategy.DIVIDED:
            raise refuse(
                "has 'weights' while replicas are duplicated",
                consequence="the weights would do nothing",
                remedy="add `replicas: divided` or drop the weights",
            )
        both = sorted(set(self.clusters) & set(self.exclude))
        if both:
            raise refuse(
                f"{', '.join(both)}: both in 'clusters' and in 'exclude'",
                consequence="the cluster would never be chosen",
                remedy="keep it in one of them",
            )
        return self


class ImageOverride(ConfigModel):
    """Parts of the image that a cluster replaces."""

    registry: str | None = None
    repository: str | None = None
    tag: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.registry is None and self.repository is None and self.tag is None:
            raise refuse("changes nothing", remedy="give registry, repository or tag")
        return self


class Operation(StrEnum):
    """JSON patch operations that Karmada's plaintext overrider knows."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


class Patch(ConfigModel):
    """A JSON patch step, for what the typed fields don't cover."""

    op: Operation
    path: str = Field(description="JSON pointer, such as /spec/template/spec/priorityClassName.")
    value: Any = None

    @field_validator("path")
    @classmethod
    def _pointer(cls, value: str) -> str:
        if not value.startswith("/"):
            raise refuse("must be a JSON pointer", remedy=f"write /{value.replace('.', '/')}")
        return value

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.value is None) != (self.op is Operation.REMOVE):
            raise refuse("'remove' takes no value, 'add' and 'replace' take one", remedy="fix op or value")
        return self


class Override(ConfigModel):
    """How the workload differs in some clusters."""

    clusters: tuple[str, ...] = Field(min_length=1, description="Members by name.")
    image: ImageOverride | None = None
    command: tuple[str, ...] = Field(default=(), description="Words added to the container's command.")
    args: tuple[str, ...] = Field(default=(), description="Arguments added to the container's.")
    container: str | None = Field(default=None, description="Container for command and args; the workload's name.")
    labels: Labels = Field(default_factory=dict, description="Labels added or replaced.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations added or replaced.")
    patches: tuple[Patch, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.image or self.command or self.args or self.labels or self.annotations or self.patches):
            raise refuse(
                "changes nothing", consequence="it would only look like a difference", remedy="remove it or fill it"
            )
        return self


class Resources(ConfigModel):
    """Compute resources of the container, in Kubernetes quantities (`100m`, `64Mi`)."""

    requests: dict[str, str] = Field(default_factory=dict)
    limits: dict[str, str] = Field(default_factory=dict)


class Workload(ConfigModel):
    """What runs on the chosen clusters: an image in short form, or manifests of any kind."""

    name: Name = Field(description="The workload's name, and the Deployment's in the short form.")
    namespace: Name = Field(default="default", description="Namespace, in the control plane and the members.")
    formerly: Name | None = Field(
        default=None,
        description="The workload's name before: its policies, and the Deployment of the short form, keep it.",
    )
    image: str | None = Field(default=None, min_length=1, description="Image of the one container.")
    replicas: int | None = Field(default=None, ge=0, le=MOST_REPLICAS, description="Replicas; 1 by default.")
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(default=(), description="Container ports.")
    env: dict[str, str] = Field(default_factory=dict, description="Environment variables; no secrets here.")
    resources: Resources | None = None
    labels: Labels = Field(default_factory=dict, description="More labels of the Deployment and its pods.")
    manifests: tuple[str, ...] = Field(default=(), description="YAML files, relative to the project's folder.")
    placement: Placement
    overrides: tuple[Override, ...] = ()
    conflict_resolution: ConflictResolution = Field(
        default=ConflictResolution.ABORT, description="Where a member has the object already: Abort or Overwrite."
    )
    timeout: int = Field(default=300, ge=5, description="Seconds to wait until every chosen cluster is healthy.")

    @property
    def object_name(self) -> str:
        """The name of the policies, and of the short form's Deployment and container: it outlives a rename."""
        return self.formerly or self.name

    @model_validator(mode="after")
    def _another_name(self) -> Self:
        if self.formerly == self.name:
            raise refuse(
                "'formerly' is the workload's present name", consequence="it would say nothing", remedy="drop it"
            )
        return self

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.image is None) == (not self.manifests):
            raise refuse(
                "needs exactly one of 'image' and 'manifests'",
                consequence="there would be nothing to run, or two things of one name",
                remedy="keep one of them",
            )
        if self.manifests:
            short = [
                key
                for key, given in (
                    ("replicas", self.replicas is not None),
                    ("ports", self.ports),
                    ("env", self.env),
                    ("resources", self.resources),
                    ("labels", self.labels),
                )
                if given
            ]
            if short:
                raise refuse(
                    f"has 'manifests' and the short form's {', '.join(repr(s) for s in short)}",
                    consequence="they would do nothing",
                    remedy="set them in the manifests",
                )
        return self
