"""What the templates of a Rollout hold: it keeps which ones they are, their content stands in their own resources.

A plan has those resources among its steps, a state among its resources. A Rollout of an earlier version has whole
templates in it, which stay.
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
    """What an object of a state holds."""

    plain: Object
    secret: bool
    """A value of it is secret."""


Contents = Mapping[Identity, Content]
_LISTS = ("templates", "followers")
_UNSEEN = "[secret]"
"""The key under which a value that an engine hides is known to change."""
_SECRET_PARTS = ("data", "stringData")


def with_contents(steps: list[Step]) -> list[Step]:
    """Return a plan's steps, where each Rollout has the content of its templates before and after."""
    if not any(_refers(state) for step in steps for state in (step.old, step.new)):
        return steps
    steps = [_distinguished(step) if step.op is Op.UPDATE else step for step in steps]
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
        inputs: as the state has them.
        contents: the objects of the state; a template that isn't among them is known by its name alone.
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
    """Return what the objects among the resources of a state hold."""
    found = [content for one in resources if not one.delete if (content := _content_of(one)) is not None]
    return {identity(content.plain): content for content in found}


def _refers(state: ResourceState | None) -> bool:
    lists = [_entries(state.inputs, key) for key in _LISTS] if state is not None and state.type == ROLLOUT_TYPE else []
    return any(isinstance(one, list) and any(map(is_reference, one)) for one in lists)


def _entries(inputs: Properties, key: str) -> Any:
    """Return a list of a Rollout's inputs: Pulumi's CLI keeps it secret as a whole where a Secret's digest is in it."""
    found = inputs.get(key)
    return found.value if isinstance(found, Secret) else found


def _filled(state: ResourceState | None, contents: Contents) -> ResourceState | None:
    return None if state is None else replace(state, inputs=filled(state.inputs, contents))


def _distinguished(step: Step) -> Step:
    """Return an object's update, where an engine hides which values change: something there differs.

    Pulumi's CLI shows a mark in the place of a secret, the same before and after.
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
    """Return what an object holds; None for what is none, and where its name isn't known."""
    if state is None or not state.type.startswith("kubernetes:"):
        return None
    plain = {key: value for key, value in state.plain.items() if value is not None}
    metadata = plain.get("metadata")
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    whole = named and isinstance(plain.get("kind"), str) and isinstance(plain.get("apiVersion"), str)
    return Content(plain, secret=state.plain is not state.inputs) if whole else None
