"""Scheduling: which clusters a binding's object goes to, and with how many replicas."""

from __future__ import annotations

from typing import Any

from flotilla.karmada.objects import BINDING_API
from flotilla.karmada.rendering.shares import shares
from flotilla.karmada.scheduling.placement import Choice, choose, divide
from flotilla.karmada.status.rollout import facts_of
from flotilla.kube.objects import Object, is_true, ref_of
from flotilla.sandbox.standin.world import World, condition, conditions_of, deleting

BINDING_KINDS = ("ResourceBinding", "ClusterResourceBinding")


def reconcile_schedules(world: World, clusters: list[Object]) -> None:
    """Schedule every binding anew: what comes out the same is not written."""
    for kind in BINDING_KINDS:
        for binding in world.control_plane.list(BINDING_API, kind):
            if not deleting(binding):
                _schedule(world, binding, clusters)


def _schedule(world: World, binding: Object, clusters: list[Object]) -> None:
    held = binding["spec"].get("clusters") or []
    targets, problem, group = targets_of(binding["spec"], clusters, {target["name"] for target in held})
    if problem:
        _say(world, binding, scheduled=False, message=problem)
        return
    if targets != held:
        patch = [{"op": "add", "path": "/spec/clusters", "value": targets}]
        binding = {**binding, **world.control_plane.patch(ref_of(binding), patch, kind="json")}
    _say(world, binding, scheduled=True, message="Binding has been scheduled successfully.", group=group)


def targets_of(spec: Object, clusters: list[Object], before: set[str]) -> tuple[list[Object], str, str]:
    """Return the targets of a binding, or why there are none, and the affinity group that was taken.

    Args:
        spec: the binding's spec: placement, replicas.
        clusters: the Clusters that stay.
        before: where it is now: a cluster that has become unready keeps what it has.
    """
    placement = spec.get("placement") or {}
    # Clusters that aren't Ready yet have no not-ready taint for a moment; the stand-in never schedules to them.
    ready = [c for c in clusters if is_true(c, "Ready") or _name(c) in before]
    choice = choose([facts_of(c) for c in ready], placement, before=before)
    names = {facts.name for facts in choice.chosen}
    fit = [c for c in ready if _name(c) in names]
    fit, problem = _spread(fit, placement.get("spreadConstraints") or [])
    if problem or not fit:
        return [], problem or _nothing_fits(clusters, choice), ""
    sorted_names = sorted(_name(c) for c in fit)
    if not spec.get("replicas"):
        # Without replicas it goes everywhere; with none of them and pods that ask for something, nowhere.
        everywhere = [] if "replicaRequirements" in spec else [{"name": name} for name in sorted_names]
        return everywhere, "", choice.group
    given = _replicas(int(spec["replicas"]), fit, sorted_names, placement.get("replicaScheduling") or {})
    return [{"name": name, "replicas": count} for name, count in sorted(given.items())], "", choice.group


def _replicas(replicas: int, fit: list[Object], names: list[str], scheduling: Object) -> dict[str, int]:
    divided = scheduling.get("replicaSchedulingType") == "Divided"
    if divided and scheduling.get("replicaDivisionPreference") == "Aggregated":
        return _aggregate(replicas, fit)
    if divided and (scheduling.get("weightPreference") or {}).get("dynamicWeight"):
        return {name: count for name, count in divide(replicas, {_name(c): _room(c) for c in fit}).items() if count}
    template: Object = {"kind": "Deployment", "spec": {"replicas": replicas}}
    return {name: int(count or 0) for name, count in shares(template, names, scheduling).items()}


def _aggregate(replicas: int, fit: list[Object]) -> dict[str, int]:
    """Fill the cluster with the most room first, and go on to the next only when it is full."""
    given: dict[str, int] = {}
    for cluster in sorted(fit, key=lambda c: (-_room(c), _name(c))):
        share = min(replicas - sum(given.values()), _room(cluster))
        if share > 0:
            given[_name(cluster)] = share
    return given


def _room(cluster: Object) -> int:
    """Return how many more pods a cluster takes, as its nodes say."""
    summary = (cluster.get("status") or {}).get("resourceSummary") or {}
    pods = int((summary.get("allocatable") or {}).get("pods", 0))
    return max(pods - int((summary.get("allocated") or {}).get("pods", 0)), 0)


def _name(cluster: Object) -> str:
    return str(cluster["metadata"]["name"])


def _nothing_fits(clusters: list[Object], choice: Choice) -> str:
    """Say why no cluster fits, as Karmada does."""
    reasons = [f"1 cluster(s) had untolerated taint {{{taint}}}" for taint in choice.refused.values()]
    others = len(clusters) - len(reasons)
    if others:
        reasons.insert(0, f"{others} cluster(s) did not match the placement cluster affinity constraint")
    return f"0/{len(clusters)} clusters are available: {', '.join(reasons) or 'no cluster exists'}."


def _spread(fit: list[Object], constraints: list[Any]) -> tuple[list[Object], str]:
    """Apply spread constraints by cluster: at least, and at most, so many; those with the most room first."""
    for constraint in constraints:
        if constraint.get("spreadByField") != "cluster":
            return [], f"the stand-in spreads by cluster only, not by {constraint.get('spreadByField')!r}"
        least, most = int(constraint.get("minGroups") or 1), int(constraint.get("maxGroups") or len(fit) or 1)
        if len(fit) < least:
            return [], f"the number of feasible clusters {len(fit)} is less than spreadConstraint.MinGroups {least}"
        fit = sorted(fit, key=lambda c: (-_room(c), _name(c)))[:most]
    return fit, ""


def _say(world: World, binding: Object, *, scheduled: bool, message: str, group: str = "") -> None:
    old = conditions_of(binding)
    reason = "Success" if scheduled else "NoClusterFit"
    said = condition("Scheduled", status=scheduled, reason=reason, message=message, old=old)
    others = [c for c in old if c["type"] != "Scheduled"]
    status = {**(binding.get("status") or {}), "conditions": [said, *others]}
    if scheduled:
        status["schedulerObservedGeneration"] = binding["metadata"]["generation"]
        if group:
            status["schedulerObservingAffinityName"] = group
    world.set_status(binding, status)
