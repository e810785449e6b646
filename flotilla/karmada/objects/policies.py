"""Views of the propagation policies of `policy.karmada.io`: which templates go where, and what happens on failures."""

from typing import Annotated

from flotilla.karmada.objects.apis import POLICY_API
from flotilla.karmada.objects.placement import PolicyPlacement
from flotilla.karmada.objects.views import ApiModel, ApiObject, Bool, Int, KnownValues, LabelSelector, Since


class ResourceSelector(ApiModel):
    """Which templates a policy selects."""

    api_version: str
    kind: str
    namespace: str | None = None
    name: str | None = None
    label_selector: LabelSelector | None = None


class StatePreservationRule(ApiModel):
    """A value of a copy's status that Karmada passes to the copy's successor as a label."""

    alias_label_name: str
    json_path: str


class StatePreservation(ApiModel):
    """The part of a copy's status that its successor in another cluster gets."""

    rules: list[StatePreservationRule]


class DecisionConditions(ApiModel):
    """When Karmada moves a copy to another cluster."""

    toleration_seconds: Int | None = None


class ApplicationFailoverBehavior(ApiModel):
    """What happens to a copy that isn't healthy."""

    decision_conditions: DecisionConditions
    purge_mode: Annotated[str, KnownValues("Directly", "Gracefully", "Never", "Immediately", "Graciously")] | None = (
        None
    )
    """1.10 to 1.14 have Immediately, Graciously and Never; 1.19 rejects the first two."""
    grace_period_seconds: Int | None = None
    state_preservation: Annotated[StatePreservation | None, Since(1, 12)] = None


class ClusterFailoverBehavior(ApiModel):
    """What happens to copies in a cluster that fails."""

    purge_mode: Annotated[str, KnownValues("Directly", "Gracefully")] | None = None
    state_preservation: StatePreservation | None = None


class FailoverBehavior(ApiModel):
    """What happens to copies that fail."""

    application: ApplicationFailoverBehavior | None = None
    cluster: Annotated[ClusterFailoverBehavior | None, Since(1, 15)] = None


class SuspendClusters(ApiModel):
    """The clusters to which nothing is sent."""

    cluster_names: list[str] | None = None


class Suspension(ApiModel):
    """Where nothing is sent: everywhere (`dispatching`), or to some clusters."""

    dispatching: Bool | None = None
    dispatching_on_clusters: SuspendClusters | None = None


class PolicySchedulePriority(ApiModel):
    """The class whose value orders the scheduler's queue."""

    priority_class_source: Annotated[str, KnownValues("KubePriorityClass")]
    priority_class_name: str


class PropagationSpec(ApiModel):
    """The spec of a propagation policy."""

    resource_selectors: list[ResourceSelector]
    placement: PolicyPlacement = PolicyPlacement()
    priority: Int | None = None
    preemption: Annotated[str, KnownValues("Always", "Never")] | None = None
    conflict_resolution: Annotated[str, KnownValues("Abort", "Overwrite")] | None = None
    activation_preference: Annotated[str, KnownValues("Lazy")] | None = None
    propagate_deps: Bool | None = None
    association: Bool | None = None
    """Deprecated by Karmada in favour of `propagateDeps`."""
    dependent_overrides: list[str] | None = None
    failover: FailoverBehavior | None = None
    suspension: Annotated[Suspension | None, Since(1, 11)] = None
    preserve_resources_on_deletion: Annotated[Bool | None, Since(1, 12)] = None
    schedule_priority: Annotated[PolicySchedulePriority | None, Since(1, 13)] = None
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
