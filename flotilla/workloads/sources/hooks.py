"""A chart's hooks: helm runs these objects at certain moments of a release, but nobody runs them as declared objects.

Source of the events: Helm's documentation, "Chart Hooks"; `crd-install` and `test-failure` are Helm 2's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from flotilla.counts import first_of
from flotilla.kube.objects import Object
from flotilla.stack.problems import Problem
from flotilla.stack.sources import Hooks
from flotilla.workloads.sources.shape import Found, Sourced, SourceError

_ANNOTATION = "helm.sh/hook"
_OURS = (
    _ANNOTATION,
    "helm.sh/hook-weight",
    "helm.sh/hook-delete-policy",
    "helm.sh/hook-output-log-policy",
)
_KEEP = "helm.sh/resource-policy"
_TESTS = frozenset({"test", "test-success", "test-failure"})
_DEFINITIONS = "crd-install"
_ROLLED_OUT = frozenset({"pre-install", "post-install", "pre-upgrade", "post-upgrade"})
_SHOWN = 8


class _Treatment(Enum):
    """What happens to an object of a chart."""

    OBJECT = 1
    TEST = 2
    INCLUDED = 3
    LEFT_OUT = 4
    REFUSED = 5


def with_hooks(made: Sourced, hooks: Hooks | None) -> Sourced:
    """Return a chart's objects, with its hooks treated as the stack file says.

    Tests are left out. CustomResourceDefinitions are treated like other objects.

    Args:
        made: the rendering of the chart.
        hooks: what happens to other hooks; None refuses them.

    Raises:
        SourceError: there are hooks, and the stack file doesn't say how to treat them.
    """
    by: dict[_Treatment, list[Found]] = {treatment: [] for treatment in _Treatment}
    objects: list[Found] = []
    for one in made.found:
        treatment = _treatment(_events(one.object), hooks)
        by[treatment].append(one)
        if treatment in (_Treatment.OBJECT, _Treatment.INCLUDED):
            objects.append(_plain(one))
    if by[_Treatment.REFUSED]:
        raise SourceError([_refusal(by[_Treatment.REFUSED])])
    kept = [one for one in objects if _annotations(one.object).get(_KEEP) == "keep"]
    said = {
        "the chart's tests are left out": _names(by[_Treatment.TEST]),
        "hooks are left out, and nothing runs them": _names(by[_Treatment.LEFT_OUT], events=True),
        "hooks are declared like any other object, without helm's order and clean-up": _names(by[_Treatment.INCLUDED]),
        f"only helm obeys `{_KEEP}: keep`, and a destroy deletes these": _names(kept),
    }
    notices = (*made.notices, *(f"{what}: {names}" for what, names in said.items() if names))
    return replace(made, found=tuple(objects), notices=notices)


def _treatment(events: tuple[str, ...], hooks: Hooks | None) -> _Treatment:
    if not events or _DEFINITIONS in events:
        return _Treatment.OBJECT
    if _TESTS.issuperset(events):
        return _Treatment.TEST
    if hooks is None:
        return _Treatment.REFUSED
    return _Treatment.INCLUDED if hooks is Hooks.INCLUDE and _ROLLED_OUT.intersection(events) else _Treatment.LEFT_OUT


def _refusal(refused: list[Found]) -> Problem:
    return Problem(
        "chart.hooks",
        f"the chart has hooks: {_names(refused, events=True)}",
        "helm runs them before or after it installs, upgrades or deletes a release; Flotilla would not",
        "add `hooks: include` to declare those of install and upgrade like any other object, `hooks: skip` to leave "
        "all of them out, or turn them off in the chart's values",
    )


def _events(obj: Object) -> tuple[str, ...]:
    text = str(_annotations(obj).get(_ANNOTATION) or "")
    return tuple(event for part in text.split(",") if (event := part.strip().lower()))


def _plain(one: Found) -> Found:
    """Return an object without the annotations that only helm reads."""
    annotations = _annotations(one.object)
    if not any(key in annotations for key in _OURS):
        return one
    metadata = dict(one.object["metadata"])
    left = {key: value for key, value in annotations.items() if key not in _OURS}
    if left:
        metadata["annotations"] = left
    else:
        del metadata["annotations"]
    return Found({**one.object, "metadata": metadata}, one.origin)


def _annotations(obj: Object) -> Object:
    return obj["metadata"].get("annotations") or {}


def _names(found: Iterable[Found], *, events: bool = False) -> str:
    return ", ".join(first_of([_name(one.object, events=events) for one in found], _SHOWN))


def _name(obj: Object, *, events: bool) -> str:
    when = f" ({', '.join(_events(obj))})" if events else ""
    return f"{obj['kind']} {obj['metadata']['name']}{when}"
