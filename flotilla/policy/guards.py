"""Guards: limits on what one plan may remove or touch, and times in which nothing may change.

A rule of the pack judges the declaration. A guard judges the changes from the present state to the declaration. A plan
that a guard refuses may be right: a person who has read it confirms it by its digest (`flotilla up --plan DIGEST`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flotilla.counts import counted, names_of
from flotilla.plan.blast_radius import BlastRadius, WorkloadRadius
from flotilla.policy.evaluate import Verdict, exemption_for, verdicts_on
from flotilla.policy.model import Guard
from flotilla.stack.environments import Environment
from flotilla.stack.freezes import Freeze
from flotilla.stack.policies import Level, PolicySettings

MAX_REMOVALS = Guard(
    "max-removals",
    "A mistake in one line can remove workloads from the whole fleet",
    "remove less in one run, or confirm the plan",
)
MAX_REMOVED_SHARE = Guard(
    "max-removed-share",
    "The remaining copies may not carry the load, and a mistyped label or name looks like an intended removal",
    "correct the placement or the label, go in smaller steps, or confirm the plan",
)
EMPTIED = Guard(
    "emptied",
    "An empty list is more often a failed generator or a typing error than the end of a fleet",
    "correct the list, the placement or the label, name what you want to remove, or confirm the plan",
)
MAX_CLUSTERS = Guard(
    "max-clusters",
    "A fault would affect all of them at once",
    "change fewer clusters in one run, or confirm the plan",
)
FREEZE = Guard("freeze", "Nobody is available to watch a change", "wait until then, or confirm the plan")
GUARDS = (MAX_REMOVALS, MAX_REMOVED_SHARE, EMPTIED, MAX_CLUSTERS, FREEZE)

STACK, MEMBERS = "stack", "members"
"""Names of resources in a guard's verdict that isn't about a workload."""
_MOST_REMOVALS = 10
_MOST_SHARE = 40
"""In percent: one of three clusters is accepted, one of two is refused."""
_NAMED = 5


@dataclass(frozen=True)
class _Limit:
    """A limit, and whether the stack file gives it."""

    value: int | None
    given: bool


def guard_verdicts(
    radius: BlastRadius, settings: PolicySettings, *, applying: bool = True, now: dt.datetime | None = None
) -> list[Verdict]:
    """Evaluate every guard on a plan that changes something; a guard that doesn't apply has no verdict.

    Args:
        radius: the blast radius of the plan.
        settings: the policy settings of the stack.
        applying: the plan is about to be carried out. Otherwise a freeze is only reported: plans are always allowed.
        now: a moment to use instead of the present one, with its time zone.
    """
    moment = now or dt.datetime.now(dt.UTC)
    found: list[Verdict] = []
    for guard, given, judged in _judged(radius, settings, moment):
        level = _level(guard, settings, given=given)
        if guard is FREEZE and not applying and level is Level.MANDATORY:
            level = Level.ADVISORY
        if level is Level.DISABLED:
            continue
        for resource, messages in judged:
            found += verdicts_on(guard, level, resource, messages, settings, moment.astimezone(dt.UTC).date())
    return found


Judged = list[tuple[str, list[str]]]
"""Messages by the resource to which they apply."""


def _judged(radius: BlastRadius, settings: PolicySettings, moment: dt.datetime) -> Iterator[tuple[Guard, bool, Judged]]:
    """Yield each guard that applies, whether the stack file sets it, and its messages."""
    guards = settings.guards
    removals = _limit(guards.max_removals, _MOST_REMOVALS, settings)
    if removals.value is not None:
        counting = [one for one in radius.workloads if not _exempt(MAX_REMOVALS, one.name, settings, moment)]
        yield MAX_REMOVALS, removals.given, [(STACK, _removals(counting, removals.value))]
    share = _limit(guards.max_removed_share, _MOST_SHARE, settings)
    if share.value is not None:
        listed = [(one.name, _share(one, share.value)) for one in radius.workloads if one.before]
        members = _members_share(radius, share.value)
        yield MAX_REMOVED_SHARE, share.given, [*listed, *([(MEMBERS, members)] if radius.leaving else [])]
    yield EMPTIED, True, _emptied(radius)
    if guards.max_clusters is not None:
        yield MAX_CLUSTERS, True, [(STACK, _clusters(radius, guards.max_clusters))]
    freezes = [one for one in guards.freeze if not one.environments or settings.environment in one.environments]
    if freezes:
        yield FREEZE, True, [(STACK, [text for one in freezes if (text := _frozen(one.holds_until(moment), one))])]


def _level(guard: Guard, settings: PolicySettings, *, given: bool) -> Level:
    """Return a guard's level: the stack's setting, or mandatory if the file sets the limit or in production."""
    named = settings.levels.get(guard.name)
    if named is not None:
        return named
    return Level.MANDATORY if given or settings.environment is Environment.PRODUCTION else Level.ADVISORY


def _limit(given: int | None, default: int, settings: PolicySettings) -> _Limit:
    if given is not None:
        return _Limit(given, given=True)
    return _Limit(None if settings.environment is Environment.DEVELOPMENT else default, given=False)


def _exempt(guard: Guard, workload: str, settings: PolicySettings, moment: dt.datetime) -> bool:
    found = exemption_for(guard, workload, settings)
    return found is not None and moment.astimezone(dt.UTC).date() <= found.expires


def _removals(workloads: Iterable[WorkloadRadius], most: int) -> list[str]:
    losing = {one.name: one.unasked for one in workloads if one.unasked}
    count = sum(len(clusters) for clusters in losing.values())
    if count <= most:
        return []
    named = "; ".join(f"{name} in {_names(clusters)}" for name, clusters in list(losing.items())[:_NAMED])
    more = f"; and {counted(len(losing) - _NAMED, 'more workload')}" if len(losing) > _NAMED else ""
    return [f"{counted(count, 'copy', 'copies')} would be removed, more than {most} ({named}{more})"]


def _share(one: WorkloadRadius, most: int) -> list[str]:
    lost = one.unasked
    if len(lost) * 100 <= most * len(one.before):
        return []
    how = "is removed from" if not one.reduced else "is removed, stopped or incomplete in"
    where = f"{len(lost)} of the {counted(len(one.before), 'cluster')} in which it runs ({_names(lost)})"
    new = f", before the new copies ({_names(one.added)}) are healthy" if one.added else ""
    return [f"{how} {where}, more than {most} %{new}"]


def _members_share(radius: BlastRadius, most: int) -> list[str]:
    all_ = len(radius.leaving) + len(radius.staying)
    if len(radius.leaving) * 100 <= most * all_:
        return []
    return [f"{len(radius.leaving)} of {counted(all_, 'member')} leave ({_names(radius.leaving)}), more than {most} %"]


def _emptied(radius: BlastRadius) -> Judged:
    """Return messages for resources that were not empty before, are still declared, and are empty after."""
    if radius.leaving and not radius.staying and not radius.joining:
        everyone = f"no member is left: all {len(radius.leaving)} leave ({_names(radius.leaving)})"
        return [(MEMBERS, [everyone])]
    left = [one for one in radius.workloads if one.declared and set(one.before) == set(one.removed) != set()]
    empty = [one for one in left if not one.added and not one.may_add]
    return [
        (one.name, [f"its placement chooses no cluster any more; it runs in {_names(one.before)}"]) for one in empty
    ]


def _clusters(radius: BlastRadius, most: int) -> list[str]:
    if len(radius.clusters) <= most:
        return []
    return [
        f"{counted(len(radius.clusters), 'cluster')} would be touched, more than {most} ({_names(radius.clusters)})"
    ]


def _frozen(until: dt.datetime | None, freeze: Freeze) -> str:
    return f"no changes until {until:%a %Y-%m-%d %H:%M} {freeze.time_zone} ({freeze.reason})" if until else ""


def _names(names: tuple[str, ...]) -> str:
    return names_of(names, _NAMED)
