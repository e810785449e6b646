"""The followers of workloads: objects that Karmada's dependency distribution (`dependencies: true`) also propagates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from flotilla.karmada.dependencies import Following, Reference, Sender, following, references_of
from flotilla.karmada.kinds import GroupKind
from flotilla.karmada.rendering.reach import Notice
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.plan.changes import CopyPlan
from flotilla.plan.contents import ROLLOUT_TYPE, with_contents
from flotilla.plan.copies import Copies, Surroundings, by_template, copy_of
from flotilla.plan.rollouts import templates_in
from flotilla.plan.steps import GOING, Op, Step
from flotilla.state.checkpoint import ResourceState

UNCERTAIN = "uncertain"
"""The conflict resolution of a dependency whose two users have policies that differ in it, before 1.16."""
Orders = Mapping[str, tuple[Object, Object]]
"""The specs of workloads' propagation policies, before and after, by the workloads' URNs; empty without policies."""


class Dependencies(StrEnum):
    """The kinds of notices about a workload's dependencies."""

    MISSING = "dependency-missing"
    """An object that would follow is neither in the stack nor in the control plane."""
    INTERPRETED = "dependencies-interpreted"
    """An interpreter of the control plane decides what follows."""


@dataclass(frozen=True)
class Follower:
    """An object that Karmada sends to clusters because a workload's templates use it, not because of its own policy."""

    object: str
    templates: tuple[str, ...]
    """The workload's templates that use it."""
    clusters: Mapping[str, str]
    """By cluster: `new`, `stays`, `gone`, or `may` where only Karmada knows whether a template goes there."""
    conflict_resolution: str = ""
    """Abort, Overwrite or `uncertain`; empty where the object's own policy decides."""
    kept: bool | None = False
    """Whether its copy stays in clusters where nothing uses it any more (`onRemoval: keep` of its former users); None
    where this depends on which user Karmada has processed last."""

    def to_json(self) -> dict[str, Any]:
        """Return the follower in its JSON form."""
        return {
            "object": self.object,
            "templates": list(self.templates),
            "clusters": [{"name": name, "verb": verb} for name, verb in sorted(self.clusters.items())],
            **({"conflictResolution": self.conflict_resolution} if self.conflict_resolution else {}),
            **({"kept": self.kept} if self.kept is not False and "gone" in self.clusters.values() else {}),
        }

    def text(self, cluster: str) -> str:
        """Describe in a line what happens to it in a cluster."""
        users = ", ".join(self.templates)
        match self.clusters[cluster]:
            case "gone":
                return f"{self.object} no longer follows {users}" + _KEPT[self.kept]
            case "may":
                return f"{self.object} follows, if Karmada puts {users} there"
        return f"{self.object} follows {users}" + _RESOLUTIONS[self.conflict_resolution]


_KEPT = {
    False: "",
    True: "; its copy stays (onRemoval: keep)",
    None: "; whether its copy stays depends on which of their policies Karmada has processed last",
}
_RESOLUTIONS = {
    "": "",
    "Abort": "",
    "Overwrite": ", and takes over an existing object (Overwrite)",
    UNCERTAIN: "; whether it takes over an existing object depends on which of their policies Karmada processes last",
}


@dataclass(frozen=True)
class Followed:
    """The followers of one workload, with notices about them."""

    followers: tuple[Follower, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass
class _Side:
    """All workloads, before or after a plan."""

    senders: dict[str, list[Sender]] = field(default_factory=dict)
    """By workload."""
    own: dict[str, frozenset[str]] = field(default_factory=dict)
    """The clusters of templates by their own policies, by template."""
    found: dict[str, Following] = field(default_factory=dict)
    """By object."""


def orders_of(steps: Iterable[Step]) -> Orders:
    """Return the specs of workloads' propagation policies, before and after."""
    found: dict[str, tuple[Object, Object]] = {}
    for step in steps:
        state = step.new or step.old
        if state is None or not state.parent or not step.type.endswith("PropagationPolicy"):
            continue
        old, new = found.get(state.parent, ({}, {}))
        before = {} if step.op in (Op.CREATE, Op.CREATE_REPLACEMENT) else _spec(step.old)
        after = {} if step.op in GOING else _spec(step.new or step.old)
        found[state.parent] = (before or old, after or new)
    return found


def undeclared(steps: Iterable[Step]) -> list[ObjectRef]:
    """Return objects that would follow workloads but that no step declares; the control plane may have them."""
    listed = list(steps)
    orders, declared, wanted = orders_of(listed), set(), set()
    if not any(new.get("propagateDeps") for _, new in orders.values()):
        return []
    listed = with_contents(listed)
    for step in listed:
        if step.op in GOING or (state := step.new or step.old) is None:
            continue
        if step.type.startswith("kubernetes:"):
            inputs = state.plain
            if isinstance(inputs, dict) and inputs.get("kind") and isinstance(inputs.get("metadata"), dict):
                declared.add(ref_of(inputs))
        elif step.type == ROLLOUT_TYPE and orders.get(state.parent or "", ({}, {}))[1].get("propagateDeps"):
            for template in templates_in(state.plain):
                wanted |= {one.ref for one in references_of(template) or () if one.name}
    return sorted(wanted - declared)


@dataclass(frozen=True)
class Knowledge:
    """What a plan knows in addition to the workloads."""

    missing: Collection[ObjectRef] = ()
    """Objects that are neither in the stack nor in the control plane."""
    interpreted: Collection[GroupKind] = ()
    """Kinds whose dependencies an interpreter of the control plane reads."""
    version: Version = SUPPORTED.newest
    """Karmada's version."""

    def references(self, template: Object) -> tuple[Reference, ...] | None:
        """Return the references of a template; None where an interpreter determines them."""
        return references_of(template, self.version, self.interpreted)


def followers_of(
    rollouts: Iterable[Step],
    before: Mapping[str, Mapping[str, list[Object]]],
    after: Mapping[str, Copies],
    orders: Orders,
    knowledge: Knowledge | None = None,
) -> dict[str, Followed]:
    """Return, by workload, what follows its templates, with notices.

    Args:
        rollouts: the workloads' Rollouts.
        before: by workload, the copies that clusters have.
        after: by workload, the copies that clusters will have.
        orders: the workloads' policies.
        knowledge: what is known in addition.
    """
    known = knowledge or Knowledge()
    old, new = _Side(), _Side()
    notices: dict[str, tuple[Notice, ...]] = {}
    for step in rollouts:
        name = step.name.removesuffix("-rollout")
        state = step.new or step.old
        was, now = orders.get((state and state.parent) or "", ({}, {}))
        there = _there(before.get(name, {}))
        old.own |= there
        if was.get("propagateDeps") and step.old is not None:
            old.senders[name] = [
                Sender.of(ref_of(one), known.references(one) or (), there.get(str(ref_of(one)), ()), (), was)
                for one in templates_in(step.old.plain)
            ]
        copies = after.get(name, Copies())
        certain, possible = _there(copies.objects), {}
        for one in copies.undecided:
            sure = frozenset(cluster for cluster, (least, _) in one.candidates.items() if least)
            certain[one.template], possible[one.template] = sure, frozenset(one.candidates) - sure
        new.own |= certain
        if now.get("propagateDeps") and step.op not in GOING and state is not None:
            templates = templates_in(state.plain)
            notices[name] = tuple(notice for one in templates for notice in _notices(one, known))
            lost = {str(ref) for ref in known.missing}
            new.senders[name] = [
                Sender.of(
                    ref := ref_of(one),
                    tuple(each for each in known.references(one) or () if str(each) not in lost),
                    certain.get(str(ref), ()),
                    possible.get(str(ref), ()),
                    now,
                )
                for one in templates
            ]
    for side in (old, new):
        every = [sender for senders in side.senders.values() for sender in senders]
        side.found = {str(one.reference): one for one in following(every, known.version)}
    return {
        name: Followed(tuple(_followers(name, old, new)), notices.get(name, ()))
        for name in dict.fromkeys([*old.senders, *new.senders])
    }


def kept_by(followed: Mapping[str, Followed]) -> dict[tuple[str, str], str]:
    """Return the objects that stay in clusters because they follow templates: by object and cluster, the templates."""
    return {
        (follower.object, cluster): ", ".join(follower.templates)
        for one in followed.values()
        for follower in one.followers
        for cluster, verb in follower.clusters.items()
        if verb == "stays"
    }


def with_kept(
    copies: Iterable[CopyPlan],
    old: Mapping[str, list[Object]],
    new: Mapping[str, list[Object]],
    kept: Mapping[tuple[str, str], str],
) -> tuple[CopyPlan, ...]:
    """Return a workload's copies, with a detail for objects that its placement removes but their users keep.

    Args:
        copies: the copies by the workload's own placement.
        old: the objects that clusters have of it.
        new: the objects that they will have by its placement.
        kept: the objects that follow templates (`kept_by`).
    """
    found = []
    for copy in copies:
        coming = {str(ref_of(obj)) for obj in new.get(copy.cluster, [])}
        going = [ref for obj in old.get(copy.cluster, []) if (ref := str(ref_of(obj))) not in coming]
        said = [f"{ref} stays: it follows {users}" for ref in going if (users := kept.get((ref, copy.cluster)))]
        found.append(replace(copy, details=(*copy.details, *said)))
    return tuple(found)


def following_copies(
    rollouts: Iterable[ResourceState], followed: Mapping[str, Followed], around: Surroundings
) -> dict[str, list[Object]]:
    """Return, by cluster, the stack's own templates that follow workloads there, as the members get them.

    Args:
        rollouts: the workloads' Rollouts after the plan.
        followed: the followers of the workloads.
        around: what else is known.
    """
    wanted = {
        (follower.object, cluster)
        for one in followed.values()
        for follower in one.followers
        for cluster, verb in follower.clusters.items()
        if verb in ("new", "stays")
    }
    states = list(rollouts)
    found: dict[str, list[Object]] = {}
    for template, cluster in sorted(wanted):
        # Several Rollouts can have an object that no policy selects and that follows several workloads.
        copies = (copy_of(state, template, cluster, around) for state in states)
        found.setdefault(cluster, []).extend([copy for copy in copies if copy is not None][:1])
    return found


def _there(copies: Mapping[str, list[Object]]) -> dict[str, frozenset[str]]:
    """Return the clusters that have copies of each template."""
    return {template: frozenset(places) for template, places in by_template(dict(copies)).items()}


def _notices(template: Object, known: Knowledge) -> Iterator[Notice]:
    references = known.references(template)
    if references is None:
        yield Notice(Dependencies.INTERPRETED, template=str(ref_of(template)))
    lost = {str(ref) for ref in known.missing}
    absent = sorted(str(one) for one in references or () if str(one) in lost and not one.optional)
    if absent:
        yield Notice(Dependencies.MISSING, template=str(ref_of(template)), detail=", ".join(absent))


def _followers(name: str, old: _Side, new: _Side) -> Iterator[Follower]:
    """Yield the followers of one workload in clusters to which their own policy doesn't send them."""
    used: dict[str, dict[str, None]] = {}
    for sender in (*new.senders.get(name, ()), *old.senders.get(name, ())):
        for reference in sender.references:
            used.setdefault(str(reference), {})[str(sender.template)] = None
    for obj, templates in sorted(used.items()):
        verbs = _verbs(obj, frozenset(templates), old, new)
        if verbs:
            owned = obj in new.own or obj in old.own
            known = new.found.get(obj) or old.found[obj]
            resolution = "" if owned else known.conflict_resolution or UNCERTAIN
            before = old.found.get(obj)
            kept = before.preserves if before and not owned else False
            yield Follower(obj, tuple(templates), verbs, resolution, kept)


def _verbs(obj: str, templates: frozenset[str], old: _Side, new: _Side) -> dict[str, str]:
    was, now = old.found.get(obj), new.found.get(obj)
    before = _clusters(was.clusters, templates) - old.own.get(obj, frozenset()) if was else set()
    after = _clusters(now.clusters, templates) - new.own.get(obj, frozenset()) if now else set()
    there = {*(was.clusters if was else ()), *old.own.get(obj, ())}
    verbs = {cluster: "stays" if cluster in there else "new" for cluster in after}
    stays = {*(now.clusters if now else ()), *new.own.get(obj, ())}
    verbs |= dict.fromkeys(before - stays, "gone")
    maybe = _clusters(now.possible, templates) - new.own.get(obj, frozenset()) if now else set()
    return verbs | dict.fromkeys(maybe, "may")


def _clusters(users: Mapping[str, tuple[ObjectRef, ...]], templates: frozenset[str]) -> set[str]:
    """Return the clusters in which an object follows one of these templates."""
    return {cluster for cluster, refs in users.items() if any(str(ref) in templates for ref in refs)}


def _spec(policy: ResourceState | None) -> Object:
    inputs = policy.plain if policy else {}
    spec = inputs.get("spec") if isinstance(inputs, dict) else None
    return spec if isinstance(spec, dict) else {}
