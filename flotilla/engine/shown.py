"""Binds a run to the plan that was shown: a step that the plan does not contain is refused before it is done.

Two differences are allowed. A value that was unknown in the plan may be known now. And a run may do less than the plan
shows: an update may turn out to change nothing, and an update in place may be enough instead of a replacement.
"""

from __future__ import annotations

import base64
import threading
from typing import Any

from flotilla.engine.digest import (
    declared_inputs,
    generated_name,
    identity,
    is_declared,
    members_of,
    silent_members,
    unanswered,
)
from flotilla.kube.objects import Path, path_text
from flotilla.kube.quantities import canonicalized
from flotilla.plan.steps import CHANGING, Op, Result, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change
from flotilla.state.urns import is_default_provider
from flotilla.state.values import UNKNOWN, Secret, mask

# The creating step of a replacement has the same inputs and the same old state as an update in place.
_MILDER = {Op.UPDATE: (Op.CREATE_REPLACEMENT,)}
_IDENTITY = ("uid",)
_HINT = "`flotilla preview` shows the plan as it is now"


class ShownPlan:
    """A plan that was shown; compares the steps of a run with it."""

    def __init__(self, plan: Result) -> None:
        """Keep the result of a preview."""
        self._steps = {(step.op, step.urn): step for step in plan.steps}
        self._stopped = dict(plan.stopped)
        self._said: set[str] = set()
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def deviation(self, step: Step) -> str:
        """Return how a step differs from the one that was shown; empty if it does not."""
        if step.op not in CHANGING or is_default_provider(step.urn, step.type):
            return ""  # no plan shows default providers, which the engine adds itself
        shown = self._planned(step)
        if shown is None:
            return f"the plan that was shown does not {str(step.op).replace('-', ' ')} it, so it was not done; {_HINT}"
        with self._lock:
            one, other = generated_name(shown), generated_name(step)
            if one and other:
                self._names[one] = other
            names = dict(self._names)
        differs = _provider(shown, step) or _old(shown, step) or _inputs(shown, step, names) or _changes(shown, step)
        return f"{differs}, which is not what was shown, so it was not done; {_HINT}" if differs else ""

    def stop(self, step: Step) -> str | None:
        """Return why the step's workload is not carried out; None if it is, empty if the reason was returned before.

        A workload is stopped if members have objects of it already and the stack doesn't say that it adopts them.
        """
        state = step.new or step.old
        urn = state.parent if state is not None and step.op in CHANGING else ""
        if urn not in self._stopped:
            return None
        with self._lock:
            first = urn not in self._said
            self._said.add(urn)
        return self._stopped[urn] if first else ""

    def _planned(self, step: Step) -> Step | None:
        candidates = (step.op, *_MILDER.get(step.op, ()))
        return next((self._steps[op, step.urn] for op in candidates if (op, step.urn) in self._steps), None)


def _provider(shown: Step, step: Step) -> str:
    if shown.provider.rpartition("::")[0] != step.provider.rpartition("::")[0]:
        return "it belongs to another provider"
    return ""


def _old(shown: Step, step: Step) -> str:
    one = identity(shown.old) if shown.old else None
    other = identity(step.old) if step.old else None
    return "" if one == other else "another resource is in its place"


def _inputs(shown: Step, step: Step, names: dict[str, str]) -> str:
    if shown.new is None or step.new is None:
        return ""
    planned, actual = _stored(shown.new), _stored(step.new)
    if unanswered(shown.new) or unanswered(step.new):
        # Now the UID is known, or it is still unknown and the step fails.
        planned = {**planned, **dict.fromkeys(_IDENTITY, UNKNOWN)}
    if silent := _silent(shown, step):  # for these members the cluster's identity is unknown in one of the two
        planned = {**planned, "members": {**planned["members"], **dict.fromkeys(silent, UNKNOWN)}}
    path = _differs(planned, actual, names, ())
    return "" if path is None else f"{path_text(path)} has another value"


def _silent(shown: Step, step: Step) -> set[str]:
    """Return the members that did not answer or had not joined, at the time of the preview or now."""
    if shown.new is None or step.new is None:
        return set()
    declared = members_of(shown.new).keys() & members_of(step.new).keys()
    return (silent_members(shown.new) | silent_members(step.new)) & declared


def _changes(shown: Step, step: Step) -> str:
    """Return the first change that was not shown; it means that the state has changed since the preview."""
    if not shown.changes and step.op is not Op.ADOPT:
        return ""  # components and providers do not list which of their properties differ
    silent = _silent(shown, step)
    for change in step.changes:
        if not change.path or not is_declared(step, change):
            continue  # a note about this run, or a dynamic provider's own decision, which no property shows
        if change.path[:1] == ("members",) and len(change.path) > 1 and change.path[1] in silent:
            continue
        if not any(_covers(planned, change) for planned in shown.changes):
            return f"{change.text} would change from {_text(change.old)}"
    return ""


def _covers(planned: Change, change: Change) -> bool:
    if planned.path != change.path[: len(planned.path)]:
        return False
    return planned.path != change.path or _differs(planned.old, change.old, {}, ()) is None


def _text(value: Any) -> str:
    return "nothing" if value is None else str(mask(value))


def _stored(state: ResourceState) -> dict[str, Any]:
    """Return inputs in the normalized form of known values; a preview can't normalize unknown ones."""
    inputs = declared_inputs(state)
    if not state.type.startswith("kubernetes:"):
        return inputs
    if isinstance(inputs.get("spec"), dict):
        inputs = {**inputs, "spec": canonicalized(inputs["spec"])}
    if inputs.get("kind") != "Secret":
        return inputs
    text, data = _value(inputs.get("stringData")), _value(inputs.get("data"))
    if text is UNKNOWN or data is UNKNOWN:
        return {**inputs, "stringData": None, "data": UNKNOWN}
    encoded = {key: _encoded(_value(value)) for key, value in (text or {}).items()}
    return {**inputs, "stringData": None, "data": {**(data or {}), **encoded}}


def _encoded(value: Any) -> Any:
    return base64.b64encode(value.encode()).decode() if isinstance(value, str) else value


def _value(value: Any) -> Any:
    while isinstance(value, Secret):
        value = value.value
    return value


def _differs(planned: Any, actual: Any, names: dict[str, str], path: Path) -> Path | None:
    """Return the path at which a value differs from the planned one; None if none does. An unknown equals any value."""
    planned, actual = _value(planned), _value(actual)
    if planned is UNKNOWN:
        return None
    if isinstance(planned, dict) and isinstance(actual, dict):
        for key in sorted({*planned, *actual}):
            found = _differs(planned.get(key), actual.get(key), names, (*path, key))
            if found is not None:
                return found
        return None
    if isinstance(planned, list) and isinstance(actual, list):
        if len(planned) != len(actual):
            return path
        pairs = enumerate(zip(planned, actual, strict=True))
        return next(
            (f for i, (one, other) in pairs if (f := _differs(one, other, names, (*path, i))) is not None), None
        )
    if isinstance(planned, str) and isinstance(actual, str):
        for one, other in names.items():
            planned = planned.replace(one, other)
    same = planned == actual and isinstance(planned, bool) == isinstance(actual, bool)
    return None if same or _nothing(planned, actual) else path


def _nothing(one: Any, other: Any) -> bool:
    """Return whether both are absent; for Kubernetes and the state, an empty mapping is the same as none."""
    return one in (None, {}) and other in (None, {})
