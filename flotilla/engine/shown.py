"""Binds a run to the plan that was shown: a step that the plan does not have is refused before it is done.

What may differ: a value that the plan had as unknown is known now; and less may be done than was shown (an update that
turns out to change nothing, an update in place where a replacement was shown).
"""

from __future__ import annotations

import base64
import threading
from typing import Any

from flotilla.engine.digest import (
    declared_inputs,
    identity,
    is_declared,
    made_up_name,
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

# The new half of a replacement has the inputs and the old state that an update in place has.
_MILDER = {Op.UPDATE: (Op.CREATE_REPLACEMENT,)}
_IDENTITY = ("uid",)
_HINT = "`flotilla preview` shows the plan as it is now"


class Shown:
    """A plan that was shown, and what a step does otherwise."""

    def __init__(self, plan: Result) -> None:
        """Take a preview's result."""
        self._steps = {(step.op, step.urn): step for step in plan.steps}
        self._stopped = dict(plan.stopped)
        self._said: set[str] = set()
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def objection(self, step: Step) -> str:
        """Return in what a step isn't the one that was shown; empty where it is."""
        if step.op not in CHANGING or is_default_provider(step.urn, step.type):
            return ""  # default providers are the engine's own affair: no plan shows them
        shown = self._planned(step)
        if shown is None:
            return f"the plan that was shown does not {str(step.op).replace('-', ' ')} it, so it was not done; {_HINT}"
        with self._lock:
            one, other = made_up_name(shown), made_up_name(step)
            if one and other:
                self._names[one] = other
            names = dict(self._names)
        differs = _provider(shown, step) or _old(shown, step) or _inputs(shown, step, names) or _changes(shown, step)
        return f"{differs}, which is not what was shown, so it was not done; {_HINT}" if differs else ""

    def stop(self, step: Step) -> str | None:
        """Return why nothing is done of the workload that a step belongs to; empty after the first time, None if not.

        Members have objects of the workload already, and it doesn't say that they are taken over.
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
        planned = {**planned, **dict.fromkeys(_IDENTITY, UNKNOWN)}  # known now; or it is not, and the step fails
    if silent := _silent(shown, step):  # which cluster it is, is not known in one of the two
        planned = {**planned, "members": {**planned["members"], **dict.fromkeys(silent, UNKNOWN)}}
    path = _differs(planned, actual, names, ())
    return "" if path is None else f"{path_text(path)} has another value"


def _silent(shown: Step, step: Step) -> set[str]:
    """Return the members that did not answer, or did not join, when it was shown or now."""
    if shown.new is None or step.new is None:
        return set()
    declared = members_of(shown.new).keys() & members_of(step.new).keys()
    return (silent_members(shown.new) | silent_members(step.new)) & declared


def _changes(shown: Step, step: Step) -> str:
    """Look for changes that were not shown: the state is another one than it was then."""
    if not shown.changes and step.op is not Op.ADOPT:
        return ""  # components and providers do not tell which of their properties differ
    silent = _silent(shown, step)
    for change in step.changes:
        if not change.path or not is_declared(step, change):
            continue  # a note of this run, or a dynamic provider's own judgement: no property shows it
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
    """Return inputs in the form that they have once everything in them is known: a preview can't normalize unknowns."""
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
    """Return where a value isn't what was planned; None where it is, an unknown covering everything."""
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
    """Tell whether both are absent: an empty mapping and none are the same to Kubernetes and to the state."""
    return one in (None, {}) and other in (None, {})
