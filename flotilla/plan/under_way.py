"""Computes from a plan's steps the waves in which workloads change, and the course of changes that are under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.waves.division import Wave, divide
from flotilla.karmada.waves.holding import candidates, definitions_go_ahead
from flotilla.karmada.waves.record import Phase, Record
from flotilla.karmada.waves.subject import ROLLOUT, Subject, declaration_of
from flotilla.plan.caveats import Caveat
from flotilla.plan.changes import CopyPlan
from flotilla.plan.rollouts import templates_in
from flotilla.plan.steps import Result, Step
from flotilla.plan.waves import Course, RolloutPlan, UnderWay
from flotilla.plan.workloads import WorkloadPlan
from flotilla.state.values import has_unknown

_DECLARED = ("templates", "placement", "overrideRules")
_CHANGING = ("new", "changes")


def has_waves(steps: Iterable[Step]) -> bool:
    """Return whether any workload of a plan changes in waves, or did so before."""
    return any(_given(one) for step in steps for one in (step.old, step.new))


def with_rollouts(
    plans: Sequence[WorkloadPlan], rollouts: Iterable[Step], members: Sequence[ClusterFacts], result: Result
) -> list[WorkloadPlan]:
    """Add the waves in which workloads change to their plans.

    Args:
        plans: the workloads' plans.
        rollouts: the steps of their Rollouts, as the engine has them.
        members: the clusters after the plan, with the kinds that they serve now.
        result: the plan, with the records of changes that are under way.
    """
    found = {step.name.removesuffix("-rollout"): step for step in rollouts}
    return [_with_rollout(plan, _rollout(plan, found[plan.name], members, result)) for plan in plans]


def _with_rollout(plan: WorkloadPlan, rollout: RolloutPlan | None) -> WorkloadPlan:
    """Add a rollout's plan; where clusters will still get a change, the run does more than wait."""
    going = rollout.under_way if rollout else None
    if going is None:
        return replace(plan, rollout=rollout)
    said = tuple(one for one in plan.notices if one.what != Caveat.WAITS)
    return replace(plan, rollout=rollout, notices=said, copies=tuple(_copy(one, going) for one in plan.copies))


def _copy(copy: CopyPlan, going: UnderWay) -> CopyPlan:
    """Return the plan of a copy whose cluster may not run the last declaration."""
    waits = copy.cluster in going.record.held_back
    if copy.verb == "stays" and going.course in _CARRIED and (waits or going.course is Course.REPEATS):
        return replace(copy, details=(_GETS, *copy.details))
    if copy.verb == "changes" and going.course is Course.BACK and copy.cluster in going.as_before:
        return CopyPlan(copy.cluster, "stays", (_KEEPS,))
    if copy.verb in ("stays", "changes") and going.course is Course.BEGINS_AGAIN and waits:
        return replace(copy, details=(*copy.details, _BEFORE))
    return copy


_CARRIED = (Course.GOES_ON, Course.REPEATS, Course.AT_ONCE)
_GETS = "gets the change that is under way"
_KEEPS = "keeps what it runs: the change that is under way has not reached it"
_BEFORE = "it runs the declaration before the change that is under way"


def _rollout(plan: WorkloadPlan, step: Step, members: Sequence[ClusterFacts], result: Result) -> RolloutPlan | None:
    new, old = step.after, step.before
    if new is None or not _given(new):
        record = _record(old.plain, result) if new is not None and old is not None and _given(old) else None
        return RolloutPlan(under_way=UnderWay(Course.AT_ONCE, record)) if record else None
    inputs = new.plain
    subject = _subject(inputs)
    record = _record(inputs, result)
    changing = [copy for copy in plan.copies if copy.verb in _CHANGING]
    hidden = not plan.copies and plan.verb in _CHANGING
    if record is None and not (changing or hidden):
        return None
    chosen = candidates(members, subject)
    waves = divide(subject.strategy, chosen)
    return RolloutPlan(
        waves,
        subject.strategy.gate,
        subject.strategy.on_failure,
        ahead=definitions_go_ahead(members, chosen, subject),
        under_way=_under_way(record, inputs, waves) if record else None,
        unread=result.unread_records,
    )


def _given(state: Any) -> Mapping[str, Any]:
    """Return the strategy among a Rollout's inputs; empty for other resources and for Rollouts without a strategy."""
    given = state.plain.get(ROLLOUT) if state is not None and state.plain else None
    return given if isinstance(given, dict) and isinstance(given.get("waves"), list) else {}


def _subject(inputs: Mapping[str, Any]) -> Subject:
    """Return the workload of a Rollout; its declaration is left out where it isn't known."""
    known = {key: inputs.get(key) for key in _DECLARED} if not _undeclared(inputs) else {}
    blank = {"templates": templates_in(inputs) if known else [], "overrideRules": [], "placement": {}}
    placement = inputs.get("placement")
    return Subject.of({**inputs, **blank, **known, "placement": placement if isinstance(placement, dict) else {}})


def _undeclared(inputs: Mapping[str, Any]) -> bool:
    """Return whether an engine hides the declaration, or it isn't known yet."""
    lists = [inputs.get("templates"), inputs.get("overrideRules")]
    return not all(isinstance(one, list) for one in lists) or any(has_unknown(inputs.get(key)) for key in _DECLARED)


def _record(inputs: Mapping[str, Any], result: Result) -> Record | None:
    return result.records.get(_subject(inputs).record)


def _under_way(record: Record, inputs: Mapping[str, Any], waves: Sequence[Wave]) -> UnderWay:
    last = waves[-1].number if waves else 0
    if _undeclared(inputs):
        return UnderWay(Course.UNCERTAIN, record)
    declaration = declaration_of(inputs)
    if record.declaration == declaration and record.phase in (Phase.REVERTING, Phase.REVERTED):
        return UnderWay(Course.REPEATS, record, waves[0].number if waves else 0, last)
    if record.declaration == declaration:
        passed = set(record.passed)
        following = next((wave.number for wave in waves if not set(wave.clusters) <= passed), 0)
        return UnderWay(Course.GOES_ON, record, following, last)
    if record.before == declaration:
        return UnderWay(Course.BACK, record)
    return UnderWay(Course.BEGINS_AGAIN, record, waves[0].number if waves else 0, last)
