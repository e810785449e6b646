"""A plan in the fleet's own words: which cluster joins or leaves, what each workload's copy in each cluster becomes.

It is read from the steps alone, of whichever engine: a Rollout step carries the templates, the placement and the
overrides, old and new, corrected by the steps of these objects themselves (flotilla.plan.found); a Cluster step what
placements ask about. So the plan shows what will be done, not what a
second look at the configuration would guess.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from flotilla.karmada.kinds import identity
from flotilla.karmada.names import cluster_of
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.reach import Notice
from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import owns_replicas, planned_completions, replicas_of
from flotilla.karmada.rendering.shares import divides, shares, weights
from flotilla.karmada.scheduling.placement import Choice, ClusterFacts, Taint, choose, divisions
from flotilla.karmada.status.expected import unready_reason
from flotilla.karmada.status.rollout import facts_of
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.found import as_found
from flotilla.plan.moves import Moved, Side, adds_words, in_one_version, with_moves
from flotilla.plan.notices import notices_of
from flotilla.plan.notices import to_json as notice_json
from flotilla.plan.renames import Renamed, refused_renames, renamed_members
from flotilla.plan.rollouts import ROLLOUT_TYPE
from flotilla.plan.steps import CHANGING, GOING, Op, Result, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change, compare
from flotilla.state.urns import provider_of
from flotilla.state.values import Secret, mask, reveal

CLUSTER_TYPE = "kubernetes:cluster.karmada.io/v1alpha1:Cluster"
_SHOWN = 60
Scheduled = dict[str, dict[str, int]]
"""Replicas by cluster, by template (0 for kinds without replicas)."""


@dataclass(frozen=True)
class ClusterPlan:
    """What happens to a member."""

    name: str
    verb: str
    """joins, leaves, changes or stays."""
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class CopyPlan:
    """What happens to a workload's objects in one cluster."""

    cluster: str
    verb: str
    """new, gone, changes or stays."""
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unscheduled:
    """A cluster that the placement chooses, and that Karmada won't schedule the workload to."""

    cluster: str
    taint: str
    """The taint that the workload doesn't tolerate, as kubectl writes it: key=value:effect."""


@dataclass(frozen=True)
class WorkloadPlan:
    """What happens to a workload, cluster by cluster."""

    name: str
    verb: str
    copies: tuple[CopyPlan, ...]
    problem: str = ""
    origin: str = ""
    """Where it comes from, where it had another name or takes objects over: `formerly shop`."""
    question: str = ""
    """What only the user can answer before this is done."""
    unscheduled: tuple[Unscheduled, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What is to be known of its overrides, replicas and Jobs before it is applied."""


@dataclass(frozen=True)
class FleetPlan:
    """The whole plan."""

    clusters: tuple[ClusterPlan, ...]
    workloads: tuple[WorkloadPlan, ...]
    objects: dict[str, Counter[str]] = field(default_factory=dict)
    """Per cluster (by its provider's name): how many objects are created, changed, replaced, deleted."""
    changed: dict[str, list[str]] = field(default_factory=dict)
    """Per cluster: objects that change in place or are replaced, and how."""
    rendered: dict[str, list[Object]] = field(default_factory=dict)
    """Per cluster: what it gets, overrides and replicas applied; secrets masked."""
    refusals: tuple[str, ...] = ()
    """Why this plan may not be carried out as it stands."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan for machines."""
        return {
            "clusters": [{"name": c.name, "verb": c.verb, "details": list(c.details)} for c in self.clusters],
            "workloads": [
                {
                    "name": w.name,
                    "verb": w.verb,
                    **({"origin": w.origin} if w.origin else {}),
                    **({"question": w.question} if w.question else {}),
                    "clusters": [{"name": c.cluster, "verb": c.verb, "details": list(c.details)} for c in w.copies],
                    "unscheduled": [{"name": u.cluster, "taint": u.taint} for u in w.unscheduled],
                    **({"notices": [notice_json(notice) for notice in w.notices]} if w.notices else {}),
                }
                for w in self.workloads
            ],
            **({"refusals": list(self.refusals)} if self.refusals else {}),
            "changed": dict(sorted(self.changed.items())),
            "objects": {name: dict(sorted(counter.items())) for name, counter in sorted(self.objects.items())},
        }


def fleet_plan(result: Result) -> FleetPlan:
    """Read a plan from the steps of a preview, or of what was done."""
    # What is independent runs side by side, in an order that nobody chose: a plan has the same one every time.
    ordered = sorted(result.steps, key=lambda step: (step.name, step.urn, step.op))
    steps = as_found([step for step in ordered if step.op is not Op.REPLACE])
    before = _facts(steps, "old")
    after = _facts(steps, "new")
    renamed = renamed_members([step for step in steps if step.type == CLUSTER_TYPE])
    anew = _anew(steps, {one.former for one in renamed})
    clusters = tuple(_cluster_plan(step, anew, renamed) for step in steps if _tells_of_cluster(step, anew))
    workloads, rendered = _workloads(
        [step for step in steps if step.type == ROLLOUT_TYPE],
        [facts for facts in before if facts.name not in anew],
        after,
    )
    return FleetPlan(clusters, tuple(workloads), _objects(steps), _changed(ordered), rendered, refused_renames(renamed))


def _facts(steps: list[Step], side: str) -> list[ClusterFacts]:
    """Return the members before or after, as placements see them."""
    found = []
    for step in steps:
        if step.type == CLUSTER_TYPE:
            state = _side(step, side)
            if state is not None:
                facts = facts_of(reveal(state.inputs))
                found.append(replace(facts, taints=facts.taints + _taints_of_others(step.old)))
    # A Cluster that is replaced has two steps.
    return sorted({facts.name: facts for facts in found}.values(), key=lambda facts: facts.name)


def _taints_of_others(state: ResourceState | None) -> tuple[Taint, ...]:
    """Return the taints that a Cluster had beyond the declared ones when it was last read: a cordon, for one.

    Karmada takes its own taints off again once the cluster is Ready.
    """
    if state is None:
        return ()
    live = reveal(state.outputs)
    spec = live.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("taints") or [], list):
        return ()
    ready = not unready_reason({"metadata": {}, "status": live.get("status") or {}})
    declared = facts_of(reveal(state.inputs)).taints
    found = facts_of({"metadata": {"name": ""}, "spec": {"taints": spec.get("taints")}}).taints
    return tuple(taint for taint in found if taint not in declared and not (ready and taint.of_condition))


def _side(step: Step, side: str) -> ResourceState | None:
    if side == "new" and step.op in GOING:
        return None
    if side == "old" and step.op is Op.CREATE:
        return None
    return step.old if side == "old" else step.new or step.old


def _anew(steps: list[Step], renamed: set[str]) -> dict[str, str]:
    """Return which members are another cluster than before, with the UID of the one before; not those renamed."""
    return {
        _member_of(step): str((reveal(step.old.inputs).get("spec") or {}).get("id"))
        for step in steps
        if step.type == CLUSTER_TYPE and step.op is Op.DELETE_REPLACED and step.old and _member_of(step) not in renamed
    }


def _tells_of_cluster(step: Step, anew: dict[str, str]) -> bool:
    """Tell whether a step says something of a member; of a replacement only its second half does."""
    return step.type == CLUSTER_TYPE and not (step.op is Op.DELETE_REPLACED and _member_of(step) in anew)


def _member_of(step: Step) -> str:
    state = step.new or step.old
    inputs = reveal(state.inputs) if state else {}
    return str((inputs.get("metadata") or {}).get("name") or step.name.removesuffix("-cluster"))


def _cluster_plan(step: Step, anew: dict[str, str], renamed: list[Renamed]) -> ClusterPlan:
    state = step.new or step.old
    inputs = reveal(state.inputs) if state else {}
    name = _member_of(step)
    if name in anew:
        now = (inputs.get("spec") or {}).get("id")
        which = f"it is another cluster now (UID {anew[name]} → {now})"
        return ClusterPlan(name, "changes", (f"{which}: the one before leaves, this one joins",))
    if step.op in (Op.CREATE, Op.CREATE_REPLACEMENT):
        spec = inputs.get("spec") or {}
        former = [f"formerly {one.former}: its copies are deleted and made anew" for one in renamed if one.name == name]
        where = f"{str(spec.get('syncMode', '')).lower()} mode, at {spec.get('apiEndpoint')}"
        return ClusterPlan(name, "joins", (*former, where))
    if step.op in GOING:
        return ClusterPlan(name, "leaves", ("its workloads are removed first",))
    if step.op is Op.UPDATE:
        # What it is waited for follows from its mode, and says nothing of its own.
        told = [c for c in step.changes if "pulumi.com/waitFor" not in c.path]
        return ClusterPlan(name, "changes", tuple(change_text(c) for c in told))
    return ClusterPlan(name, "stays")


def _workloads(
    steps: list[Step], before: list[ClusterFacts], after: list[ClusterFacts]
) -> tuple[list[WorkloadPlan], dict[str, list[Object]]]:
    """Return the workloads' plans, and what each cluster gets of all of them."""
    plans, sides = [], []
    refused: dict[str, dict[str, Taint]] = {}
    rendered: dict[str, list[Object]] = {}
    notices: dict[str, tuple[Notice, ...]] = {}
    everything = [template for step in steps for template in _templates(_side(step, "new"))]
    for step in steps:
        name = step.name.removesuffix("-rollout")
        former = reveal(step.old.inputs).get("workload") if step.old and step.op is not Op.CREATE else ""
        try:
            old = _side(step, "old")
            scheduled = _scheduled(old, before)
            olds, _ = _copies(old, before, scheduled, now=False)
            news, refused[name] = _copies(_side(step, "new"), after, scheduled or _by_template(olds), now=True)
        except ValueError as error:
            plans.append(WorkloadPlan(name, "changes", (), str(error)))
            continue
        after_inputs = reveal(new.inputs) if (new := _side(step, "new")) else {}
        notices[name] = notices_of(after_inputs, news, after, everything)
        sides.append(Side(name, str(former or ""), olds, news, adds_words(_rules(_side(step, "new")))))
        for cluster, items in news.items():
            rendered.setdefault(cluster, []).extend(mask(item) for item in items)
    plans += [
        replace(_workload_plan(moved, refused[moved.name]), notices=notices[moved.name])
        for moved in with_moves(sides)
        if not moved.absorbed
    ]
    return sorted(plans, key=lambda plan: plan.name), rendered


def _templates(rollout: ResourceState | None) -> list[Object]:
    found = reveal(rollout.inputs).get("templates") if rollout else None
    return found if isinstance(found, list) else []


def _rules(rollout: ResourceState | None) -> list[Object]:
    return list(reveal(rollout.inputs).get("overrideRules") or []) if rollout else []


def _workload_plan(moved: Moved, refused: dict[str, Taint]) -> WorkloadPlan:
    clusters = sorted({*moved.old, *moved.new})
    copies = tuple(_copy_plan(cluster, moved.old.get(cluster), moved.new.get(cluster)) for cluster in clusters)
    verbs = {copy.verb for copy in copies}
    verb = "stays" if verbs <= {"stays"} else verbs.pop() if len(verbs) == 1 else "changes"
    unscheduled = tuple(Unscheduled(cluster, str(taint)) for cluster, taint in sorted(refused.items()))
    return WorkloadPlan(moved.name, verb, copies, origin=moved.origin, question=moved.question, unscheduled=unscheduled)


def _scheduled(state: ResourceState | None, members: list[ClusterFacts]) -> Scheduled:
    """Return where Karmada had put each template when its rollout was last looked at."""
    known = {facts.name for facts in members}
    found = reveal(state.outputs).get("scheduled") if state else None
    return {
        template: {name: int(count) for name, count in shares.items() if name in known}
        for template, shares in (found if isinstance(found, dict) else {}).items()
    }


def _by_template(copies: dict[str, list[Object]]) -> Scheduled:
    found: Scheduled = {}
    for cluster, items in copies.items():
        for item in items:
            found.setdefault(str(ref_of(item)), {})[cluster] = replicas_of(item) or 0
    return found


def _copies(
    state: ResourceState | None, members: list[ClusterFacts], scheduled: Scheduled, *, now: bool
) -> tuple[dict[str, list[Object]], dict[str, Taint]]:
    """Return what each cluster holds of a workload, from its Rollout's inputs, and which clusters a taint keeps out.

    Args:
        state: the Rollout.
        members: the clusters.
        scheduled: where Karmada has put the templates, as far as that is known: there a taint evicts nothing.
        now: the state is what is to come; otherwise it is what was, which `scheduled` is about.
    """
    if state is None:
        return {}, {}
    hidden = isinstance(state.inputs.get("templates"), Secret)
    inputs = reveal(state.inputs)
    rules = state.inputs.get("overrideRules") or []  # what they set may be secret, and stays so in what comes of it
    rules = inputs["overrideRules"] if isinstance(rules, Secret) else rules
    templates = inputs.get("templates") if isinstance(inputs.get("templates"), list) else []
    placement = inputs.get("placement") or {}
    copies: dict[str, list[Object]] = {}
    refused: dict[str, Taint] = {}
    for template in templates or []:
        known = scheduled.get(str(ref_of(template)), {})
        choice = choose(members, placement, before=known)
        given = _shares(template, choice, placement.get("replicaScheduling") or {}, known, now=now)
        refused |= choice.refused
        parts = planned_completions(template, given, divided=divides(placement.get("replicaScheduling") or {}))
        for facts in members:
            if facts.name not in given:
                continue
            share = given[facts.name]
            try:
                item = render(template, facts, replicas=share, rules=rules, completions=parts.get(facts.name))
            except OverrideError:
                if now:
                    raise
                continue  # Karmada has sent it nothing
            copies.setdefault(facts.name, []).append(_hide(item) if hidden else item)
    return copies, refused


def _shares(
    template: Object, choice: Choice, scheduling: Object, known: dict[str, int], *, now: bool
) -> dict[str, int | None]:
    """Return a template's replicas by cluster: Karmada's own division where it stays, what it will be otherwise."""
    replicas, chosen = replicas_of(template), [facts.name for facts in choice.chosen]
    if known and not now:
        return {name: None if replicas is None else count for name, count in known.items()}
    kept = divides(scheduling) and set(known) <= set(chosen) and sum(known.values()) == replicas
    if known and replicas and kept and _as_divided(replicas, chosen, scheduling, known):
        return dict(known)
    return shares(template, chosen, scheduling)


def _as_divided(replicas: int, chosen: list[str], scheduling: Object, known: dict[str, int]) -> bool:
    """Tell whether Karmada may have made a division for these clusters: ties are broken by the template's UID."""
    return any(
        {name: count for name, count in one.items() if count} == {name: count for name, count in known.items() if count}
        for one in divisions(replicas, weights(chosen, scheduling))
    )


def _hide(item: Object) -> Object:
    """Mark what is secret in a template of a workload that holds a Secret."""
    if item["kind"] != "Secret":
        return item
    return {key: Secret(value) if key in ("data", "stringData") else value for key, value in item.items()}


def _copy_plan(cluster: str, old: list[Object] | None, new: list[Object] | None) -> CopyPlan:
    if old is None:
        return CopyPlan(cluster, "new", tuple(_summary(item) for item in new or []))
    if new is None:
        return CopyPlan(cluster, "gone", tuple(str(ref_of(item)) for item in old))
    versions = {identity(item): item["apiVersion"] for item in old}
    olds = {ref_of(item): item for item in in_one_version(old, new)}
    news = {ref_of(item): item for item in new}
    details = []
    for ref in sorted({*olds, *news}):
        if ref not in olds:
            details.append(f"{ref} is added")
        elif ref not in news:
            details.append(f"{ref} is removed")
        else:
            several = f"{ref}: " if len(news) > 1 else ""
            was = versions[identity(news[ref])]
            if was != ref.api_version:
                details.append(f"{several}apiVersion {was} → {ref.api_version}")
            details += [f"{several}{change_text(change)}" for change in compare(olds[ref], news[ref])]
    return CopyPlan(cluster, "changes" if details else "stays", tuple(details))


def _summary(item: Object) -> str:
    replicas = replicas_of(item)
    images = sorted({str(c.get("image")) for c in _containers(item)})
    parts = [str(ref_of(item))]
    if replicas is not None:
        text = f"{replicas} replica{'s' if replicas != 1 else ''}"
        parts.append(f"{text} at first, then the member's own" if owns_replicas(item) else text)
    completions = (item.get("spec") or {}).get("completions") if item["kind"] == "Job" else None
    if completions is not None:
        parts.append(f"{completions} completion{'s' if completions != 1 else ''}")
    return ", ".join(parts + images)


def _containers(item: Object) -> list[Object]:
    spec = item.get("spec") or {}
    return (
        list(((spec.get("template") or {}).get("spec") or spec).get("containers") or [])
        if isinstance(spec, dict)
        else []
    )


def change_text(change: Change) -> str:
    """Say a change in one line, in the words of the object: `replicas 2 → 4`, `image nginx:1.27 → nginx:1.28`."""
    name = _short(change.text)
    if change.old is None:
        return f"{name} = {_value(change.new)}"
    if change.new is None:
        return f"{name} is removed (was {_value(change.old)})"
    return f"{name} {_value(change.old)} → {_value(change.new)}"


def _short(path: str) -> str:
    """Shorten the paths that everybody knows."""
    for long, short in (
        ("spec.template.spec.containers[0].", ""),
        ("spec.template.spec.", "pod "),
        ("metadata.", ""),
        ("spec.", ""),
    ):
        if path.startswith(long):
            return short + path.removeprefix(long)
    return path


def _value(value: Any) -> str:
    shown = mask(value)
    text = shown if isinstance(shown, str) else str(shown)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _objects(steps: list[Step]) -> dict[str, Counter[str]]:
    """Count the changes of Kubernetes objects by the cluster that they are in."""
    counted: dict[str, Counter[str]] = {}
    for step in steps:
        if step.op in CHANGING and step.type.startswith("kubernetes:"):
            counted.setdefault(_cluster_of(step), Counter())[str(step.op)] += 1
    return counted


def _changed(steps: list[Step]) -> dict[str, list[str]]:
    """Say what changes in objects that exist already."""
    told: dict[str, list[str]] = {}
    for step in steps:
        if step.op in (Op.UPDATE, Op.REPLACE) and step.type.startswith("kubernetes:"):
            state = step.new or step.old
            inputs = reveal(state.inputs) if state else {}
            name = str(ref_of(inputs)) if inputs.get("kind") else step.name
            how = "; ".join(change_text(change) for change in step.changes) or "is made ready"
            forced = "is replaced: " if step.op is Op.REPLACE else ""
            told.setdefault(_cluster_of(step), []).append(f"{name}: {forced}{how}")
    return told


def _cluster_of(step: Step) -> str:
    """Return the cluster that an object is in: its provider is named after it."""
    return cluster_of(provider_of(step.provider)) or "?"
