"""The plan of each member: whether it joins, leaves or changes, and the facts that placements use, before and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from flotilla.karmada.kinds import defined_kinds, kind_of
from flotilla.karmada.scheduling import ClusterFacts, Taint, facts_of
from flotilla.karmada.status.expected import unready_reason
from flotilla.kube.objects import Object
from flotilla.plan.changes import change_text
from flotilla.plan.renames import Renamed
from flotilla.plan.steps import GOING, Op, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import reveal

_ADOPTED = "this stack did not join it, but adopted it: its join is removed too"
CLUSTER_TYPE = "kubernetes:cluster.karmada.io/v1alpha1:Cluster"


@dataclass(frozen=True)
class ClusterPlan:
    """What happens to a member."""

    name: str
    verb: str
    """joins, adopted, leaves, changes or stays."""
    details: tuple[str, ...] = ()


def members_facts(steps: list[Step], side: str, clusters: dict[str, Object]) -> list[ClusterFacts]:
    """Return the members before or after, as placements match them.

    Args:
        steps: the steps of the plan.
        side: old or new.
        clusters: the control plane's Clusters, by name, as far as they are known.
    """
    found = []
    for step in steps:
        if step.type == CLUSTER_TYPE:
            state = step.before if side == "old" else step.after
            if state is not None:
                facts = facts_of(state.plain)
                live = (clusters.get(facts.name) or reveal(step.old.outputs)) if step.old else {}
                served = facts_of({**state.plain, "status": _status(live)}).served
                taints = facts.taints + (_taints_of_others(step.old, live) if step.old else ())
                found.append(replace(facts, taints=taints, served=served))
    found += _of_others(steps, clusters)
    # A Cluster that is replaced has two steps.
    return sorted({facts.name: facts for facts in found}.values(), key=lambda facts: facts.name)


def _of_others(steps: list[Step], clusters: dict[str, Object]) -> list[ClusterFacts]:
    """Return the Clusters that this stack doesn't declare: Karmada's placements choose among them too."""
    states = [state for step in steps if step.type == CLUSTER_TYPE for state in (step.old, step.new) if state]
    own = {facts_of(state.plain).name for state in states}
    found = []
    for name, live in clusters.items():
        if name not in own and not (live.get("metadata") or {}).get("deletionTimestamp"):
            facts = facts_of(live)
            ready = not unready_reason({"metadata": {}, "status": _status(live)})
            taints = tuple(taint for taint in facts.taints if not (ready and taint.of_condition))
            found.append(replace(facts, taints=taints, capacity=None))  # it changes all the time
    return found


def _status(live: Object) -> Object:
    found = live.get("status")
    return found if isinstance(found, dict) else {}


def _taints_of_others(state: ResourceState, live: Object) -> tuple[Taint, ...]:
    """Return the taints of a Cluster that aren't declared, such as a cordon.

    Karmada removes its own taints once the cluster is Ready.
    """
    spec = live.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("taints") or [], list):
        return ()
    ready = not unready_reason({"metadata": {}, "status": live.get("status") or {}})
    declared = facts_of(state.plain).taints
    found = facts_of({"metadata": {"name": ""}, "spec": {"taints": spec.get("taints")}}).taints
    return tuple(taint for taint in found if taint not in declared and not (ready and taint.of_condition))


def replaced_members(steps: list[Step]) -> dict[str, str]:
    """Return the members whose name now belongs to another cluster, with the UID of the former cluster."""
    clusters = [step for step in steps if step.type == CLUSTER_TYPE]
    made = {_member_of(step) for step in clusters if step.op is Op.CREATE_REPLACEMENT}
    return {
        _member_of(step): str((step.old.plain.get("spec") or {}).get("id"))
        for step in clusters
        if step.op is Op.DELETE_REPLACED and step.old and _member_of(step) in made
    }


def describes_member(step: Step, replaced: dict[str, str]) -> bool:
    """Return whether a step describes a member; of a replacement only the second half does."""
    return step.type == CLUSTER_TYPE and not (step.op is Op.DELETE_REPLACED and _member_of(step) in replaced)


def _member_of(step: Step) -> str:
    state = step.new or step.old
    inputs = state.plain if state else {}
    return str((inputs.get("metadata") or {}).get("name") or step.name.removesuffix("-cluster"))


def cluster_plan(step: Step, replaced: dict[str, str], renamed: list[Renamed]) -> ClusterPlan:
    """Return the plan of the member that a Cluster's step is about.

    Args:
        step: the step.
        replaced: the result of `replaced_members`.
        renamed: the members that have a new name.
    """
    state = step.new or step.old
    inputs = state.plain if state else {}
    name = _member_of(step)
    if name in replaced:
        now = (inputs.get("spec") or {}).get("id")
        which = f"it is another cluster now (UID {replaced[name]} → {now})"
        return ClusterPlan(name, "changes", (f"{which}: the former cluster leaves, this one joins",))
    if step.op in (Op.CREATE, Op.CREATE_REPLACEMENT):
        former = [one.text for one in renamed if one.name == name]
        return ClusterPlan(name, "joins", (*former, _where(inputs)))
    if step.op is Op.ADOPT:
        return ClusterPlan(name, "adopted", (_where(inputs), *_changes(step), *filter(None, (step.detail,))))
    if step.op in GOING:
        now = next((one.name for one in renamed if one.former == name and one.keeps_copies), "")
        how = f"it is {now} now" if now else "its workloads are removed first"
        return ClusterPlan(name, "leaves", (how, *([_ADOPTED] if step.old and step.old.import_id else [])))
    if step.op is Op.UPDATE:
        return ClusterPlan(name, "changes", _changes(step))
    return ClusterPlan(name, "stays")


def _where(cluster: Object) -> str:
    spec = cluster.get("spec") or {}
    return f"{str(spec.get('syncMode', '')).lower()} mode, at {spec.get('apiEndpoint')}"


def _changes(step: Step) -> tuple[str, ...]:
    # The condition to wait for follows from the mode, so it is no separate change.
    return tuple(change_text(one) for one in step.changes if "pulumi.com/waitFor" not in one.path)


def with_kinds(members: Iterable[ClusterFacts], templates: Iterable[Object]) -> list[ClusterFacts]:
    """Return clusters as if they served the kinds that these templates define: a stack waits until they do."""
    listed = list(templates)
    defined = defined_kinds(listed).namespaced
    coming = {(str(one["apiVersion"]), str(one["kind"])) for one in listed if kind_of(one) in defined}
    return [one if one.served is None else replace(one, served=one.served | coming) for one in members]
