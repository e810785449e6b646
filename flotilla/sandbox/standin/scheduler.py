"""Scheduling: writes the decisions of Flotilla's model of Karmada's scheduler into bindings."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from flotilla.karmada.scheduling import (
    Certain,
    ClusterFacts,
    Scheduler,
    Shares,
    decide,
    demand_of_binding,
    facts_of,
    first_of,
)
from flotilla.karmada.scheduling.bindings import APPLIED, current_of
from flotilla.kube.objects import Object, is_true, ref_of
from flotilla.sandbox.standin.world import World, bindings, conditions_of, deleting, new_condition

_SCHEDULER = Scheduler()


def reconcile_schedules(world: World, clusters: list[Object]) -> None:
    """Schedule every binding; an unchanged decision is not written."""
    facts = {cluster["metadata"]["name"]: facts_of(cluster) for cluster in clusters}
    ready = {cluster["metadata"]["name"] for cluster in clusters if is_true(cluster, "Ready")}
    for binding in bindings(world.control_plane):
        # A binding without a placement belongs only to the templates that need it, and isn't scheduled itself.
        if not deleting(binding) and binding["spec"].get("placement") is not None:
            _schedule(world, binding, facts, ready)


def _schedule(world: World, binding: Object, staying: Mapping[str, ClusterFacts], ready: Collection[str]) -> None:
    """Schedule a binding, and write the decision, its placement and the condition, as Karmada does."""
    current = current_of(binding)
    # Clusters that aren't Ready yet have no not-ready taint for a moment; the stand-in never schedules to them.
    facts = [one for name, one in staying.items() if name in ready or name in current.shares]
    # Clusters that leave are removed once no binding has them any more.
    facts += [ClusterFacts(name, deleting=True) for name in current.shares if name not in staying]
    spec = binding["spec"]
    demand = demand_of_binding(spec)
    decision = decide(facts, spec.get("placement") or {}, demand, current=current, scheduler=_SCHEDULER)
    problem, cleared = (decision.problem, decision.cleared) if isinstance(decision, Certain) else ("", False)
    if not problem or cleared:
        binding = _write(world, binding, targets_of(first_of(decision)))
    _report(world, binding, problem=problem, fits=not cleared, group=decision.group)


def targets_of(shares: Shares) -> list[Object]:
    """Return a binding's clusters; for a cluster without replicas the field is left out."""
    return [{"name": name, "replicas": count} if count else {"name": name} for name, count in sorted(shares.items())]


def _write(world: World, binding: Object, targets: list[Object]) -> Object:
    placement = json.dumps(binding["spec"].get("placement") or {}, sort_keys=True)
    annotations = binding["metadata"].get("annotations") or {}
    steps: list[Object] = []
    if targets != sorted(binding["spec"].get("clusters") or [], key=lambda one: str(one["name"])):
        steps.append({"op": "add", "path": "/spec/clusters", "value": targets})
    if annotations.get(APPLIED) != placement:
        steps.append({"op": "add", "path": "/metadata/annotations", "value": {**annotations, APPLIED: placement}})
    return {**binding, **world.control_plane.patch(ref_of(binding), steps, kind="json")} if steps else binding


def _report(world: World, binding: Object, *, problem: str, fits: bool, group: str) -> None:
    old = conditions_of(binding)
    reason = "Success" if not problem else "SchedulerError" if fits else "NoClusterFit"
    message = problem or "Binding has been scheduled successfully."
    said = new_condition("Scheduled", status=not problem, reason=reason, message=message, old=old)
    others = [c for c in old if c["type"] != "Scheduled"]
    status = {**(binding.get("status") or {}), "conditions": [said, *others]}
    if not problem:
        status["schedulerObservedGeneration"] = binding["metadata"]["generation"]
        if group:
            status["schedulerObservingAffinityName"] = group
    world.set_status(binding, status)
