"""Builds the world of a simulation from a plan: the declarations, and what the control plane and the state know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from flotilla.karmada.kinds import kind_of
from flotilla.karmada.scheduling import ClusterFacts, Current, Scheduler, facts_of, groups_with, replicas_of
from flotilla.karmada.scheduling.bindings import current_of
from flotilla.karmada.simulation.failover import Failover
from flotilla.karmada.simulation.world import Placed, World
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ObjectRef, is_true, ref_of
from flotilla.plan.contents import ROLLOUT_TYPE, with_contents
from flotilla.plan.copies import placed_templates, scheduled_of, with_uid
from flotilla.plan.fleet import uids_of
from flotilla.plan.found import as_found, replaced_templates
from flotilla.plan.interpreters import interpreted_kinds
from flotilla.plan.members import CLUSTER_TYPE, members_facts, with_kinds
from flotilla.plan.steps import Op, Result, Step
from flotilla.plan.workloads import templates_of

_TAINT_POLICY = "ClusterTaintPolicy"


@dataclass(frozen=True)
class Seen:
    """What was read from a control plane in addition to its Clusters."""

    bindings: tuple[Object, ...] = ()
    taint_policies: tuple[Object, ...] = ()
    unasked: str = ""
    """Why it wasn't read; empty where it was."""


def world_of(result: Result, seen: Seen, *, version: str | None, failovers: tuple[Failover, ...]) -> World:
    """Return the fleet after a plan: as if `up` had carried the plan out, and nothing else had happened.

    Args:
        result: the preview.
        seen: what was read from the control plane.
        version: Karmada's version, such as 1.18.2; None where it isn't known.
        failovers: how this Karmada may treat failed clusters.
    """
    ordered = sorted(result.steps, key=lambda step: (step.name, step.urn, step.op))
    steps = as_found(with_contents([step for step in ordered if step.op is not Op.REPLACE]))
    rollouts = [step for step in steps if step.type == ROLLOUT_TYPE]
    templates = templates_of(rollouts)
    members = with_kinds(_clusters(steps, result), templates)
    interpreters = [*result.interpreters, *(s.plain for step in steps if (s := step.new or step.old))]
    bindings = {str(_bound(one)): one for one in seen.bindings}
    scheduler = Scheduler(Version.parse(version)) if version else None
    around = _Around(members, bindings, uids_of(steps), replaced_templates(steps), scheduler)
    declared = [state.plain for step in steps if (state := step.after)]
    listed = tuple(placed for step in rollouts for placed in _placed(step, around))
    unready = {name for name, one in result.clusters.items() if not is_true(one, "Ready")}
    # A binding may name a cluster that has left, or leaves by this plan: Karmada doesn't divide again for that.
    absent = {name for one in listed for name in one.current.shares} - {one.name for one in members}
    return World(
        tuple(members),
        listed,
        scheduler,
        failovers,
        _pull(steps, result),
        {name: _statuses(one) for name, one in result.clusters.items()},
        tuple(_taint_policies(seen.taint_policies, declared)),
        interpreted_kinds(interpreters, asked=[kind_of(one) for one in templates]),
        frozenset(unready | absent),
    )


def unread_workloads(result: Result) -> tuple[str, ...]:
    """Return the workloads whose objects a plan doesn't show: hidden by the engine, or not known yet."""
    rollouts = [step for step in with_contents(result.steps) if step.type == ROLLOUT_TYPE and step.op is not Op.REPLACE]
    hidden = {s.name for s in rollouts if s.after and not isinstance(s.after.plain.get("templates"), list)}
    return tuple(sorted(name.removesuffix("-rollout") for name in hidden))


@dataclass(frozen=True)
class _Around:
    members: list[ClusterFacts]
    bindings: Mapping[str, Object]
    uids: Mapping[str, str]
    replaced: frozenset[str]
    scheduler: Scheduler | None


def _clusters(steps: list[Step], result: Result) -> list[ClusterFacts]:
    """Return the clusters after the plan, with the capacity that they report, and those of other stacks."""
    found = members_facts(steps, "new", result.clusters)
    own = {one.name for one in (*members_facts(steps, "old", result.clusters), *found)}
    live = {name: facts_of(one) for name, one in result.clusters.items()}
    known = [replace(one, capacity=live[one.name].capacity) if one.name in live else one for one in found]
    others = [facts for name, facts in live.items() if name not in own]
    return sorted([*known, *others], key=lambda one: one.name)


def _pull(steps: list[Step], result: Result) -> frozenset[str]:
    specs = {name: one.get("spec") or {} for name, one in result.clusters.items()}
    for step in steps:
        if step.type == CLUSTER_TYPE and (state := step.after) is not None:
            plain = state.plain
            specs[str((plain.get("metadata") or {}).get("name"))] = plain.get("spec") or {}
    return frozenset(name for name, spec in specs.items() if spec.get("syncMode") == "Pull")


def _statuses(cluster: Object) -> dict[str, str]:
    """Return the status of every condition, by type: taint policies may use conditions of any controller."""
    listed = (cluster.get("status") or {}).get("conditions") or []
    return {str(one.get("type")): str(one.get("status")) for one in listed}


def _taint_policies(live: Iterable[Object], declared: Iterable[Object]) -> list[Object]:
    """Return the ClusterTaintPolicies, oldest first; declared ones that don't exist yet come last."""
    found = sorted(live, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""))
    names = {one["metadata"]["name"] for one in found}
    more = [one for one in declared if one.get("kind") == _TAINT_POLICY]
    return [*found, *(one for one in more if (one.get("metadata") or {}).get("name") not in names)]


def _bound(binding: Object) -> ObjectRef:
    """Return the template of a binding."""
    resource = (binding.get("spec") or {}).get("resource") or {}
    return ObjectRef(
        str(resource.get("apiVersion")), str(resource.get("kind")), str(resource.get("name")),
        str(resource.get("namespace") or ""),
    )  # fmt: skip


def _placed(step: Step, around: _Around) -> Iterable[Placed]:
    """Yield the templates of a workload, as declared after the plan and with their present placement."""
    state = step.after
    if state is None:
        return
    name = step.name.removesuffix("-rollout")
    scheduled = scheduled_of(step.before, around.members)
    former = {str(ref_of(one)): placement for one, placement in placed_templates(step.before)} if step.before else {}
    for template, placement in placed_templates(state):
        ref = str(ref_of(template))
        named = with_uid(template, around.uids)
        if ref in around.replaced:
            yield Placed(name, ref, named, placement, seen=False)
            continue
        binding = around.bindings.get(ref)
        if binding is not None:
            suspended = bool((binding["spec"].get("suspension") or {}).get("scheduling"))
            yield Placed(name, ref, named, placement, current_of(binding), suspended=suspended)
            continue
        known = scheduled.get(ref, {})
        replicated = replicas_of(template) is not None
        shares = known if replicated else dict.fromkeys(known)
        current = Current(shares, placement=former.get(ref) if known else None)
        version = (around.scheduler or Scheduler()).version
        groups = groups_with(placement, shares, around.members, version) if shares else []
        yield Placed(name, ref, named, placement, current, tuple(groups), seen=False)
