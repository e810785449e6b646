"""Workloads: the objects that run in members, and how Karmada propagates them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator
from pydantic.alias_generators import to_camel

from flotilla.counts import counted
from flotilla.karmada.names import is_dns_label, is_dns_subdomain
from flotilla.stack.extensions import OwnComponent, OwnSource, once_each
from flotilla.stack.failover import Failover
from flotilla.stack.given import GivenPolicies
from flotilla.stack.labels import Labels
from flotilla.stack.overrides import Override
from flotilla.stack.placement import Placement
from flotilla.stack.problems import ConfigModel, refuse
from flotilla.stack.readiness import Ready
from flotilla.stack.rollout_strategy import RolloutStrategy, opted_out
from flotilla.stack.secrets import WorkloadSecret
from flotilla.stack.sources import LONGEST_RELEASE, Kustomization, WorkloadChart, release_fits

MOST_REPLICAS = 150_000
"""Pods of the largest cluster with which Kubernetes is tested (kubernetes.io: considerations for large clusters)."""
_POLICY_KEYS = frozenset(
    [
        "placement",
        "overrides",
        "conflictResolution",
        "dependencies",
        "priority",
        "preemption",
        "schedulePriority",
        "activation",
        "suspend",
        "onRemoval",
        "failover",
    ]
)
_LEAST_PRIORITY, _MOST_PRIORITY = -(2**31), 2**31 - 1


def _object_name(value: str) -> str:
    if not is_dns_label(value):
        raise refuse("must be a DNS label (lower-case letters, digits, '-')", remedy="rename it")
    return value


def _class_name(value: str) -> str:
    if not is_dns_subdomain(value):
        raise refuse("must be a PriorityClass's name", remedy="write the name that it has in the control plane")
    return value


Name = Annotated[str, AfterValidator(_object_name)]


class ConflictResolution(StrEnum):
    """What happens if a member already has the object."""

    ABORT = "Abort"
    """Karmada leaves the object unchanged and reports the conflict."""
    OVERWRITE = "Overwrite"
    """Karmada takes the object over."""


class Preemption(StrEnum):
    """Whether a policy takes over templates from policies of lower priority."""

    ALWAYS = "Always"
    NEVER = "Never"


class Activation(StrEnum):
    """When Karmada applies a change of a workload's policy."""

    LAZY = "Lazy"
    """Karmada applies it with the next change of the workload's objects."""


class OnRemoval(StrEnum):
    """What happens to the copies in the members when a workload is removed from the stack."""

    DELETE = "delete"
    KEEP = "keep"


class Suspension(ConfigModel):
    """The clusters to which Karmada sends no changes: `true` for every cluster, or a list of members."""

    everywhere: bool = False
    clusters: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return {"everywhere": value}
        if isinstance(value, list | tuple):
            return {"clusters": value}
        raise refuse("must be `true`, or a list of members", remedy="write `suspend: true` or `suspend: [member1]`")


class Resources(ConfigModel):
    """Compute resources of the container, in Kubernetes quantities (`100m`, `64Mi`)."""

    requests: dict[str, str] = Field(default_factory=dict, description="What the scheduler reserves.")
    limits: dict[str, str] = Field(default_factory=dict, description="The most that the container may use.")


Evaluated = tuple[tuple[int, Override], ...]
"""Overrides without expressions, each with the position of its source in the stack file's `overrides`."""


class Workload(ConfigModel):
    """A workload: objects, and the clusters in which they run.

    Its objects are an `image` in the short form, `manifests` of any kind, a `chart`, a `kustomize` or a
    `source`: exactly one of them. Every field of Karmada's policies has a key here. Keys that not every
    version of Karmada has are refused for a version that lacks them.
    """

    name: Name = Field(description="The name of the workload. In the short form it is also the Deployment's name.")
    namespace: Name = Field(
        default="default",
        description="Namespace of objects that name none themselves, in the control plane and in the members.",
    )
    formerly: Name | None = Field(
        default=None,
        description="The former name of the workload. Its policies, and the Deployment of the short form, "
        "keep that name.",
    )
    image: str | None = Field(
        default=None, min_length=1, description="Short form: the image of one container in a Deployment."
    )
    replicas: int | None = Field(
        default=None, ge=0, le=MOST_REPLICAS, description="Short form: replicas of the Deployment. Default: 1."
    )
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        default=(), description="Short form: ports of the container."
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="Short form: environment variables of the container. No secrets here."
    )
    resources: Resources | None = Field(default=None, description="Short form: compute resources of the container.")
    labels: Labels = Field(default_factory=dict, description="Short form: more labels of the Deployment and its pods.")
    manifests: tuple[str, ...] = Field(
        default=(), description="Files, folders and patterns (`apps/**/*.yaml`), relative to the project's folder."
    )
    chart: WorkloadChart | None = Field(default=None, description="A Helm chart, which `helm` renders to objects.")
    kustomize: Kustomization | None = Field(
        default=None, description="A kustomization, which `kustomize` or `kubectl kustomize` renders to objects."
    )
    source: OwnSource | None = Field(
        default=None, description="A source of this project or of an installed package, which returns the objects."
    )
    secrets: tuple[WorkloadSecret, ...] = Field(
        default=(), description="Secrets that are sent with the workload. Their values are encrypted in this file."
    )
    policies: tuple[str, ...] = Field(
        default=(),
        description="Files with Karmada's own policies, which then decide where the objects run. They stand "
        "instead of `placement`, `overrides` and every other key that becomes a part of a policy.",
    )
    after: tuple[Name, ...] = Field(
        default=(),
        description="Names of workloads of this stack. Their rollouts end before this one begins, and they "
        "are removed after this one.",
    )
    placement: Placement = Field(description="The clusters in which the workload runs. Required without `policies`.")
    overrides: tuple[Override, ...] = Field(default=(), description="How the objects differ in some clusters.")
    conflict_resolution: ConflictResolution = Field(
        default=ConflictResolution.ABORT,
        description="What Karmada does where a member has the object already: `Abort` leaves it, `Overwrite` "
        "takes it over.",
    )
    autoscaled: bool = Field(
        default=False,
        description="Autoscalers in the members own the replicas of the Deployments, so Karmada doesn't set them.",
    )
    dependencies: bool | None = Field(
        default=None,
        description="Also send the ConfigMaps, Secrets and other objects that the objects use. Always on "
        "with `failover.application`.",
    )
    priority: int = Field(
        default=0,
        ge=_LEAST_PRIORITY,
        le=_MOST_PRIORITY,
        description="Priority of the policy. Where several policies select an object, the one with the "
        "highest priority applies.",
    )
    preemption: Preemption = Field(
        default=Preemption.NEVER,
        description="`Always`: take objects over from policies of lower priority. Needs the feature gate "
        "PropagationPolicyPreemption.",
    )
    schedule_priority: Annotated[str, AfterValidator(_class_name)] | None = Field(
        default=None,
        description="A PriorityClass, which decides what Karmada schedules first. Needs Karmada 1.13 and the "
        "feature gate PriorityBasedScheduling.",
    )
    activation: Activation | None = Field(
        default=None,
        description="`Lazy`: Karmada applies a change of the policy only with the next change of the objects.",
    )
    suspend: Suspension | None = Field(
        default=None, description="Send no changes to any member (`true`), or to these members. Needs Karmada 1.11."
    )
    on_removal: OnRemoval = Field(
        default=OnRemoval.DELETE,
        description="What happens to the copies in members when the workload is removed. `keep` needs Karmada 1.12.",
    )
    failover: Failover | None = Field(
        default=None, description="When Karmada moves the workload to other clusters by itself."
    )
    ready: Ready = Field(
        default_factory=dict,
        description="When an object counts as done, by `Kind`, `Kind.group`, `Kind/name` or "
        "`Kind/namespace/name`. The most exact entry applies.",
    )
    rollout: Annotated[
        RolloutStrategy | None, BeforeValidator(opted_out, json_schema_input_type=RolloutStrategy | Literal[False])
    ] = Field(
        default=None,
        description="How changes reach the clusters, instead of the stack's `rollout`. `false` means all "
        "clusters at once. Needs Karmada 1.11. Default: the stack's `rollout`.",
    )
    components: Annotated[tuple[OwnComponent, ...], AfterValidator(once_each)] = Field(
        default=(), description="Components of this project or of installed packages that belong to the workload."
    )
    timeout: int = Field(
        default=300, ge=5, description="Seconds to wait until the workload is healthy in every chosen cluster."
    )

    _evaluated: Evaluated | None = PrivateAttr(default=None)
    _given: GivenPolicies | None = PrivateAttr(default=None)
    _whole: str = PrivateAttr(default="")

    def with_given(self, given: GivenPolicies, keys: Mapping[str, Any]) -> Self:
        """Return the part of this workload whose objects one of its given policies sends.

        Args:
            given: the policies.
            keys: the policy's content, as values of this model's fields.
        """
        part = self.model_copy(update=dict(keys))
        part._given, part._whole = given, self.object_name  # noqa: SLF001 - of the same class
        return part

    def with_rollout(self, default: RolloutStrategy | None) -> Self:
        """Return this workload with the stack's `rollout`, unless it has this key itself."""
        if default is None or "rollout" in self.model_fields_set:
            return self
        return self.model_copy(update={"rollout": default})

    @property
    def given(self) -> GivenPolicies | None:
        """The policies that users wrote, once it is known which of them send its objects; None without policies."""
        return self._given

    def with_evaluated(self, overrides: Evaluated) -> Self:
        """Return this workload, with its overrides as evaluated for the members of its stack stored in it."""
        self._evaluated = overrides
        return self

    @property
    def evaluated(self) -> Evaluated:
        """The overrides without expressions, each with its position in `overrides`.

        Raises:
            ValueError: the overrides have expressions that weren't evaluated.
        """
        if self._evaluated is not None:
            return self._evaluated
        if any(override.evaluate for override in self.overrides):
            raise ValueError(f"workload {self.name}: its overrides are not evaluated")
        return tuple(enumerate(self.overrides))

    @property
    def object_name(self) -> str:
        """The name of the policies, and of the short form's Deployment and container: it stays after a rename."""
        return self.formerly or self.name

    @property
    def release(self) -> str:
        """The default release name of its chart, which is the same for all parts of a workload with policies."""
        return self._whole or self.object_name

    @property
    def source_key(self) -> str:
        """The key that gives the source of the objects: image, manifests, chart, kustomize or source."""
        return next((key for key in ("manifests", "chart", "kustomize", "source") if getattr(self, key)), "image")

    @property
    def is_rendered(self) -> bool:
        """Whether a program, or a source of the user's own, makes the objects."""
        return bool(self.chart or self.kustomize or self.source)

    @property
    def sends_dependencies(self) -> bool:
        """Whether Karmada propagates what the objects use: its webhook requires it with application failover."""
        return self.dependencies or bool(self.failover and self.failover.application)

    @model_validator(mode="before")
    @classmethod
    def _placed_by_policies(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not value.get("policies"):
            return value
        both = sorted(_POLICY_KEYS & {to_camel(key) for key in value})
        if both:
            raise refuse(
                f"has 'policies' and {', '.join(repr(key) for key in both)}",
                consequence="it would be unclear which of them applies",
                remedy="keep either the policies, or `placement` and the other keys",
            )
        if value.get("components"):
            raise refuse(
                "has 'policies' and 'components'",
                consequence="each policy makes a separate part of the workload, and a component belongs to one",
                remedy="use the components in another workload",
            )
        if value.get("image"):
            raise refuse(
                "has 'policies' and 'image'",
                consequence="Flotilla names the object, so no policy selects it",
                remedy="write `placement` instead of 'policies', or list manifests, a chart or a kustomization",
            )
        return {**value, "placement": {}}

    @model_validator(mode="after")
    def _check_dependencies(self) -> Self:
        if self.dependencies is False and self.sends_dependencies:
            raise refuse(
                "has `dependencies: false` with 'failover.application'",
                consequence="Karmada's API refuses the policy",
                remedy="remove `dependencies: false`",
            )
        return self

    @model_validator(mode="after")
    def _another_name(self) -> Self:
        if self.formerly == self.name:
            raise refuse(
                "'formerly' is the workload's present name", consequence="it would have no effect", remedy="remove it"
            )
        return self

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        sources = (self.image, self.manifests, self.chart, self.kustomize, self.source)
        if [bool(given) for given in sources].count(True) != 1:
            raise refuse(
                "needs exactly one of 'image', 'manifests', 'chart', 'kustomize' and 'source'",
                consequence="there would be nothing to run, or two sources of objects",
                remedy="keep one of them",
            )
        if self.image:
            return self
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
            place = {
                "chart": "the chart's values",
                "kustomize": "the kustomization",
                "source": "the source's `args`",
            }
            raise refuse(
                f"has {self.source_key!r} and the short form's {', '.join(repr(s) for s in short)}",
                consequence="they would have no effect",
                remedy=f"set them in {place.get(self.source_key, 'the manifests')}",
            )
        if self.chart and not (self.chart.release or release_fits(self.object_name)):
            raise refuse(
                f"its name has more than {counted(LONGEST_RELEASE, 'character')}, the limit for a release of a chart",
                consequence="helm would refuse it",
                remedy="add `release` to the chart",
            )
        return self
