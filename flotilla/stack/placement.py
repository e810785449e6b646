"""Placements: the clusters in which a workload runs, and how they share its replicas."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from flotilla.karmada.names import is_label_key
from flotilla.stack.labels import LabelKey
from flotilla.stack.members import TaintEffect
from flotilla.stack.problems import ConfigModel, refuse

MOST_WEIGHT = 2**31 - 1
_LONGEST_GROUP_NAME = 32


def _group_name(value: str) -> str:
    if not is_label_key(value) or len(value) > _LONGEST_GROUP_NAME:
        raise refuse(
            f"must be a name of at most {_LONGEST_GROUP_NAME} letters, digits, '-', '_' and '.'",
            consequence="Karmada's API refuses the policy",
            remedy="rename the group",
        )
    return value


GroupName = Annotated[str, AfterValidator(_group_name)]
Weight = Annotated[int, Field(ge=1, le=MOST_WEIGHT)]


class ReplicaStrategy(StrEnum):
    """The meaning of `replicas` for several clusters: Karmada's replicaSchedulingType and replicaDivisionPreference."""

    DUPLICATED = "duplicated"
    """Every chosen cluster runs all replicas."""
    DIVIDED = "divided"
    """The chosen clusters share the replicas, by weight."""
    AGGREGATED = "aggregated"
    """Only as many of the chosen clusters as the capacity requires share the replicas."""


class DynamicWeight(StrEnum):
    """How Karmada computes the weights of clusters itself."""

    AVAILABLE_REPLICAS = "AvailableReplicas"
    """By the number of replicas for which each cluster has room."""


class LabelOperator(StrEnum):
    """How a label expression matches (meta/v1, LabelSelectorRequirement)."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class ClusterField(StrEnum):
    """The fields of a Cluster that a field expression can use."""

    PROVIDER = "provider"
    REGION = "region"
    ZONE = "zone"


class FieldOperator(StrEnum):
    """How a field expression matches. Karmada's webhook refuses other operators."""

    IN = "In"
    NOT_IN = "NotIn"


class SpreadField(StrEnum):
    """The field by which a spread constraint groups clusters."""

    CLUSTER = "cluster"
    REGION = "region"
    ZONE = "zone"
    PROVIDER = "provider"


class TolerationOperator(StrEnum):
    """How a toleration matches a taint."""

    EXISTS = "Exists"
    """It matches whatever the taint's value is."""
    EQUAL = "Equal"
    """It matches if the values are equal."""


class LabelExpression(ConfigModel):
    """A condition on a label of the Cluster."""

    key: LabelKey = Field(description="The label's key.")
    operator: LabelOperator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[str, ...] = Field(default=(), description="The values, with In and NotIn.")

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        if (self.operator in (LabelOperator.IN, LabelOperator.NOT_IN)) != bool(self.values):
            raise refuse(
                f"{self.operator.value} {'takes no' if self.values else 'needs'} 'values'",
                consequence="Karmada's scheduler would refuse the selector",
                remedy="fix the operator or the values",
            )
        return self


class FieldExpression(ConfigModel):
    """A condition on the Cluster's provider, region or zones."""

    key: ClusterField = Field(description="provider, region or zone.")
    operator: FieldOperator = Field(description="In or NotIn.")
    values: tuple[str, ...] = Field(min_length=1, description="The values.")


class Affinity(ConfigModel):
    """Conditions for clusters. All given conditions must hold; no condition means every cluster."""

    clusters: tuple[str, ...] = Field(default=(), description="Names of members.")
    exclude: tuple[str, ...] = Field(default=(), description="Names of members that are never chosen.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels that the Cluster must have.")
    label_expressions: tuple[LabelExpression, ...] = Field(
        default=(), description="Further conditions on the Cluster's labels: key, operator, values."
    )
    providers: tuple[str, ...] = Field(default=(), description="Cloud providers; the Cluster must have one of them.")
    regions: tuple[str, ...] = Field(default=(), description="Regions; the Cluster must be in one of them.")
    zones: tuple[str, ...] = Field(default=(), description="Zones; the Cluster must have at least one of them.")
    field_expressions: tuple[FieldExpression, ...] = Field(
        default=(), description="Further conditions on provider, region and zone: key, operator (In, NotIn), values."
    )

    @model_validator(mode="after")
    def _not_excluded(self) -> Self:
        both = sorted(set(self.clusters) & set(self.exclude))
        if both:
            raise refuse(
                f"{', '.join(both)}: both in 'clusters' and in 'exclude'",
                consequence="the cluster would never be chosen",
                remedy="keep it in one of them",
            )
        return self

    @property
    def conditions(self) -> dict[str, bool]:
        """Whether each condition is given, by its key in the stack file."""
        return {str(field.alias): bool(getattr(self, name)) for name, field in Affinity.model_fields.items()}


class Toleration(ConfigModel):
    """Allows a workload to run in clusters that have a taint."""

    key: str = Field(default="", description="The taint's key. Default with `operator: Exists`: every taint.")
    operator: TolerationOperator = Field(default=TolerationOperator.EQUAL, description="Equal or Exists.")
    value: str = Field(default="", description="The taint's value, with `operator: Equal`.")
    effect: TaintEffect | None = Field(default=None, description="NoSchedule or NoExecute. Default: both.")
    seconds: int | None = Field(
        default=None, ge=0, description="How long a taint with NoExecute is tolerated. Default: no limit."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.operator is TolerationOperator.EXISTS and self.value:
            raise refuse("has 'value' with `operator: Exists`", remedy="drop the value, or use `operator: Equal`")
        if self.operator is TolerationOperator.EQUAL and not self.key:
            raise refuse(
                "has no 'key'",
                consequence="it could tolerate taints by accident",
                remedy="add the taint's key, or `operator: Exists` to tolerate every taint",
            )
        if self.seconds is not None and self.effect is not TaintEffect.NO_EXECUTE:
            raise refuse("has 'seconds' without `effect: NoExecute`", remedy="add the effect, or drop the seconds")
        return self


class OverflowGroup(Affinity):
    """Clusters for the replicas that don't fit into the group before."""

    name: GroupName = Field(description="The group's name.")


class Group(OverflowGroup):
    """Clusters that Karmada tries together; a workload goes to the first group into which it fits."""

    overflow: tuple[OverflowGroup, ...] = Field(
        default=(), description="Groups for the replicas that don't fit, in this order. Karmada 1.18."
    )

    @model_validator(mode="after")
    def _check_overflow(self) -> Self:
        if self.overflow and not any(self.conditions.values()):
            raise refuse(
                "has 'overflow' and chooses every cluster",
                consequence="Karmada's API refuses the policy",
                remedy="add conditions to the group",
            )
        _check_names([self.name, *(one.name for one in self.overflow)])
        return self


class Spread(ConfigModel):
    """The number of groups of clusters over which a workload is spread."""

    by: SpreadField | None = Field(
        default=None, description="How clusters are grouped: cluster, region, zone or provider."
    )
    label: LabelKey | None = Field(default=None, description="Instead of `by`: key of a label of the Clusters.")
    min_groups: int = Field(default=1, ge=1, le=MOST_WEIGHT, description="Minimum number of groups.")
    max_groups: int | None = Field(
        default=None, ge=1, le=MOST_WEIGHT, description="Maximum number of groups. Default: no limit."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.by is None) == (self.label is None):
            raise refuse("needs exactly one of 'by' and 'label'", remedy="keep one of them")
        if self.max_groups is not None and self.max_groups < self.min_groups:
            raise refuse(
                f"'maxGroups' ({self.max_groups}) is less than 'minGroups' ({self.min_groups})",
                consequence="Karmada's API refuses the policy",
                remedy="increase 'maxGroups'",
            )
        return self


class WeightRule(Affinity):
    """A static weight for the clusters that match its conditions."""

    weight: Weight = Field(description="The weight. A cluster that matches several rules gets the largest.")


class WorkloadAffinity(ConfigModel):
    """Which workloads must run in the same clusters, or must not. Needs the feature gate WorkloadAffinity."""

    affinity: LabelKey | None = Field(
        default=None, description="Label key of templates: templates with the same value run in the same clusters."
    )
    anti_affinity: LabelKey | None = Field(
        default=None, description="Label key of templates: templates with the same value never share a cluster."
    )

    @model_validator(mode="after")
    def _two_keys(self) -> Self:
        if self.affinity == self.anti_affinity:
            rule = "has the same key for both" if self.affinity else "has neither 'affinity' nor 'antiAffinity'"
            raise refuse(rule, consequence="Karmada's API refuses the policy", remedy="give one, or two different keys")
        return self


class Placement(Affinity):
    """The clusters in which a workload runs. All given conditions must hold."""

    groups: tuple[Group, ...] = Field(
        default=(),
        description="Groups of clusters in the order of preference, instead of conditions here: see below.",
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(), description="Taints of clusters that the workload tolerates: see below."
    )
    spread: tuple[Spread, ...] = Field(
        default=(), description="Number of clusters, regions, ... to spread over: see below."
    )
    replicas: ReplicaStrategy = Field(
        default=ReplicaStrategy.DUPLICATED,
        description="How clusters share the replicas: duplicated, divided or aggregated.",
    )
    weights: dict[str, Weight] = Field(
        default_factory=dict, description="Static weight by member, for divided replicas."
    )
    weight_rules: tuple[WeightRule, ...] = Field(
        default=(), description="Static weights of clusters that match conditions, for divided replicas: see below."
    )
    dynamic_weight: DynamicWeight | None = Field(
        default=None, description="AvailableReplicas: divide replicas by the room in each cluster."
    )
    workload_affinity: WorkloadAffinity | None = Field(
        default=None, description="Which workloads must share clusters, or must not: see below. Karmada 1.17."
    )

    @property
    def affinities(self) -> tuple[Affinity, ...]:
        """The parts that choose clusters: the placement's own conditions, or every group with its overflow groups."""
        return tuple(part for group in self.groups for part in (group, *group.overflow)) or (self,)

    @property
    def by_capacity(self) -> bool:
        """Whether Karmada divides the replicas by the room in clusters."""
        return self.replicas is ReplicaStrategy.AGGREGATED or self.dynamic_weight is not None

    @model_validator(mode="after")
    def _weights_need_division(self) -> Self:
        static = "weights" if self.weights else "weightRules" if self.weight_rules else ""
        given = static or ("dynamicWeight" if self.dynamic_weight else "")
        if given and self.replicas is not ReplicaStrategy.DIVIDED:
            raise refuse(
                f"has '{given}' while replicas are {self.replicas.value}",
                consequence="the weights would have no effect",
                remedy="add `replicas: divided` or drop the weights",
            )
        if static and self.dynamic_weight:
            raise refuse(
                f"has '{static}' beside 'dynamicWeight'",
                consequence="Karmada would ignore the static weights",
                remedy="keep one of them",
            )
        return self

    @model_validator(mode="after")
    def _groups_alone(self) -> Self:
        given = [key for key, present in self.conditions.items() if present]
        if self.groups and given:
            raise refuse(
                f"has 'groups' beside {', '.join(repr(key) for key in given)}",
                consequence="Karmada's API refuses a policy with both",
                remedy="write the conditions into the groups",
            )
        _check_names([group.name for group in self.groups])
        if any(group.overflow for group in self.groups) and not self.by_capacity:
            raise refuse(
                "has a group with 'overflow' while replicas are not divided by capacity",
                consequence="Karmada's API refuses the policy",
                remedy="add `replicas: aggregated`, or `replicas: divided` with `dynamicWeight: AvailableReplicas`",
            )
        return self

    @model_validator(mode="after")
    def _spread_counts(self) -> Self:
        if not self.spread:
            return self
        by = Counter(one.by or f"label {one.label}" for one in self.spread)
        twice = sorted(key for key, count in by.items() if count > 1)
        if twice:
            raise refuse(
                f"spreads by {twice[0]} twice",
                consequence="Karmada's API refuses the policy, or uses the last one",
                remedy="keep one of them",
            )
        if SpreadField.CLUSTER not in by:
            raise refuse(
                "has 'spread' without `by: cluster`",
                consequence="Karmada refuses the policy, or schedules the workload nowhere",
                remedy="add {by: cluster, minGroups: 1}",
            )
        if self.replicas is ReplicaStrategy.DIVIDED and self.dynamic_weight is None:
            raise refuse(
                "has 'spread' while replicas are divided by static weight",
                consequence="Karmada would ignore it",
                remedy="add `dynamicWeight: AvailableReplicas`, or use `replicas: aggregated`, or drop 'spread'",
            )
        return self


def _check_names(names: list[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise refuse(
            f"has two groups of the name {twice[0]!r}",
            consequence="Karmada's API refuses the policy",
            remedy="rename one of them",
        )
