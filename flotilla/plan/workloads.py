"""The plan of each workload, cluster by cluster, and the objects that each cluster gets of all workloads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flotilla.karmada.rendering.reach import Notice
from flotilla.karmada.scheduling import ClusterFacts, Refusal
from flotilla.karmada.status.judgements import suspends
from flotilla.kube.objects import Object
from flotilla.plan.caveats import caveats_of, hidden_verb, lazily, unchanged, waits
from flotilla.plan.changes import CopyPlan, copy_plan
from flotilla.plan.coming import Coming, Sending, coming_copies
from flotilla.plan.copies import (
    Copies,
    Surroundings,
    Undecided,
    by_template,
    copies_after,
    copies_before,
    scheduled_of,
)
from flotilla.plan.followers import (
    Followed,
    Follower,
    Knowledge,
    Orders,
    followers_of,
    following_copies,
    kept_by,
    with_kept,
)
from flotilla.plan.following import ByCluster, followed_copies, together
from flotilla.plan.moves import Moved, Side, not_idempotent, with_moves
from flotilla.plan.notices import notices_of
from flotilla.plan.notices import to_json as notice_json
from flotilla.plan.policies import PolicyPlan, doubled
from flotilla.plan.rollouts import templates_in
from flotilla.plan.shifts import Shift, shifts
from flotilla.plan.steps import Op, Step
from flotilla.plan.waves import RolloutPlan
from flotilla.state.checkpoint import ResourceState


@dataclass(frozen=True)
class Unscheduled:
    """A cluster that the placement chooses, but to which Karmada won't schedule the workload."""

    cluster: str
    taint: str = ""
    """The taint that the workload doesn't tolerate, as kubectl writes it: key=value:effect."""
    reason: str = ""
    """Any other reason: a kind that the cluster doesn't serve, a field that its Cluster doesn't have."""

    @classmethod
    def by(cls, cluster: str, refusal: Refusal) -> Unscheduled:
        """Return a cluster with the reason of a refusal."""
        return cls(cluster, str(refusal.taint)) if refusal.taint else cls(cluster, reason=str(refusal))

    def __str__(self) -> str:
        return f"taint {self.taint}" if self.taint else self.reason

    def to_json(self) -> dict[str, str]:
        """Return the cluster in its JSON form."""
        return {"name": self.cluster, "taint": self.taint, **({"reason": self.reason} if self.reason else {})}


@dataclass(frozen=True)
class WorkloadPlan:
    """The plan of a workload, cluster by cluster."""

    name: str
    verb: str
    copies: tuple[CopyPlan, ...]
    problem: str = ""
    origin: str = ""
    """Its former name or the objects that it takes over, if any: `formerly shop`."""
    question: str = ""
    """A question that the user must answer before this is done."""
    unscheduled: tuple[Unscheduled, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    """Templates for which only Karmada knows the clusters, or the number of replicas."""
    unplaced: tuple[str, ...] = ()
    """Reasons why templates go to no cluster."""
    notices: tuple[Notice, ...] = ()
    """Notices about its overrides, replicas and Jobs, for the user to read before `up`."""
    after: tuple[str, ...] = ()
    """The workloads whose rollouts come first."""
    policies: tuple[PolicyPlan, ...] = ()
    """Its policies, if they are in more than one place."""
    follows: tuple[Follower, ...] = ()
    """The objects that follow its templates (`dependencies: true`) to clusters to which their own policies don't."""
    declared: bool = True
    """The stack still has the workload after the plan."""
    rollout: RolloutPlan | None = None
    """The waves in which it changes; None where it changes at once, or not at all."""
    shifts: tuple[Shift, ...] = ()
    """The templates whose replicas change in some clusters."""

    @property
    def kept(self) -> tuple[str, ...]:
        """The clusters that keep their copies (`onRemoval: keep`) although the workload leaves them."""
        return tuple(copy.cluster for copy in self.copies if copy.kept)

    def to_json(self) -> dict[str, Any]:
        """Return the plan in its JSON form."""
        return {
            "name": self.name,
            "verb": self.verb,
            **({"origin": self.origin} if self.origin else {}),
            **({"question": self.question} if self.question else {}),
            **({"after": list(self.after)} if self.after else {}),
            **({"policies": [policy.to_json() for policy in self.policies]} if self.policies else {}),
            "clusters": [
                {"name": c.cluster, "verb": c.verb, "details": list(c.details), **({"kept": True} if c.kept else {})}
                for c in self.copies
            ],
            "unscheduled": [one.to_json() for one in self.unscheduled],
            **({"undecided": [_undecided(one) for one in self.undecided]} if self.undecided else {}),
            **({"unplaced": list(self.unplaced)} if self.unplaced else {}),
            **({"notices": [notice_json(notice) for notice in self.notices]} if self.notices else {}),
            **({"follows": [one.to_json() for one in self.follows]} if self.follows else {}),
            **({"rollout": self.rollout.to_json()} if self.rollout else {}),
        }


@dataclass(frozen=True)
class Following:
    """The knowledge from which the followers of workloads are computed."""

    orders: Orders
    known: Knowledge


def workload_plans(
    steps: list[Step],
    before: list[ClusterFacts],
    around: Surroundings,
    kept: frozenset[str],
    names: Mapping[str, str],
    following: Following,
) -> tuple[list[WorkloadPlan], dict[str, list[Object]], tuple[Coming, ...]]:
    """Return the workloads' plans, the objects that each cluster gets, and those of them that are new to the cluster.

    `names` has the new names of renamed members, by former name: their copies pass to the new name.
    """
    plans: list[WorkloadPlan] = []
    read: dict[str, _Read] = {}
    everything = templates_of(steps)
    for step in steps:
        name = step.name.removesuffix("-rollout")
        try:
            read[name] = _read(name, step, before, around, kept, names, everything)
        except ValueError as error:
            plans.append(WorkloadPlan(name, "changes", (), str(error)))
    rendered: dict[str, list[Object]] = {}
    _add(rendered, (one.coming.objects for one in read.values()))
    coming = {name: one.coming for name, one in read.items()}
    followed = followers_of(
        steps, {name: one.present for name, one in read.items()}, coming, following.orders, following.known
    )
    kept_there = kept_by(followed)
    for moved in with_moves([one.side for one in read.values()]):
        if not moved.absorbed:
            more = followed.get(moved.name, Followed())
            plans.append(_whole_plan(moved, read[moved.name], more, kept_there, around.replaced))
    states = [state for step in steps if (state := step.after) is not None]
    along = following_copies(states, followed, around)
    _add(rendered, [along])
    there = (*(one.present for one in read.values()), *(one.followed_before for one in read.values()))
    sent = Sending(there, coming, followed, (along, *(one.followed_after for one in read.values())))
    return sorted(plans, key=lambda plan: plan.name), rendered, coming_copies(steps, following.orders, sent)


@dataclass(frozen=True)
class _Read:
    """One workload's copies, before and after."""

    step: Step
    side: Side
    present: Mapping[str, list[Object]]
    """Its present copies, by the members' new names."""
    coming: Copies
    followed_before: ByCluster
    """The present copies of the followers of its templates."""
    followed_after: ByCluster
    sending: _Sending
    notices: tuple[Notice, ...]


def _read(
    name: str,
    step: Step,
    before: list[ClusterFacts],
    around: Surroundings,
    kept: frozenset[str],
    names: Mapping[str, str],
    everything: list[Object],
) -> _Read:
    """Compute the copies of a workload from its step.

    Raises:
        ValueError: the copies can't be computed.
    """
    former = step.old.plain.get("workload") if step.old and step.op is not Op.CREATE else ""
    old, new = step.before, step.after
    scheduled = scheduled_of(old, before)
    copies = copies_before(old, around.of(before), scheduled).objects
    behind = followed_copies(old, copies, around.of(before))
    present, followed_before = (
        {names.get(cluster, cluster): objects for cluster, objects in side.items()} for side in (copies, behind)
    )
    waiting = lazily(old, new, around.changing)
    now = scheduled or by_template(present)
    coming = copies_after(new, around, now, old, waiting, unchanged(old, new))
    asked = _inputs(new)
    was = (old.plain.get("suspension") or {}) if old else {}
    keeps = step.old is not None and step.old.parent in kept
    return _Read(
        step,
        Side(name, str(former or ""), present, coming.objects, _not_idempotent(new)),
        present,
        coming,
        followed_before,
        followed_copies(new, coming.objects, around),
        _Sending(was if waiting else asked.get("suspension") or {}, was, keeps, hidden_verb(step)),
        (
            *caveats_of(step, around.unasked, sorted(waiting)),
            *notices_of(asked, coming.places(), around.members, everything, around.version),
        ),
    )


def _add(rendered: dict[str, list[Object]], more: Iterable[Mapping[str, list[Object]]]) -> None:
    """Add the objects that each cluster gets."""
    for copies in more:
        for cluster, objects in copies.items():
            rendered.setdefault(cluster, []).extend(objects)


def _whole_plan(
    moved: Moved, read: _Read, more: Followed, kept_there: Mapping[tuple[str, str], str], replaced: Collection[str]
) -> WorkloadPlan:
    """Return a workload's plan, including the followers of its templates."""
    whole = replace(moved, old=together(moved.old, read.followed_before), new=together(moved.new, read.followed_after))
    plan = _workload_plan(whole, read.coming, read.sending, replaced)
    shown = with_kept(plan.copies, whole.old, whole.new, kept_there)
    said = (*read.notices, *waits(read.step, plan.verb, read.notices), *more.notices)
    still = read.step.after is not None
    return replace(plan, copies=shown, notices=said, follows=more.followers, declared=still)


def with_surroundings(
    plans: list[WorkloadPlan], rollouts: list[Step], policies: Mapping[str, tuple[PolicyPlan, ...]]
) -> list[WorkloadPlan]:
    """Add to the workloads' plans the workloads that come first, and their policies (by the URN of the workload)."""
    found = {step.name.removesuffix("-rollout"): step for step in rollouts}
    result = []
    for plan in plans:
        step = found[plan.name]
        state, new = step.new or step.old, step.after
        after = new.plain.get("after") if new else None
        listed = policies.get(state.parent, ()) if state else ()
        question = plan.question or (doubled(listed) if _not_idempotent(new) else "")
        order = tuple(map(str, after)) if isinstance(after, list) else ()
        result.append(replace(plan, after=order, policies=listed, question=question))
    return result


def templates_of(rollouts: list[Step]) -> list[Object]:
    """Return the templates of all workloads after the plan."""
    return [t for step in rollouts if step.after for t in templates_in(step.after.plain)]


def _inputs(rollout: ResourceState | None) -> Object:
    """Return a Rollout's inputs; templates that aren't known yet are left out."""
    found = rollout.plain if rollout else {}
    return found if isinstance(found.get("templates"), list) else {}


def _not_idempotent(rollout: ResourceState | None) -> bool:
    """Return whether override policies of two names would add something twice; for hidden overrides this is true."""
    rules = rollout.plain.get("overrideRules") if rollout else None
    return not_idempotent(rules) if isinstance(rules, list) else bool(rules)


@dataclass(frozen=True)
class _Sending:
    """How a workload's policy sends and removes copies."""

    suspension: Object
    before: Object
    keeps: bool
    hidden: str = ""
    """What happens to a workload whose objects the engine hides; empty where they are shown."""


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
        shifts=shifts(moved.old, moved.new, coming.undecided),
    )


def _undecided(one: Undecided) -> dict[str, Any]:
    candidates = [{"name": n, "least": low, "most": high} for n, (low, high) in one.candidates.items()]
    return {"template": one.template, "why": one.why, "replicas": one.replicas, "candidates": candidates}
