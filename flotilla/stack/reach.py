"""Checks which members a workload's placement, overrides and suspension reach; parts without any effect are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from flotilla.karmada.scheduling import Scheduler, choose, matches
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import ref_of
from flotilla.stack.fleet import facts, may_run_in
from flotilla.stack.members import Member
from flotilla.stack.placement import Affinity, OverflowGroup, Placement, Spread, SpreadField
from flotilla.stack.problems import Problem
from flotilla.stack.specs import affinity_of, placement_of
from flotilla.stack.workloads import Workload


@dataclass(frozen=True)
class _Members:
    """Members, as placements of one version of Karmada match them."""

    members: tuple[Member, ...]
    version: Version

    def of(self, placement: Placement) -> _Members:
        """Return the members that a placement may choose, by any of its groups."""
        chosen = (member for member in self.members if may_run_in(facts(member), placement, self.version))
        return replace(self, members=tuple(chosen))

    def matching(self, affinity: Affinity) -> list[Member]:
        """Return the members that match conditions."""
        wanted = affinity_of(affinity)
        return [member for member in self.members if matches(facts(member), wanted, self.version)]


def check_reach(
    path: str, workload: Workload, known: set[str], members: list[Member] | None, version: Version | None = None
) -> list[Problem]:
    """Check the parts of a workload that concern members.

    Args:
        path: the workload's place in the stack file.
        workload: the workload.
        known: the names of all members, valid or not.
        members: the members; None where some are invalid: then choices can't be checked.
        version: Karmada's version, which decides the meaning of `zones`; None (not known) means the newest.
    """
    fleet = None if members is None else _Members(tuple(members), version or SUPPORTED.newest)
    chosen = fleet.of(workload.placement) if fleet else None
    if workload.given:
        place = f"{path}.policies ({ref_of(workload.given.sender)})"
        return _check_given(place, workload.placement, fleet, chosen) if fleet and chosen else []
    problems = _check_placement(f"{path}.placement", workload.placement, known, fleet, chosen)
    problems += _check_overrides(path, workload, known, chosen)
    if workload.suspend:
        problems += _check_names(f"{path}.suspend", workload.suspend.clusters, known, chosen, "is suspended")
    return problems


def _unknown(path: str, names: Iterable[str], known: set[str]) -> list[Problem]:
    return [
        Problem(
            f"{path}[{i}]" if not path.endswith("weights") else f"{path}.{name}",
            "is not a member of this stack",
            "the workload would wait for a cluster that never joins",
            f"use one of {', '.join(sorted(known)) or '(there are no members)'}, or add it to members",
            f'"{name}"',
        )
        for i, name in enumerate(names)
        if name not in known
    ]


def _unknown_in(path: str, affinity: Affinity, known: set[str]) -> list[Problem]:
    problems = _unknown(f"{path}.clusters", affinity.clusters, known)
    return problems + _unknown(f"{path}.exclude", affinity.exclude, known)


def _parts(path: str, placement: Placement) -> Iterator[tuple[str, Affinity]]:
    """Yield each part that chooses clusters, with its place: the placement itself, or its groups."""
    if not placement.groups:
        yield path, placement
    for index, group in enumerate(placement.groups):
        yield f"{path}.groups[{index}]", group
        for number, overflow in enumerate(group.overflow):
            yield f"{path}.groups[{index}].overflow[{number}]", overflow


def _check_placement(
    path: str, placement: Placement, known: set[str], fleet: _Members | None, chosen: _Members | None
) -> list[Problem]:
    problems = [problem for where, part in _parts(path, placement) for problem in _unknown_in(where, part, known)]
    problems += _unknown(f"{path}.weights", placement.weights, known)
    for index, rule in enumerate(placement.weight_rules):
        problems += _unknown_in(f"{path}.weightRules[{index}]", rule, known)
    if fleet is None or chosen is None or problems:
        return problems
    for where, part in _parts(path, placement):
        if not fleet.matching(part):
            problems.append(
                Problem(
                    where,
                    "chooses no member of this stack",
                    "the workload would run nowhere" if part is placement else "the group would have no effect",
                    "relax the conditions, or label a member so that it matches",
                )
            )
    if problems:
        return problems
    problems += _all_tainted(path, placement, fleet)
    problems += _check_weights(path, placement, chosen)
    for index, spread in enumerate(placement.spread):
        problems += _check_spread(f"{path}.spread[{index}]", spread, chosen.members)
    return problems


def _check_given(path: str, placement: Placement, fleet: _Members, chosen: _Members) -> list[Problem]:
    """Check a policy that a user wrote. Only a policy that runs nowhere is refused.

    Karmada ignores names, groups and weights of clusters that don't exist, and such a policy works; see `passed_over`.
    """
    if not chosen.members:
        return [
            Problem(
                path,
                "chooses no member of this stack",
                "the workload would run nowhere",
                "add one of its clusters to members, or use another policy",
            )
        ]
    problems = _all_tainted(path, placement, fleet)
    for spread in placement.spread:
        problems += _check_spread(path, spread, chosen.members)
    return problems


def passed_over(workload: Workload, members: Iterable[Member], version: Version | None = None) -> list[str]:
    """Return the parts of a user's own policy that have no effect on the stack's members, a line each."""
    if not workload.given:
        return []
    fleet = _Members(tuple(members), version or SUPPORTED.newest)
    known = {member.name for member in fleet.members}
    placement = workload.placement
    parts = list(_parts("", placement))
    named = [name for _, part in parts for name in part.clusters] + [*placement.weights]
    named += [name for rule in placement.weight_rules for name in rule.clusters]
    named += workload.suspend.clusters if workload.suspend else ()
    found = []
    if unknown := [name for name in dict.fromkeys(named) if name not in known]:
        found.append(
            f"names {', '.join(unknown)}, which aren't members of this stack: the plan and the rollout ignore them"
        )
    if placement.groups:
        idle = [part.name for _, part in parts if isinstance(part, OverflowGroup) and not fleet.matching(part)]
        found += [f"its group {name!r} matches no member of this stack" for name in idle]
    weighed = {*placement.weights, *(m.name for rule in placement.weight_rules for m in fleet.matching(rule))}
    chosen = [member.name for member in fleet.of(placement).members]
    lacking = [name for name in chosen if name not in weighed]
    if lacking and len(lacking) < len(chosen):
        found.append(f"has no weight for {', '.join(lacking)}: a cluster without a weight gets no replica from Karmada")
    return [f"{ref_of(workload.given.sender)} {text}" for text in found]


def _check_weights(path: str, placement: Placement, chosen: _Members) -> list[Problem]:
    names = [member.name for member in chosen.members]
    problems = [
        Problem(
            f"{path}.weights.{name}",
            "has a weight but the placement doesn't choose it",
            "it would get no replica",
            "add it to the placement or remove the weight",
            str(weight),
        )
        for name, weight in placement.weights.items()
        if name not in names
    ]
    weighed = set(placement.weights)
    for index, rule in enumerate(placement.weight_rules):
        matching = {member.name for member in chosen.matching(rule)}
        weighed |= matching
        if not matching:
            problems.append(
                Problem(
                    f"{path}.weightRules[{index}]",
                    "matches no cluster that the placement chooses",
                    "the weight would have no effect",
                    "relax its conditions, or remove it",
                )
            )
    if placement.weights or placement.weight_rules:
        problems += [
            Problem(
                f"{path}.weights",
                f"has no weight for {name!r}, which the placement chooses",
                "a cluster without a weight gets no replica from Karmada",
                f"add `{name}: 1`",
            )
            for name in names
            if name not in weighed
        ]
    return problems


def _check_spread(path: str, spread: Spread, chosen: tuple[Member, ...]) -> list[Problem]:
    if spread.by is None:
        return []
    found: set[str] = set()
    for member in chosen:
        found |= _values(member, spread.by)
    if len(found) >= spread.min_groups:
        return []
    seen = ", ".join(sorted(found)) or "none"
    return [
        Problem(
            path,
            f"needs at least {spread.min_groups} by {spread.by.value}, but the members that the placement chooses have "
            f"{len(found)} ({seen})",
            "Karmada would schedule the workload nowhere",
            "decrease 'minGroups', or choose more members"
            + ("" if spread.by is SpreadField.CLUSTER else f", or give them `{_KEYS[spread.by]}`"),
        )
    ]


_KEYS = {SpreadField.PROVIDER: "provider", SpreadField.REGION: "region", SpreadField.ZONE: "zones"}


def _values(member: Member, by: SpreadField) -> set[str]:
    """Return the groups that contain a member; a member without the field is in none, and Karmada excludes it."""
    values = {
        SpreadField.CLUSTER: (member.name,),
        SpreadField.PROVIDER: (member.provider or "",),
        SpreadField.REGION: (member.region or "",),
        SpreadField.ZONE: member.zones,
    }
    return {value for value in values[by] if value}


def _all_tainted(path: str, placement: Placement, fleet: _Members) -> list[Problem]:
    # Maintenance doesn't count here: copies that run there stay, or the drain's own checks decide.
    clusters = [facts(member.model_copy(update={"maintenance": None})) for member in fleet.members]
    choice = choose(clusters, placement_of(placement), scheduler=Scheduler(fleet.version))
    if choice.chosen or not choice.refused:
        return []  # no taint is the cause, but a missing field of the spread, which its own check reports
    taints = ", ".join(f"{name} has {taint}" for name, taint in choice.refused.items())
    return [
        Problem(
            path,
            f"chooses only members with taints that it doesn't tolerate ({taints})",
            "Karmada would schedule a new workload nowhere",
            "add `tolerations` with the taint's key, or choose another member",
        )
    ]


def _check_overrides(path: str, workload: Workload, known: set[str], chosen: _Members | None) -> list[Problem]:
    problems: list[Problem] = []
    for index, override in enumerate(workload.overrides):
        where = f"{path}.overrides[{index}]"
        if override.target is None:
            problems += _check_names(f"{where}.clusters", override.clusters, known, chosen, "is overridden")
            continue
        unknown = _unknown_in(f"{where}.target", override.target, known)
        problems += unknown
        if chosen is None or unknown:
            continue
        if not chosen.matching(override.target):
            problems.append(
                Problem(
                    f"{where}.target",
                    "matches no member that the placement chooses",
                    "the override would have no effect",
                    "relax its conditions, or remove it",
                )
            )
    return problems


def _check_names(
    path: str, names: tuple[str, ...], known: set[str], chosen: _Members | None, what: str
) -> list[Problem]:
    """Check names of members, all of which the placement must choose."""
    taken = {member.name for member in chosen.members} if chosen else set()
    noun = "the override" if what == "is overridden" else "it"
    return _unknown(path, names, known) + [
        Problem(
            f"{path}[{i}]",
            f"{what} but the placement doesn't choose it",
            f"{noun} would have no effect",
            "add it to the placement or remove it here",
            f'"{name}"',
        )
        for i, name in enumerate(names)
        if chosen is not None and name in known and name not in taken
    ]
