"""How far one template has got: each function says what is missing for one stage, or '' where nothing is.

The stages, each of which can still be about an earlier version of the one before: declared (the control plane has the
template as declared), claimed (a policy has taken it), scheduled, sent (a Work holds what was declared for the
cluster), applied, healthy. Pure functions over what was read.
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
"""How a text begins where the scheduler has found no cluster."""
NO_WORK = "not sent yet (there is no Work)"
REMEDY = "`conflictResolution: Overwrite` in the workload takes over what is there"
_THERE = "already exists in the cluster"
"""What Karmada says of an object that a member has, that it does not manage, and that it is not to take over
(pkg/util/objectwatcher)."""
LEFT = "is not chosen any more, and its copy is still there"


def not_there(declared: Object, goal: Goal | None) -> str:
    """Say what is missing of a template that isn't in the control plane: nothing of a Job whose time to live is over.

    Where the stack asks for a condition or a value of it, nobody can say any more whether the Job had that: it may have
    failed.
    """
    if not expires(declared):
        return "is not in the control plane"
    if goal is None or goal.until:
        return ""
    return "is not in the control plane any more: its ttlSecondsAfterFinished is over, and nobody knows how it ended"


def not_declared(declared: Object, template: Object) -> str:
    """Compare a template with its declaration: fields and elements that were declared, and no others."""
    asked = {key: value for key, value in declared.items() if key != "stringData"}
    found = [one for one in object_differences(asked, template) if not _is_left_out(one)]
    return f"is not as declared in the control plane: {found[0].text} differs" if found else ""


def _is_left_out(difference: Difference) -> bool:
    """Return whether an API server may have left a declared value out: charts write `hostNetwork: false`.

    It stores no zero values of most of its own kinds' fields (omitempty in Go); waiting for one would never end.
    """
    return difference.found is None and is_zero(difference.wanted)


def not_claimed(template: Object, binding: ResourceBinding | None) -> str:
    """Say whether a policy has taken the very object that is there now."""
    if binding is None:
        return "no policy has claimed it yet (there is no ResourceBinding)"
    if binding.spec.resource.uid not in (None, template["metadata"].get("uid")):
        return "its ResourceBinding belongs to an earlier object of this name"
    return ""


def another_placement(binding: ResourceBinding, placement: Object) -> str:
    """Compare a binding's placement with the declared one, for every field that is declared."""
    bound = binding.spec.placement.wire() if binding.spec.placement else {}
    if differences(placement, bound):
        return "its ResourceBinding has another placement: another policy claims it, or Karmada is not there yet"
    return ""


def not_scheduled(binding: ResourceBinding) -> str:
    """Say whether the scheduler has decided about the binding as it is now."""
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
    """Return whether Karmada sends a cluster nothing, by a policy's Suspension (policy/v1alpha1)."""
    named = (suspension.get("dispatchingOnClusters") or {}).get("clusterNames") or []
    return bool(suspension.get("dispatching")) or cluster in named


def copies_meant(binding: ResourceBinding) -> set[str]:
    """Return the clusters that have a copy by Karmada's intent.

    The chosen ones, those of other templates that need this one (`requiredBy`), and those whose copy leaves once its
    successor is healthy (`gracefulEvictionTasks`).
    """
    spec = binding.spec
    chosen = {target.name for target in spec.clusters}
    required = {target.name for other in spec.required_by for target in other.clusters or []}
    return chosen | required | {task.from_cluster for task in spec.graceful_eviction_tasks}


def left(work: WorkOrError) -> str:
    """Say that a copy is still in a cluster that isn't chosen any more; empty where Karmada has none to take away."""
    if isinstance(work, ClusterError):
        return LEFT
    if never_applied(work) and work.metadata.deletion_timestamp:
        return ""  # nothing is there; Karmada doesn't finish the Work all the same
    kept = unfinished(work)
    return f"is not chosen any more: {kept}" if kept else LEFT


def not_sent(work: WorkOrError | None, wanted: Object) -> str:
    """Compare a Work with what its cluster is to get.

    Args:
        work: the Work; None where there is none.
        wanted: the object as it is to arrive.
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
    # A status never travels, and the server has turned stringData into data.
    asked = {key: value for key, value in wanted.items() if key not in ("status", "stringData")}
    different = [one for one in differences(asked, manifests[0]) if not _is_left_out(one)]
    if different:
        # Under Pulumi's CLI nothing says which values of overrides are secret: only what can't be one is shown.
        first = different[0]
        plain = isinstance(first.wanted, int) or first.path[-1:] == ("image",)
        value = f" = {shown(wanted, first.path, first.wanted)!r}" if plain else " as declared"
        return f"its Work doesn't have {first.text}{value} yet"
    if work.spec.suspend_dispatching:
        return "its Work is suspended: Karmada doesn't send it"
    return ""


def not_applied(work: Work) -> str:
    """Say whether a member has taken what was sent."""
    applied = work.condition("Applied")
    if applied is None:
        return "sent, not applied yet"
    return "" if applied.true else f"not applied: {why_not_applied(applied.why)}"


def left_alone(work: WorkOrError | None) -> bool:
    """Return whether the member has what a Work carries, made by somebody else, and Karmada leaves that as it is."""
    applied = work.condition("Applied") if isinstance(work, Work) else None
    return applied is not None and not applied.true and _THERE in applied.why


def why_not_applied(said: str) -> str:
    """Return why something was not applied: in other words than Karmada's where these don't say what to do."""
    if _THERE not in said:
        return said
    return f"the member has it already, made by somebody else, and Karmada leaves that alone; {REMEDY}"


def not_reported(report: AggregatedStatusItem | None, generation: int | None) -> str:
    """Say whether a member has reported its copy, of this version.

    Args:
        report: the cluster's entry in the binding's status; None where there is none.
        generation: the template's.
    """
    if report is None:
        return "applied, not reported yet"
    if not report.applied:
        return f"not applied: {why_not_applied(report.applied_message or 'no reason given')}"
    # Karmada passes a template's generation on to the member and back (not in 1.10).
    seen = (report.status or {}).get("resourceTemplateGeneration")
    if seen is not None and generation is not None and seen < generation:
        return "applied, but reported of an older version"
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
    """Say what a member's copy lacks to be as far as it has to get.

    Args:
        report: the cluster's entry in the binding's status; None where there is none.
        replicas: the cluster's share; None for kinds without replicas.
        generation: the template's.
        goal: how far it has to get; None where nothing says it: healthy.
        sent: what was sent to the cluster.
        version: Karmada's; None where it isn't known.
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
    """Say what is missing until a cluster has taken what it is to get: sent, and applied."""
    late = not_sent(work, wanted)
    return late or (not_applied(work) if isinstance(work, Work) else "")
