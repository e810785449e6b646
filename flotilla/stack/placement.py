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

    key: LabelKey = Field(description="The key of the label.")
    operator: LabelOperator = Field(description="How the label is compared.")
    values: tuple[str, ...] = Field(default=(), description="The values, with `In` and `NotIn`.")

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
    """A condition on the provider, the region or the zones of the Cluster."""

    key: ClusterField = Field(description="The field.")
    operator: FieldOperator = Field(description="How the field is compared.")
    values: tuple[str, ...] = Field(min_length=1, description="The values.")


class Affinity(ConfigModel):
    """Conditions on clusters. All given conditions must hold; without any, every cluster matches."""

    clusters: tuple[str, ...] = Field(default=(), description="Names of members.")
    exclude: tuple[str, ...] = Field(default=(), description="Names of members that are never chosen.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels that the Cluster must have.")
    label_expressions: tuple[LabelExpression, ...] = Field(
        default=(), description="More conditions on the labels of the Cluster."
    )
    providers: tuple[str, ...] = Field(default=(), description="Cloud providers. The Cluster's must be one of them.")
    regions: tuple[str, ...] = Field(default=(), description="Regions. The Cluster's must be one of them.")
    zones: tuple[str, ...] = Field(default=(), description="Zones. One of the Cluster's must be one of them.")
    field_expressions: tuple[FieldExpression, ...] = Field(
        default=(), description="More conditions on provider, region and zone."
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
    """Lets a workload onto clusters that have a taint.

    A cluster with a taint that isn't tolerated gets no new workload. A cluster that has the workload already keeps
    it.
    """

    key: str = Field(default="", description="The key of the taint. Left out, with `operator: Exists`: every taint.")
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL, description="`Equal`: the value has to match. `Exists`: any value does."
    )
    value: str = Field(default="", description="The value of the taint, with `operator: Equal`.")
    effect: TaintEffect | None = Field(default=None, description="The effect of the taint. Left out: both effects.")
    seconds: int | None = Field(
        default=None,
        ge=0,
        description="Seconds for which a taint with `NoExecute` is tolerated. Left out: without an end.",
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
    """Clusters that take the replicas that don't fit into the group before them.

    It also has the conditions of a placement, from `clusters` to `fieldExpressions`.
    """

    name: GroupName = Field(description="The name of the group.")


class Group(OverflowGroup):
    """Clusters that Karmada tries together. A workload goes to the first group into which it fits.

    A group also has the conditions of a placement, from `clusters` to `fieldExpressions`. `overflow` needs replicas
    that are divided by capacity: `aggregated`, or `divided` with `dynamicWeight`.
    """

    overflow: tuple[OverflowGroup, ...] = Field(
        default=(), description="Groups that take the replicas that don't fit, in this order. Needs Karmada 1.18."
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
    """How many groups of clusters a workload uses.

    An entry with `by: cluster` is required. Karmada up to 1.18 chooses by cluster and region only. By zone and
    provider it leaves out clusters without that field; by label it does nothing. A plan reports it. With static
    weights Karmada would ignore `spread`, so the two together are refused.
    """

    by: SpreadField | None = Field(default=None, description="The field by which clusters form groups.")
    label: LabelKey | None = Field(default=None, description="Instead of `by`: the key of a label of the Clusters.")
    min_groups: int = Field(default=1, ge=1, le=MOST_WEIGHT, description="The least number of groups.")
    max_groups: int | None = Field(
        default=None, ge=1, le=MOST_WEIGHT, description="The greatest number of groups. Left out: no limit."
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
    """A static weight for the clusters that conditions match.

    It also has the conditions of a placement, from `clusters` to `fieldExpressions`.
    """

    weight: Weight = Field(description="The weight. A cluster that several rules match has the largest one.")


class WorkloadAffinity(ConfigModel):
    """Which workloads must run in the same clusters, or must not. Needs the feature gate WorkloadAffinity."""

    affinity: LabelKey | None = Field(
        default=None,
        description="The key of a label of templates. Templates with the same value run in the same clusters.",
    )
    anti_affinity: LabelKey | None = Field(
        default=None,
        description="The key of a label of templates. Templates with the same value never share a cluster.",
    )

    @model_validator(mode="after")
    def _two_keys(self) -> Self:
        if self.affinity == self.anti_affinity:
            rule = "has the same key for both" if self.affinity else "has neither 'affinity' nor 'antiAffinity'"
            raise refuse(rule, consequence="Karmada's API refuses the policy", remedy="give one, or two different keys")
        return self


class Placement(Affinity):
    """The clusters in which a workload runs, and how its replicas are divided among them.

    A cluster is chosen where all given conditions hold. Without any condition every cluster is chosen. `groups`
    stand instead of the conditions.
    """

    groups: tuple[Group, ...] = Field(
        default=(),
        description="Groups of clusters in order of preference, instead of conditions here.",
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(), description="Taints of clusters that the workload tolerates."
    )
    spread: tuple[Spread, ...] = Field(default=(), description="How many clusters, regions and other groups are used.")
    replicas: ReplicaStrategy = Field(
        default=ReplicaStrategy.DUPLICATED,
        description="`duplicated`: every cluster gets all replicas. `divided`: they are divided by weight. "
        "`aggregated`: they go to as few clusters as possible.",
    )
    weights: dict[str, Weight] = Field(
        default_factory=dict, description="Static weight by member, for divided replicas."
    )
    weight_rules: tuple[WeightRule, ...] = Field(
        default=(), description="Static weights of the clusters that conditions match, for divided replicas."
    )
    dynamic_weight: DynamicWeight | None = Field(
        default=None, description="`AvailableReplicas`: divided replicas go by the free capacity of each cluster."
    )
    workload_affinity: WorkloadAffinity | None = Field(
        default=None, description="Which workloads share clusters, or never do. Needs Karmada 1.17."
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
