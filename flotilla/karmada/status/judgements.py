"""The progress of one template: each function returns what is missing for one stage, or '' where nothing is.

The stages are: declared (the control plane has the template as declared), claimed (a policy has claimed it), scheduled,
sent (a Work contains what is declared for the cluster), applied, and healthy. Each stage may still reflect an earlier
version of the stage before. The functions are pure: they work on objects that were read before.
"""

from __future__ import annotations

from flotilla.errors import ClusterError
from flotilla.karmada.kinds import expires, kind_of
from flotilla.karmada.objects import AggregatedStatusItem, ResourceBinding, Work
from flotilla.karmada.status.health import is_judged
from flotilla.karmada.status.kept import never_applied, unfinished
from flotilla.karmada.status.lacking import lacking, not_replaced
from flotilla.karmada.status.ready import Goal, Until
from flotilla.karmada.status.snapshot import WorkOrError
from flotilla.karmada.versions import Version
from flotilla.kube.merge_keys import object_differences
from flotilla.kube.objects import Difference, Object, differences
from flotilla.kube.secrecy import shown
from flotilla.kube.zero_values import is_zero

REFUSED = "not scheduled"
"""The beginning of the text for a template for which the scheduler has found no cluster."""
NO_WORK = "not sent yet (there is no Work)"
REMEDY = "`conflictResolution: Overwrite` in the workload takes over what is there"
_THERE = "already exists in the cluster"
"""Karmada's message for an object that a member has, that Karmada doesn't manage and may not take over
(pkg/util/objectwatcher)."""
LEFT = "is not chosen any more, and its copy is still there"


def not_there(declared: Object, goal: Goal | None) -> str:
    """Return what is missing of a template that isn't in the control plane; nothing for a Job with a time to live.

    If the stack expects a condition or a value of such a Job, nobody can know any more whether the Job had it: the Job
    may have failed.
    """
    if not expires(declared):
        return "is not in the control plane"
    if goal is None or goal.until:
        return ""
    return "is not in the control plane any more: its ttlSecondsAfterFinished is over, and nobody knows how it ended"


def not_declared(declared: Object, template: Object) -> str:
    """Compare a template with its declaration: only declared fields and elements count."""
    asked = {key: value for key, value in declared.items() if key != "stringData"}
    found = [one for one in object_differences(asked, template) if not _is_left_out(one)]
    return f"is not as declared in the control plane: {found[0].text} differs" if found else ""


def _is_left_out(difference: Difference) -> bool:
    """Return whether an API server may have dropped a declared value: charts write `hostNetwork: false`.

    An API server stores no zero values for most fields of Kubernetes' own kinds (omitempty in Go); a wait for one would
    never end.
    """
    return difference.found is None and is_zero(difference.wanted)


def not_claimed(template: Object, binding: ResourceBinding | None) -> str:
    """Return what is missing until a policy has claimed the object that exists now."""
    if binding is None:
        return "no policy has claimed it yet (there is no ResourceBinding)"
    if binding.spec.resource.uid not in (None, template["metadata"].get("uid")):
        return "its ResourceBinding belongs to an earlier object of this name"
    return ""


def another_placement(binding: ResourceBinding, placement: Object) -> str:
    """Compare a binding's placement with the declared one; only declared fields count."""
    bound = binding.spec.placement.wire() if binding.spec.placement else {}
    if differences(placement, bound):
        return "its ResourceBinding has another placement: another policy claims it, or Karmada has not updated it yet"
    return ""


def not_scheduled(binding: ResourceBinding) -> str:
    """Return what is missing until the scheduler has decided about the binding in its current form."""
    scheduled = binding.condition("Scheduled")
    if scheduled is None:
        return "the scheduler has not seen it yet"
    if not scheduled.true:
        return f"{REFUSED}: {scheduled.why}"
    observed, generation = binding.status.scheduler_observed_generation, binding.metadata.generation
    if observed is not None and generation is not None and observed < generation:
        return "the scheduler has not seen its change yet"
    return ""


def suspends(suspension: Object, cluster: str) -> bool:
    """Return whether a policy's Suspension (policy/v1alpha1) stops Karmada from sending anything to a cluster."""
    named = (suspension.get("dispatchingOnClusters") or {}).get("clusterNames") or []
    return bool(suspension.get("dispatching")) or cluster in named


def intended_clusters(binding: ResourceBinding) -> set[str]:
    """Return the clusters in which Karmada intends to have a copy.

    These are the chosen clusters, those of other templates that depend on this one (`requiredBy`), and those whose copy
    leaves once its successor is healthy (`gracefulEvictionTasks`).
    """
    spec = binding.spec
    chosen = {target.name for target in spec.clusters}
    required = {target.name for other in spec.required_by for target in other.clusters or []}
    return chosen | required | {task.from_cluster for task in spec.graceful_eviction_tasks}


def left(work: WorkOrError) -> str:
    """Return that a cluster that is no longer chosen still has a copy; empty where Karmada has none to remove."""
    if isinstance(work, ClusterError):
        return LEFT
    if never_applied(work) and work.metadata.deletion_timestamp:
        return ""  # the member has no copy, although Karmada doesn't finish the Work
    kept = unfinished(work)
    return f"is not chosen any more: {kept}" if kept else LEFT


def not_sent(work: WorkOrError | None, wanted: Object) -> str:
    """Compare a Work with what its cluster has to get.

    Args:
        work: the Work; None where there is none.
        wanted: the object as it has to arrive.
    """
    if work is None:
        return NO_WORK
    if isinstance(work, ClusterError):
        return f"its Work can't be read: {work.message}"
    if work.metadata.deletion_timestamp:
        return "its Work is being deleted"
    manifests = work.spec.workload.manifests
    if not manifests:
        return "its Work is empty"
    # A status is never sent, and the API server has converted stringData to data.
    asked = {key: value for key, value in wanted.items() if key not in ("status", "stringData")}
    different = [one for one in differences(asked, manifests[0]) if not _is_left_out(one)]
    if different:
        # Pulumi's CLI doesn't say which values of overrides are secret: only values that can't be secret are shown.
        first = different[0]
        plain = isinstance(first.wanted, int) or first.path[-1:] == ("image",)
        value = f" = {shown(wanted, first.path, first.wanted)!r}" if plain else " as declared"
        return f"its Work doesn't have {first.text}{value} yet"
    if work.spec.suspend_dispatching:
        return "its Work is suspended: Karmada doesn't send it"
    return ""


def not_applied(work: Work) -> str:
    """Return what is missing until a member has applied what was sent."""
    applied = work.condition("Applied")
    if applied is None:
        return "sent, not applied yet"
    return "" if applied.true else f"not applied: {why_not_applied(applied.why)}"


def is_left_alone(work: WorkOrError | None) -> bool:
    """Return whether the member already has the Work's object, made by somebody else, and Karmada leaves it alone."""
    applied = work.condition("Applied") if isinstance(work, Work) else None
    return applied is not None and not applied.true and _THERE in applied.why


def why_not_applied(said: str) -> str:
    """Return why something was not applied; Karmada's message is replaced where it doesn't say what to do."""
    if _THERE not in said:
        return said
    return f"the member has it already, made by somebody else, and Karmada leaves that alone; {REMEDY}"


def not_reported(report: AggregatedStatusItem | None, generation: int | None) -> str:
    """Return what is missing until a member has reported its copy in the current version.

    Args:
        report: the cluster's entry in the binding's status; None where there is none.
        generation: the template's generation.
    """
    if report is None:
        return "applied, not reported yet"
    if not report.applied:
        return f"not applied: {why_not_applied(report.applied_message or 'no reason given')}"
    # Karmada passes a template's generation on to the member and back (not in 1.10).
    seen = (report.status or {}).get("resourceTemplateGeneration")
    if seen is not None and generation is not None and seen < generation:
        return "applied, but the report is about an older version"
    return ""


def not_ready(
    report: AggregatedStatusItem | None,
    replicas: int | None,
    generation: int | None,
    *,
    goal: Goal | None,
    sent: Object,
    version: Version | None,
) -> str:
    """Return what a member's copy lacks to reach its goal.

    Args:
        report: the cluster's entry in the binding's status; None where there is none.
        replicas: the cluster's share of the replicas; None for kinds without replicas.
        generation: the template's generation.
        goal: the state that the copy has to reach; None where none is declared, which means healthy.
        sent: what was sent to the cluster.
        version: Karmada's version; None where it isn't known.
    """
    late = not_reported(report, generation)
    if late or report is None or (goal and goal.until is Until.APPLIED):
        return late
    status = report.status or {}
    if goal and goal.until is None:
        return goal.missing(status)
    kind = kind_of(sent)
    if report.health == "Healthy" or (report.health == "Unknown" and not is_judged(kind, version)):
        return not_replaced(kind, status)
    word = str(report.health or "health not known yet").lower()
    lack = lacking(kind, sent, status, replicas)
    return ", ".join(part for part in ("" if lack and word == "unhealthy" else word, lack) if part)


def arrived(work: WorkOrError | None, wanted: Object) -> str:
    """Return what is missing until a cluster has got and applied what it has to get."""
    late = not_sent(work, wanted)
    return late or (not_applied(work) if isinstance(work, Work) else "")
