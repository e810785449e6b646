"""A plan in the fleet's own words: which cluster joins or leaves, what each workload's copy in each cluster becomes.

It is read from the steps alone, of whichever engine: a Rollout step carries the templates, the placement and the
overrides, old and new, corrected by the steps of these objects themselves (flotilla.plan.found); a Cluster step what
placements ask about. So the plan shows what will be done, not what a
second look at the configuration would guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flotilla.karmada.kinds import kind_of
from flotilla.karmada.names import cluster_of
from flotilla.karmada.rendering.reach import Notice
from flotilla.karmada.scheduling import ClusterFacts, Refusal, Scheduler, Taint, facts_of
from flotilla.karmada.status.expected import unready_reason
from flotilla.karmada.status.judgements import suspends
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.caveats import caveats_of, changing_policies, hidden_verb, lazily, unchanged, waits
from flotilla.plan.changes import CopyPlan, change_text, copy_plan
from flotilla.plan.control_plane import ObjectPlan, own_objects
from flotilla.plan.copies import (
    Copies,
    Surroundings,
    Undecided,
    by_template,
    copies_after,
    copies_before,
    interpreted_kinds,
    scheduled_of,
    with_kinds,
)
from flotilla.plan.followers import (
    Followed,
    Follower,
    Knowledge,
    Orders,
    followers_of,
    following_copies,
    kept_by,
    orders_of,
    with_kept,
)
from flotilla.plan.found import as_found, keeping, replaced_templates
from flotilla.plan.moves import Moved, Side, adds_words, with_moves
from flotilla.plan.notices import notices_of
from flotilla.plan.notices import to_json as notice_json
from flotilla.plan.policies import PolicyPlan, doubled, policies_of
from flotilla.plan.renames import Renamed, present_names, refused_renames, renamed_members
from flotilla.plan.rollouts import ROLLOUT_TYPE
from flotilla.plan.steps import CHANGING, GOING, Op, Result, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.urns import provider_of
from flotilla.state.values import mask, reveal

CLUSTER_TYPE = "kubernetes:cluster.karmada.io/v1alpha1:Cluster"


@dataclass(frozen=True)
class ClusterPlan:
    """What happens to a member."""

    name: str
    verb: str
    """joins, leaves, changes or stays."""
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unscheduled:
    """A cluster that the placement chooses, and that Karmada won't schedule the workload to."""

    cluster: str
    taint: str = ""
    """The taint that the workload doesn't tolerate, as kubectl writes it: key=value:effect."""
    reason: str = ""
    """What else keeps it out: a kind that the cluster doesn't serve, a field that its Cluster doesn't have."""

    @classmethod
    def by(cls, cluster: str, refusal: Refusal) -> Unscheduled:
        """Return a cluster with what keeps a workload out."""
        return cls(cluster, str(refusal.taint)) if refusal.taint else cls(cluster, reason=str(refusal))

    def __str__(self) -> str:
        return f"taint {self.taint}" if self.taint else self.reason

    def to_json(self) -> dict[str, str]:
        """Return it for machines."""
        return {"name": self.cluster, "taint": self.taint, **({"reason": self.reason} if self.reason else {})}


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
    undecided: tuple[Undecided, ...] = ()
    """Where only Karmada knows which clusters get it, or how many replicas."""
    unplaced: tuple[str, ...] = ()
    """Why templates go to no cluster."""
    notices: tuple[Notice, ...] = ()
    """What is to be known of its overrides, replicas and Jobs before it is applied."""
    after: tuple[str, ...] = ()
    """The workloads whose rollouts come first."""
    policies: tuple[PolicyPlan, ...] = ()
    """Its policies, where they are in more than one place."""
    follows: tuple[Follower, ...] = ()
    """The objects that follow its templates (`dependencies: true`), beyond where their own policies send them."""


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
    control_plane: tuple[ObjectPlan, ...] = ()
    """The objects of the control plane itself."""

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
                    **({"after": list(w.after)} if w.after else {}),
                    **({"policies": [policy.to_json() for policy in w.policies]} if w.policies else {}),
                    "clusters": [{"name": c.cluster, "verb": c.verb, "details": list(c.details)} for c in w.copies],
                    "unscheduled": [u.to_json() for u in w.unscheduled],
                    **({"undecided": [_undecided(u) for u in w.undecided]} if w.undecided else {}),
                    **({"unplaced": list(w.unplaced)} if w.unplaced else {}),
                    **({"notices": [notice_json(notice) for notice in w.notices]} if w.notices else {}),
                    **({"follows": [one.to_json() for one in w.follows]} if w.follows else {}),
                }
                for w in self.workloads
            ],
            **({"controlPlane": [one.to_json() for one in self.control_plane]} if self.control_plane else {}),
            **({"refusals": list(self.refusals)} if self.refusals else {}),
            "changed": dict(sorted(self.changed.items())),
            "objects": {name: dict(sorted(counter.items())) for name, counter in sorted(self.objects.items())},
        }


def _undecided(one: Undecided) -> dict[str, Any]:
    candidates = [{"name": n, "least": low, "most": high} for n, (low, high) in one.candidates.items()]
    return {"template": one.template, "why": one.why, "replicas": one.replicas, "candidates": candidates}


def fleet_plan(result: Result, *, version: str | None = None) -> FleetPlan:
    """Read a plan from the steps of a preview, or of what was done.

    Args:
        result: the steps.
        version: Karmada's, such as 1.18.2; where it isn't known, only what every supported version does is certain.
    """
    # What is independent runs side by side, in an order that nobody chose: a plan has the same one every time.
    ordered = sorted(result.steps, key=lambda step: (step.name, step.urn, step.op))
    steps = as_found([step for step in ordered if step.op is not Op.REPLACE])
    before = _facts(steps, "old", result.clusters)
    after = _facts(steps, "new", result.clusters)
    renamed = renamed_members([step for step in steps if step.type == CLUSTER_TYPE])
    anew = _anew(steps)
    clusters = tuple(_cluster_plan(step, anew, renamed) for step in steps if _tells_of_cluster(step, anew))
    rollouts = [step for step in steps if step.type == ROLLOUT_TYPE]
    interpreters = [*result.interpreters, *(reveal(s.inputs) for step in steps if (s := step.new or step.old))]
    kinds = [kind_of(one) for one in _templates(rollouts)]
    around = Surroundings(
        tuple(with_kinds(after, _templates(rollouts))),
        Scheduler(Version.parse(version)) if version else None,
        _uids(steps),
        interpreted_kinds(interpreters, asked=kinds),
        replaced_templates(steps),
        unasked=result.unasked if any(s.old and s.type == CLUSTER_TYPE and s.op not in GOING for s in steps) else "",
        changing=changing_policies(steps),
    )
    kept = keeping(steps)
    standing = [facts for facts in before if facts.name not in anew]
    following = _Following(
        orders_of(steps),
        Knowledge(
            result.absent,
            interpreted_kinds(interpreters, "dependencyInterpretation", asked=kinds),
            around.version,
        ),
    )
    workloads, rendered = _workloads(rollouts, standing, around, kept, present_names(renamed), following)
    return FleetPlan(
        clusters,
        tuple(_with_surroundings(workloads, rollouts, policies_of(steps))),
        _objects(steps),
        _changed(ordered),
        rendered,
        refused_renames(renamed),
        own_objects(ordered),
    )


def _facts(steps: list[Step], side: str, clusters: dict[str, Object]) -> list[ClusterFacts]:
    """Return the members before or after, as placements see them.

    Args:
        steps: the plan's.
        side: old or new.
        clusters: the control plane's Clusters, by name, as far as they are known.
    """
    found = []
    for step in steps:
        if step.type == CLUSTER_TYPE:
            state = _side(step, side)
            if state is not None:
                facts = facts_of(reveal(state.inputs))
                live = (clusters.get(facts.name) or reveal(step.old.outputs)) if step.old else {}
                served = facts_of({**reveal(state.inputs), "status": _status(live)}).served
                taints = facts.taints + (_taints_of_others(step.old, live) if step.old else ())
                found.append(replace(facts, taints=taints, served=served))
    # A Cluster that is replaced has two steps.
    return sorted({facts.name: facts for facts in found}.values(), key=lambda facts: facts.name)


def _status(live: Object) -> Object:
    found = live.get("status")
    return found if isinstance(found, dict) else {}


def _templates(rollouts: list[Step]) -> list[Object]:
    """Return the templates of all workloads as they are to be."""
    return [template for step in rollouts for template in _inputs(_side(step, "new")).get("templates") or []]


def _uids(steps: list[Step]) -> dict[str, str]:
    """Return the UIDs of the objects that exist and stay, by their reference."""
    found = {}
    for step in steps:
        if step.old and step.op in (Op.SAME, Op.UPDATE) and step.type.startswith("kubernetes:"):
            live = reveal(step.old.outputs)
            uid = (live.get("metadata") or {}).get("uid") if isinstance(live, dict) else None
            if uid and live.get("kind"):
                found[str(ref_of(live))] = str(uid)
    return found


def _taints_of_others(state: ResourceState, live: Object) -> tuple[Taint, ...]:
    """Return the taints that a Cluster has beyond the declared ones: a cordon, for one.

    Karmada takes its own taints off again once the cluster is Ready.
    """
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


def _anew(steps: list[Step]) -> dict[str, str]:
    """Return which members are another cluster than before under the same name, with the UID of the one before."""
    clusters = [step for step in steps if step.type == CLUSTER_TYPE]
    made = {_member_of(step) for step in clusters if step.op is Op.CREATE_REPLACEMENT}
    return {
        _member_of(step): str((reveal(step.old.inputs).get("spec") or {}).get("id"))
        for step in clusters
        if step.op is Op.DELETE_REPLACED and step.old and _member_of(step) in made
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
        former = [one.text for one in renamed if one.name == name]
        where = f"{str(spec.get('syncMode', '')).lower()} mode, at {spec.get('apiEndpoint')}"
        return ClusterPlan(name, "joins", (*former, where))
    if step.op in GOING:
        now = next((one.name for one in renamed if one.former == name and one.keeps_copies), "")
        return ClusterPlan(name, "leaves", (f"it is {now} now" if now else "its workloads are removed first",))
    if step.op is Op.UPDATE:
        # What it is waited for follows from its mode, and says nothing of its own.
        shown = [c for c in step.changes if "pulumi.com/waitFor" not in c.path]
        return ClusterPlan(name, "changes", tuple(change_text(c) for c in shown))
    return ClusterPlan(name, "stays")


def _workloads(
    steps: list[Step],
    before: list[ClusterFacts],
    around: Surroundings,
    kept: frozenset[str],
    names: Mapping[str, str],
    following: _Following,
) -> tuple[list[WorkloadPlan], dict[str, list[Object]]]:
    """Return the workloads' plans, and what each cluster gets of all of them.

    `names` has the present name of members that had another one: what they had before is theirs.
    """
    plans, sides = [], []
    coming: dict[str, Copies] = {}
    rendered: dict[str, list[Object]] = {}
    notices: dict[str, tuple[Notice, ...]] = {}
    sending: dict[str, _Sending] = {}
    held: dict[str, Mapping[str, list[Object]]] = {}
    everything = _templates(steps)
    for step in steps:
        name = step.name.removesuffix("-rollout")
        former = reveal(step.old.inputs).get("workload") if step.old and step.op is not Op.CREATE else ""
        old, new = _side(step, "old"), _side(step, "new")
        try:
            scheduled = scheduled_of(old, before)
            copies = copies_before(old, around.of(before), scheduled).objects
            olds = {names.get(cluster, cluster): objects for cluster, objects in copies.items()}
            waiting = lazily(old, new, around.changing)
            now = scheduled or by_template(olds)
            found = copies_after(new, around, now, old, waiting, unchanged(old, new))
        except ValueError as error:
            plans.append(WorkloadPlan(name, "changes", (), str(error)))
            continue
        coming[name], held[name] = found, olds
        asked = _inputs(new)
        keeps = step.old is not None and step.old.parent in kept
        was = (reveal(old.inputs).get("suspension") or {}) if old else {}
        suspension = was if waiting else asked.get("suspension") or {}
        sending[name] = _Sending(suspension, was, keeps, hidden_verb(step))
        notices[name] = (
            *caveats_of(step, around.unasked, sorted(waiting)),
            *notices_of(asked, found.places(), around.members, everything, around.version),
        )
        sides.append(Side(name, str(former or ""), olds, found.objects, _adds_words(new)))
        for cluster, items in found.objects.items():
            rendered.setdefault(cluster, []).extend(mask(item) for item in items)
    own = {step.name.removesuffix("-rollout"): step for step in steps}
    followed = followers_of(steps, held, coming, following.orders, following.known)
    kept_there = kept_by(followed)
    for moved in with_moves(sides):
        if not moved.absorbed:
            name = moved.name
            plan = _workload_plan(moved, coming[name], sending[name], around.replaced)
            more = followed.get(name, Followed())
            shown = with_kept(plan.copies, moved.old, moved.new, kept_there)
            said = (*notices[name], *waits(own[name], plan.verb, notices[name]), *more.notices)
            plans.append(replace(plan, copies=shown, notices=said, follows=more.followers))
    states = [state for step in steps if (state := _side(step, "new")) is not None]
    for cluster, items in following_copies(states, followed, around).items():
        rendered.setdefault(cluster, []).extend(mask(item) for item in items)
    return sorted(plans, key=lambda plan: plan.name), rendered


def _with_surroundings(
    plans: list[WorkloadPlan], rollouts: list[Step], policies: Mapping[str, tuple[PolicyPlan, ...]]
) -> list[WorkloadPlan]:
    """Add to the workloads' plans what they come after, and their policies (by the URN of the workload)."""
    found = {step.name.removesuffix("-rollout"): step for step in rollouts}
    result = []
    for plan in plans:
        step = found[plan.name]
        state, new = step.new or step.old, _side(step, "new")
        after = reveal(new.inputs).get("after") if new else None
        listed = policies.get(state.parent, ()) if state else ()
        question = plan.question or (doubled(listed) if _adds_words(new) else "")
        order = tuple(map(str, after)) if isinstance(after, list) else ()
        result.append(replace(plan, after=order, policies=listed, question=question))
    return result


def _inputs(rollout: ResourceState | None) -> Object:
    """Return a Rollout's inputs; templates that aren't known yet are left out."""
    found = reveal(rollout.inputs) if rollout else {}
    return found if isinstance(found.get("templates"), list) else {}


def _adds_words(rollout: ResourceState | None) -> bool:
    """Tell whether overrides of two names would add something twice; those that Pulumi's CLI hides may."""
    rules = reveal(rollout.inputs).get("overrideRules") if rollout else None
    return adds_words(rules) if isinstance(rules, list) else bool(rules)


@dataclass(frozen=True)
class _Following:
    """What says which objects follow workloads."""

    orders: Orders
    known: Knowledge


@dataclass(frozen=True)
class _Sending:
    """What a workload's policy says of sending and removing copies."""

    suspension: Object
    before: Object
    keeps: bool
    hidden: str = ""
    """What happens to a workload of which the engine hides everything; empty where it is shown."""


def _workload_plan(moved: Moved, coming: Copies, sending: _Sending, replaced: Collection[str]) -> WorkloadPlan:
    copies = tuple(
        copy_plan(
            cluster,
            moved.old.get(cluster),
            moved.new.get(cluster),
            coming.undecided,
            replaced,
            coming.standing,
            keeps=sending.keeps,
            suspended=suspends(sending.suspension, cluster),
            was_suspended=suspends(sending.before, cluster),
        )
        for cluster in sorted({*moved.old, *moved.new})
    )
    verbs = {copy.verb for copy in copies} or ({"new"} if coming.undecided else set())
    verb = "stays" if verbs <= {"stays"} else verbs.pop() if len(verbs) == 1 else "changes"
    verb = sending.hidden or verb
    return WorkloadPlan(
        moved.name,
        verb,
        copies,
        origin=moved.origin,
        question=moved.question,
        unscheduled=(
            *(Unscheduled.by(cluster, refusal) for cluster, refusal in sorted(coming.refused.items())),
            *(Unscheduled(name, reason=why) for name, why in sorted(coming.passed_over.items())),
        ),
        undecided=tuple(coming.undecided),
        unplaced=tuple(coming.unplaced),
    )


def _objects(steps: list[Step]) -> dict[str, Counter[str]]:
    """Count the changes of Kubernetes objects by the cluster that they are in."""
    counted: dict[str, Counter[str]] = {}
    for step in steps:
        if step.op in CHANGING and step.type.startswith("kubernetes:"):
            counted.setdefault(_cluster_of(step), Counter())[str(step.op)] += 1
    return counted


def _changed(steps: list[Step]) -> dict[str, list[str]]:
    """Say what changes in objects that exist already."""
    texts: dict[str, list[str]] = {}
    for step in steps:
        if step.op in (Op.UPDATE, Op.REPLACE) and step.type.startswith("kubernetes:"):
            state = step.new or step.old
            inputs = reveal(state.inputs) if state else {}
            name = str(ref_of(inputs)) if inputs.get("kind") else step.name
            how = "; ".join(change_text(change) for change in step.changes) or "is made ready"
            forced = "is replaced: " if step.op is Op.REPLACE else ""
            texts.setdefault(_cluster_of(step), []).append(f"{name}: {forced}{how}")
    return texts


def _cluster_of(step: Step) -> str:
    """Return the cluster that an object is in: its provider is named after it."""
    return cluster_of(provider_of(step.provider)) or "?"
