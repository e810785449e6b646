"""What follows workloads into their clusters by Karmada's dependency distribution (`dependencies: true`)."""

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
"""The conflict resolution of a dependency for which the policies of two users say different things, before 1.16."""
Orders = Mapping[str, tuple[Object, Object]]
"""The specs of workloads' propagation policies before and after, by the workloads' URNs; empty where there are none."""


class Dependencies(StrEnum):
    """What is to be said of a workload's dependencies."""

    MISSING = "dependency-missing"
    """An object that would follow is neither in the stack nor in the control plane."""
    INTERPRETED = "dependencies-interpreted"
    """An interpreter of the control plane says what follows."""


@dataclass(frozen=True)
class Follower:
    """An object that gets into clusters because a workload's templates use it, and not by a policy of its own."""

    object: str
    templates: tuple[str, ...]
    """Those of the workload that use it."""
    clusters: Mapping[str, str]
    """By cluster: `new`, `stays`, `gone`, or `may` where only Karmada knows whether a template goes there."""
    conflict_resolution: str = ""
    """Abort, Overwrite or `uncertain`; empty where a policy of its own says it."""
    kept: bool | None = False
    """Whether its copy stays in the clusters where nothing needs it any more (`onRemoval: keep` of those that used it);
    None where that hangs on which of them Karmada has looked at last."""

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "object": self.object,
            "templates": list(self.templates),
            "clusters": [{"name": name, "verb": verb} for name, verb in sorted(self.clusters.items())],
            **({"conflictResolution": self.conflict_resolution} if self.conflict_resolution else {}),
            **({"kept": self.kept} if self.kept is not False and "gone" in self.clusters.values() else {}),
        }

    def text(self, cluster: str) -> str:
        """Say in a line what happens to it in a cluster."""
        users = ", ".join(self.templates)
        match self.clusters[cluster]:
            case "gone":
                return f"{self.object} follows {users} no more" + _KEPT[self.kept]
            case "may":
                return f"{self.object} follows, if Karmada puts {users} there"
        return f"{self.object} follows {users}" + _RESOLUTIONS[self.conflict_resolution]


_KEPT = {
    False: "",
    True: "; its copy stays (onRemoval: keep)",
    None: "; whether its copy stays hangs on which of their policies Karmada has looked at last",
}
_RESOLUTIONS = {
    "": "",
    "Abort": "",
    "Overwrite": ", and takes over what is there (Overwrite)",
    UNCERTAIN: "; whether it takes over what is there hangs on which of their policies Karmada looks at last",
}


@dataclass(frozen=True)
class Followed:
    """What is to be said of one workload."""

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
    """Return what the propagation policies of workloads say, before and after."""
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
    """Return what would follow workloads and that no step declares: whether it is there, the control plane knows."""
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
    """What is known beside the workloads."""

    missing: Collection[ObjectRef] = ()
    """Objects that are neither in the stack nor in the control plane."""
    interpreted: Collection[GroupKind] = ()
    """Kinds whose dependencies an interpreter of the control plane reads."""
    version: Version = SUPPORTED.newest
    """Karmada's."""

    def references(self, template: Object) -> tuple[Reference, ...] | None:
        """Return what a template refers to."""
        return references_of(template, self.version, self.interpreted)


def followers_of(
    rollouts: Iterable[Step],
    before: Mapping[str, Mapping[str, list[Object]]],
    after: Mapping[str, Copies],
    orders: Orders,
    knowledge: Knowledge | None = None,
) -> dict[str, Followed]:
    """Return by workload what follows its templates, and what is to be said of that.

    Args:
        rollouts: the workloads' Rollouts.
        before: by workload the copies that clusters have.
        after: by workload the copies that they will have.
        orders: what the workloads' policies say.
        knowledge: what is known beside.
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
    """Return what follows templates into clusters where it is already: by object and cluster, the templates."""
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
    """Return a workload's copies, where those that its placement takes away and its users keep are said to stay.

    Args:
        copies: as the workload's own placement has them.
        old: what clusters have of it.
        new: what they will have by its placement.
        kept: what follows templates (`kept_by`).
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
    """Return by cluster the stack's own templates that follow workloads there, as they arrive.

    Args:
        rollouts: the workloads' Rollouts as they are to be.
        followed: what follows them.
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
        # Several workloads know an object that no policy selects and that follows them all.
        copies = (copy_of(state, template, cluster, around) for state in states)
        found.setdefault(cluster, []).extend([copy for copy in copies if copy is not None][:1])
    return found


def _there(copies: Mapping[str, list[Object]]) -> dict[str, frozenset[str]]:
    """Return the clusters of templates that have copies there, by template."""
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
    """Yield what follows one workload beyond the clusters to which it goes by its own policy."""
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
    """Return the clusters where an object follows one of these templates."""
    return {cluster for cluster, refs in users.items() if any(str(ref) in templates for ref in refs)}


def _spec(policy: ResourceState | None) -> Object:
    inputs = policy.plain if policy else {}
    spec = inputs.get("spec") if isinstance(inputs, dict) else None
    return spec if isinstance(spec, dict) else {}
