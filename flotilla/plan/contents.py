"""Adds the content of templates to Rollouts: a Rollout stores references, the content is in the templates' resources.

In a plan these resources are among the steps, in a state among the resources. A Rollout of an older version has whole
templates, which stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from flotilla.karmada.kinds import Identity, identity
from flotilla.karmada.template_references import bare, is_reference
from flotilla.kube.objects import Object
from flotilla.plan.steps import GOING, Op, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import Properties, Secret, reveal

ROLLOUT_TYPE = "pulumi-python:dynamic/flotilla:Rollout"


class Content(NamedTuple):
    """The content of an object in a state."""

    plain: Object
    secret: bool
    """At least one value of it is secret."""


Contents = Mapping[Identity, Content]
_LISTS = ("templates", "followers")
_UNSEEN = "[secret]"
"""The key for the change of a value that an engine hides."""
_SECRET_PARTS = ("data", "stringData")


def with_contents(steps: list[Step]) -> list[Step]:
    """Return a plan's steps in which each Rollout has the content of its templates, before and after."""
    if not any(_refers(state) for step in steps for state in (step.old, step.new)):
        return steps
    steps = [_with_hidden_changes(step) if step.op is Op.UPDATE else step for step in steps]
    before: dict[Identity, Content] = {}
    after: dict[Identity, Content] = {}
    for step in steps:
        old, new = _content_of(step.old), _content_of(step.new)
        if old is not None and step.op not in (Op.CREATE, Op.CREATE_REPLACEMENT):
            before.setdefault(identity(old.plain), old)
        if step.op not in GOING and (last := new or old) is not None:
            after[identity(last.plain)] = last
    return [
        replace(step, old=_filled(step.old, before), new=_filled(step.new, after))
        if step.type == ROLLOUT_TYPE
        else step
        for step in steps
    ]


def filled(inputs: Properties, contents: Contents) -> Properties:
    """Return a Rollout's inputs with the content of its templates.

    Args:
        inputs: the inputs as the state has them.
        contents: the objects of the state; for a template that isn't among them only the name is known.
    """
    result = dict(inputs)
    for key in _LISTS:
        entries = _entries(inputs, key)
        if isinstance(entries, list) and any(map(is_reference, entries)):
            known = [bare(reveal(one)) if is_reference(one) else one for one in entries]
            found = [contents.get(identity(one), Content(one, secret=False)) for one in known]
            plain = [one.plain for one in found]
            result[key] = Secret(plain) if any(one.secret for one in found) else plain
    return result


def contents_of(resources: Iterable[ResourceState]) -> dict[Identity, Content]:
    """Return the content of the objects among a state's resources."""
    found = [content for one in resources if not one.delete if (content := _content_of(one)) is not None]
    return {identity(content.plain): content for content in found}


def _refers(state: ResourceState | None) -> bool:
    lists = [_entries(state.inputs, key) for key in _LISTS] if state is not None and state.type == ROLLOUT_TYPE else []
    return any(isinstance(one, list) and any(map(is_reference, one)) for one in lists)


def _entries(inputs: Properties, key: str) -> Any:
    """Return a list of a Rollout's inputs: Pulumi's CLI makes it secret as a whole if it contains a Secret's digest."""
    found = inputs.get(key)
    return found.value if isinstance(found, Secret) else found


def _filled(state: ResourceState | None, contents: Contents) -> ResourceState | None:
    return None if state is None else replace(state, inputs=filled(state.inputs, contents))


def _with_hidden_changes(step: Step) -> Step:
    """Return an object's update with a difference added for values that an engine hides.

    Pulumi's CLI shows a mark instead of a secret, the same mark before and after.
    """
    old, new = step.old, step.new
    if old is None or new is None or not step.type.startswith("kubernetes:") or _given(old) != _given(new):
        return step
    hidden = [key for key in _SECRET_PARTS if isinstance(new.inputs.get(key), Secret) and new.plain[key] is None]
    return replace(
        step,
        old=replace(old, inputs={**old.inputs, **{key: {_UNSEEN: Secret("before")} for key in hidden}}),
        new=replace(new, inputs={**new.inputs, **{key: {_UNSEEN: Secret("after")} for key in hidden}}),
    )


def _given(state: ResourceState) -> Properties:
    return {key: value for key, value in state.plain.items() if value is not None}


def _content_of(state: ResourceState | None) -> Content | None:
    """Return the content of an object; None where the resource is not an object, or its name isn't known."""
    if state is None or not state.type.startswith("kubernetes:"):
        return None
    plain = {key: value for key, value in state.plain.items() if value is not None}
    metadata = plain.get("metadata")
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    whole = named and isinstance(plain.get("kind"), str) and isinstance(plain.get("apiVersion"), str)
    return Content(plain, secret=state.plain is not state.inputs) if whole else None
