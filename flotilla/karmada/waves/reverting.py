"""Reverts a change: writes the former objects of a workload, and later the changed ones again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flotilla.karmada.kinds import DEFINITION, goes_by_itself, kind_of
from flotilla.karmada.rendering.policies import rules_of_all
from flotilla.karmada.selection import made_by_a_stack
from flotilla.karmada.template_references import reference_to
from flotilla.karmada.waves.holding import WRITER, read_objects
from flotilla.karmada.waves.record import MANAGER, Store, after_data
from flotilla.karmada.waves.subject import Subject
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ref_of
from flotilla.kube.several import find_several

_TEMPLATE_API = "policy.karmada.io/"


def take_back(connection: Connection, store: Store, subject: Subject) -> list[Object]:
    """Write a workload's objects as they were before its change, and store their current state.

    Objects that the change has added are deleted. Fields keep their owner: each object is applied with the manager that
    had written it.

    Returns:
        The objects that were written; an empty list where the former objects aren't known, and then nothing is done.

    Raises:
        TooLarge: the current objects can't be stored; nothing was done.
        ClusterError: the control plane rejected a write, for example of fields that can't be changed back.
    """
    before = store.contents("before")
    if not any(_is_template(one) for one in before):
        return []
    record = store.read()
    if record is not None:
        store.write(record, after_data(before, read_objects(connection, subject.objects)))
    write_all(connection, before)
    known = {ref_of(one) for one in before}
    added = find_several(connection, [ref for ref in subject.objects if ref not in known])
    # Definitions are deleted last: without its definition, an object can't be read.
    for ref, live in sorted(added.items(), key=lambda one: kind_of(one[1]) == DEFINITION):
        if made_by_a_stack(live) and not goes_by_itself(live):
            connection.delete(ref, propagation="Background", uid=live["metadata"].get("uid"))
    return before


def write_all(connection: Connection, objects: Iterable[Object]) -> None:
    """Apply the objects of a record, each with its manager.

    Raises:
        ClusterError: the control plane rejected a write.
    """
    for one in objects:
        plain = {key: value for key, value in one.items() if key not in (WRITER, "status")}
        connection.apply(plain, field_manager=one.get(WRITER) or MANAGER, force=True)


def inputs_of(props: dict[str, Any], before: Iterable[Object]) -> dict[str, Any]:
    """Return a Rollout's inputs for the former objects.

    Args:
        props: its declared inputs.
        before: the former objects from a record.
    """
    listed = [{key: value for key, value in one.items() if key != WRITER} for one in before]
    templates = [one for one in listed if _is_template(one)]
    overrides = [one for one in listed if one["kind"] in ("OverridePolicy", "ClusterOverridePolicy")]
    policies = [one for one in listed if one["kind"] in ("PropagationPolicy", "ClusterPropagationPolicy")]
    return {
        **props,
        "templates": [reference_to(one) for one in templates],
        "overrideRules": rules_of_all(overrides, templates),
        "placement": policies[0]["spec"].get("placement") or {} if policies else props["placement"],
    }


def _is_template(one: Object) -> bool:
    return not str(one["apiVersion"]).startswith(_TEMPLATE_API)
