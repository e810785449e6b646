"""The copies of a workload that each cluster gets by a plan: certain ones, and those that only Karmada can decide.

The free capacity of clusters changes all the time, so a plan treats it as unknown: a division by capacity is Karmada's
choice, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from flotilla.counts import counted, range_text
from flotilla.karmada.kinds import GroupKind, goes_by_itself
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.policies import Rules
from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import planned_completions, revises
from flotilla.karmada.scheduling import (
    Bar,
    Certain,
    Choice,
    ClusterFacts,
    Current,
    Decision,
    Refusal,
    Scheduler,
    Why,
    agreed,
    choose,
    decide,
    demand_of,
    divides,
    first_of,
    groups_with,
    replicas_of,
)
from flotilla.karmada.selection import selects
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.found import PARTLY
from flotilla.plan.rollouts import followers_in, templates_in
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import Secret, reveal

Scheduled = dict[str, dict[str, int]]
"""Replicas by cluster, by template (0 for kinds without replicas)."""
_REPORTED_BARS = frozenset({Bar.TAINT, Bar.KIND, Bar.FIELD, Bar.EVICTION, Bar.DELETION})

_REMEDY = (
    "Karmada keeps its present division; it divides again for another number of replicas, another placement or a "
    "WorkloadRebalancer"
)


@dataclass(frozen=True)
class Undecided:
    """A template for which only Karmada knows in which clusters it runs, or with how many replicas."""

    template: str
    candidates: Mapping[str, tuple[int, int]]
    """Minimum and maximum of replicas by cluster; 0 and 0 for kinds without replicas."""
    why: str
    """What decides, in a few words: `free capacity`."""
    replicas: int | None = None
    """The total number of replicas; None for kinds without replicas."""

    def __str__(self) -> str:
        count = f", {counted(self.replicas, 'replica')}" if self.replicas is not None else ""
        what = f"{self.template}{count}"
        open_ = {name: (least, most) for name, (least, most) in self.candidates.items() if least != most}
        shown = [self._shown(name, *bounds) for name, bounds in (open_ or self.candidates).items()]
        if len(shown) == 1:
            return f"{what}: what Karmada gives {shown[0]} depends on {self.why}"
        return f"{what}: Karmada chooses among {', '.join(shown)}: by {self.why}"

    def _shown(self, name: str, least: int, most: int) -> str:
        """Return a cluster's name, with its bounds unless these are obvious (none, or all replicas)."""
        return f"{name} ({range_text(least, most)})" if least or most < (self.replicas or 0) else name


@dataclass
class Copies:
    """The copies of one workload in all clusters."""

    objects: dict[str, list[Object]] = field(default_factory=dict)
    """By cluster; where only Karmada knows, only the clusters that certainly get a copy or have one now."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    """Clusters that the placement chooses but that get no copy, with the reason."""
    passed_over: dict[str, str] = field(default_factory=dict)
    """Clusters that would get a copy if Karmada scheduled again, which nothing causes; with what the user can do."""
    undecided: list[Undecided] = field(default_factory=list)
    standing: Scheduled = field(default_factory=dict)
    """The division that stays, of templates whose replicas only an interpreter of the control plane knows."""
    unplaced: list[str] = field(default_factory=list)
    """Reasons why templates go to no cluster."""

    def places(self) -> dict[str, list[str]]:
        """Return, by template, the clusters that get it or may get it."""
        found: dict[str, list[str]] = {one.template: list(one.candidates) for one in self.undecided}
        for cluster, items in self.objects.items():
            for item in items:
                found.setdefault(str(ref_of(item)), []).append(cluster)
        return found


@dataclass(frozen=True)
class Surroundings:
    """What a plan knows in addition to the workload itself."""

    members: tuple[ClusterFacts, ...]
    scheduler: Scheduler | None = None
    """None where Karmada's version isn't known."""
    uids: Mapping[str, str] = field(default_factory=dict)
    """The UIDs of the templates that exist, by reference: they break ties."""
    interpreted: frozenset[GroupKind] = frozenset()
    """Kinds for which the control plane has custom interpreters."""
    replaced: frozenset[str] = frozenset()
    """Templates that are deleted and created again, by reference: Karmada forgets where they ran."""
    unasked: str = ""
    """Why the control plane was not read although it has Clusters; empty where it was read."""
    changing: frozenset[str] = frozenset()
    """The URNs of the workloads whose propagation policies change."""

    @property
    def version(self) -> Version:
        """Karmada's version; the newest where it isn't known."""
        return self.scheduler.version if self.scheduler else SUPPORTED.newest

    def of(self, members: Iterable[ClusterFacts]) -> Surroundings:
        """Return a copy with other members."""
        return replace(self, members=tuple(members))


def copies_before(state: ResourceState | None, around: Surroundings, scheduled: Scheduled) -> Copies:
    """Return the objects that each cluster has of a workload, from its Rollout before the plan.

    Args:
        state: the Rollout.
        around: what else is known, before the plan.
        scheduled: where Karmada has placed the templates, as far as that is known.
    """
    found = Copies()
    if state is None:
        return found
    declared = _Inputs.of(state, past=True)
    for template in declared.templates:
        asked = declared.of_template(template)
        known = scheduled.get(str(ref_of(template)), {})
        if known:
            replicated = replicas_of(template, around.version) is not None
            shares: Mapping[str, int | None] = known if replicated else dict.fromkeys(known)
        else:
            shares = first_of(_decision(template, asked.placement, around, Current()))
        _render(found, asked, template, shares, around)
    return found


def copies_after(
    state: ResourceState | None,
    around: Surroundings,
    scheduled: Scheduled,
    before: ResourceState | None,
    waiting: Collection[str] = (),
    unchanged: Collection[str] = (),
) -> Copies:
    """Return the objects that each cluster will get of a workload, and the clusters that won't get any.

    Args:
        state: the Rollout after the plan.
        around: what else is known, after the plan.
        scheduled: where Karmada has placed the templates: there a NoSchedule taint evicts nothing.
        before: the Rollout before the plan, whose placement led to this schedule; None where there is none.
        waiting: the templates for which Karmada still uses that placement, by reference.
        unchanged: the templates that stay as they are.
    """
    found = Copies()
    if state is None:
        return found
    declared, former = _Inputs.of(state), _Inputs.of(before) if before else None
    for template in declared.templates:
        ref = str(ref_of(template))
        applied = former.of_template(template).placement if former else None
        asked = declared.of_template(template)
        asked = replace(asked, placement=applied or {}) if ref in waiting else asked
        known = scheduled.get(ref, {}) if ref not in around.replaced else {}
        if goes_by_itself(template):
            every = {one.name for one in around.members}
            choice = choose(around.members, asked.placement, before=every, scheduler=around.scheduler)
            _render(found, asked, template, {one.name: None for one in choice.chosen}, around)
            continue
        standing = ref in unchanged and asked.placement == applied and any(known.values())
        replicas = _standing(template, asked.placement, around, known) if standing else None
        replicated = replicas is not None or replicas_of(template, around.version) is not None
        shares = known if replicated else dict.fromkeys(known)
        decision = _again(template, asked.placement, around, Current(shares, placement=applied), replicas)
        if replicas is not None and isinstance(decision, Certain):
            found.standing[ref] = {name: count or 0 for name, count in decision.shares.items()}
        found.refused |= {
            name: one for name, one in _refused(decision, asked.placement, around).items() if name not in known
        }
        if known and isinstance(decision, Certain):
            found.passed_over |= dict.fromkeys(_passed_over(template, asked.placement, around, decision), _REMEDY)
        _take(found, asked, template, decision, known, around)
    return found


def _passed_over(template: Object, placement: Object, around: Surroundings, decision: Certain) -> list[str]:
    """Return the clusters that a schedule leaves out but a new one would use, such as one that was uncordoned since."""
    if decision.problem or not decision.shares or placement.get("clusterAffinities"):
        return []
    fresh = _decision(template, placement, around, Current())
    if isinstance(fresh, Certain):
        wanted = [name for name, count in fresh.shares.items() if count != 0]
    else:
        wanted = [name for name, (least, _) in fresh.candidates.items() if least]
    return [name for name in wanted if name not in decision.shares]


def copy_of(state: ResourceState | None, template: str, cluster: str, around: Surroundings) -> Object | None:
    """Return what a cluster gets of one template of a workload; None if the workload lacks it or Karmada would fail.

    Args:
        state: the workload's Rollout after the plan.
        template: the reference of a template or of a follower, in `ObjectRef`'s text form; of a kind without replicas.
        cluster: the cluster's name.
        around: what else is known.
    """
    asked = _Inputs.of(state) if state is not None else None
    if asked is None:
        return None
    meant = [one for one in (*asked.templates, *asked.followers) if str(ref_of(one)) == template]
    found = Copies()
    for one in meant:
        with suppress(OverrideError):
            _render(found, asked, one, {cluster: None}, around)
    return next(iter(found.objects.get(cluster, [])), None)


def placed_templates(state: ResourceState) -> Iterator[tuple[Object, Object]]:
    """Yield the templates of a Rollout that a policy places, each with its placement."""
    asked = _Inputs.of(state)
    for template in asked.templates:
        if not goes_by_itself(template):
            yield template, asked.of_template(template).placement


@dataclass(frozen=True)
class _Inputs:
    """The inputs of a Rollout."""

    templates: list[Object]
    placement: Object
    rules: Rules
    hidden: bool
    past: bool = False
    """These are the inputs before the plan."""
    followers: tuple[Object, ...] = ()
    """Objects that no policy selects and that follow the templates."""
    partly: tuple[Object, ...] = ()
    """Propagation policies that differ from the declaration in the cluster, and select only some templates."""

    @classmethod
    def of(cls, state: ResourceState, *, past: bool = False) -> _Inputs:
        inputs = state.plain
        rules = state.inputs.get("overrideRules") or []  # values that they set may be secret, and must stay marked
        rules = inputs["overrideRules"] if isinstance(rules, Secret) else rules
        return cls(
            templates_in(inputs),
            inputs.get("placement") or {},
            Rules(rules if isinstance(rules, list) else []),  # Pulumi's CLI shows a secret value as a text
            isinstance(state.inputs.get("templates"), Secret) or isinstance(state.inputs.get("followers"), Secret),
            past,
            tuple(followers_in(inputs)),
            tuple(state.inputs.get(PARTLY) or ()),
        )

    def of_template(self, template: Object) -> _Inputs:
        """Return the inputs for one of the templates."""
        result = self
        for policy in self.partly:
            if not selects(reveal(policy), template):
                continue
            spec = policy["spec"]
            result = replace(result, placement=reveal(spec.get("placement") or {}))
        return result


def _standing(template: Object, placement: Object, around: Surroundings, known: Mapping[str, int]) -> int | None:
    """Return the replicas of a schedule that stays, where an interpreter determines their number; else None."""
    if not demand_of(template, around.scheduler or Scheduler(), interpreted=around.interpreted).interpreted:
        return None
    return sum(known.values()) if divides(placement) else max(known.values())


def with_uid(template: Object, uids: Mapping[str, str]) -> Object:
    """Return a template with its UID, if that is known by the template's reference: it breaks ties."""
    uid = uids.get(str(ref_of(template)))
    return {**template, "metadata": {**template["metadata"], "uid": uid}} if uid else template


def _decision(
    template: Object, placement: Object, around: Surroundings, current: Current, replicas: int | None = None
) -> Decision:
    """Return what Karmada decides; `replicas` is the number that an interpreter determined, where it is known."""
    demand = demand_of(with_uid(template, around.uids), around.scheduler or Scheduler(), interpreted=around.interpreted)
    if replicas is not None:
        demand = replace(demand, replicas=replicas, interpreted=False)
    return decide(around.members, placement, demand, current=current, scheduler=around.scheduler)


def _again(
    template: Object, placement: Object, around: Surroundings, current: Current, replicas: int | None = None
) -> Decision:
    """Return what Karmada decides for a template that has a schedule, from any group that the schedule may be from."""
    groups = groups_with(placement, current.shares, around.members, around.version) if current.shares else []
    tried = [replace(current, group=group) for group in groups or [""]]
    found = [_decision(template, placement, around, one, replicas) for one in tried]
    return agreed(found, Why.GROUP)


def _refused(decision: Decision, placement: Object, around: Surroundings) -> dict[str, Refusal]:
    """Return the reasons why clusters that the placement chooses get nothing."""
    if decision.refused:
        return {name: one for name, one in decision.refused.items() if one.bar in _REPORTED_BARS}
    choice: Choice = choose(around.members, placement, scheduler=around.scheduler)
    return {name: one for name, one in choice.refusals.items() if one.bar in _REPORTED_BARS}


def _take(
    found: Copies, asked: _Inputs, template: Object, decision: Decision, known: Mapping[str, int], around: Surroundings
) -> None:
    replicas = replicas_of(template, around.version)
    if isinstance(decision, Certain):
        _render(found, asked, template, decision.shares, around)
        found.unplaced += _unplaced(template, decision, known)
        return
    undecided = Undecided(str(ref_of(template)), decision.candidates, decision.why.value, replicas)
    found.undecided.append(undecided)
    shown = {name for name, (least, _) in decision.candidates.items() if least or name in known}
    shares = {name: count for name, count in decision.first.items() if name in shown}
    shares |= {name: known[name] for name in known if name in decision.candidates and name not in shares}
    _render(found, asked, template, shares, around)


def _unplaced(template: Object, decision: Certain, known: Mapping[str, int]) -> list[str]:
    ref = ref_of(template)
    if decision.problem:
        stays = "it stays as it is" if decision.shares else "it will run nowhere"
        return [f"{ref} won't be scheduled: {decision.problem} ({stays})"]
    if not decision.shares and replicas_of(template) == 0:
        gone = f": Karmada deletes it in {', '.join(known)}" if known else ""
        return [f"{ref} has no replicas, and its pods ask for resources or nodes: it goes to no cluster{gone}"]
    return []


def _render(
    found: Copies, asked: _Inputs, template: Object, shares: Mapping[str, int | None], around: Surroundings
) -> None:
    version = around.version
    divided = divides(asked.placement)
    parts = planned_completions(template, shares, divided=divided, version=version)
    writes = revises(divided=divided, version=version)
    for facts in around.members:
        if facts.name not in shares:
            continue
        replicas, part = shares[facts.name] if writes else None, parts.get(facts.name)
        try:
            item = render(template, facts, replicas=replicas, rules=asked.rules, completions=part, version=version)
        except OverrideError:
            if asked.past:
                continue  # Karmada has sent nothing there
            raise
        found.objects.setdefault(facts.name, []).append(_hide(item) if asked.hidden else item)


def _hide(item: Object) -> Object:
    """Mark secret values in a template of a workload that contains a Secret."""
    if item["kind"] != "Secret":
        return item
    return {key: Secret(value) if key in ("data", "stringData") else value for key, value in item.items()}


def scheduled_of(state: ResourceState | None, members: Iterable[ClusterFacts]) -> Scheduled:
    """Return where Karmada had placed each template when its rollout was checked last."""
    known = {facts.name for facts in members}
    found = reveal(state.outputs).get("scheduled") if state else None
    return {
        template: {name: int(count) for name, count in shares.items() if name in known}
        for template, shares in (found if isinstance(found, dict) else {}).items()
    }


def by_template(copies: dict[str, list[Object]]) -> Scheduled:
    """Return the clusters and replicas of copies, by template."""
    found: Scheduled = {}
    for cluster, items in copies.items():
        for item in items:
            found.setdefault(str(ref_of(item)), {})[cluster] = replicas_of(item) or 0
    return found
