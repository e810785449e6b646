"""Writes the stages of a move into the control plane, in the name of the stack's own writer.

Whoever owns the fields by a server-side apply applies them once more, with other values: nobody else gets a field, and
the stack's own next apply finds its fields and drops the mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla.karmada.moving.marks import MOVING, Mark
from flotilla.karmada.moving.stages import Stage
from flotilla.karmada.scheduling import replicas_field
from flotilla.karmada.status.written import OURS
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, differences, ref_of
from flotilla.kube.ownership import owned_part

_FIRST = "pulumi-kubernetes"
"""In whose name an object is written that nobody of these owns: both engines take its fields over."""


def policies_of(connection: Connection, refs: Iterable[ObjectRef]) -> list[Object]:
    """Read policies; those that aren't there are left out.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return [found for ref in refs if (found := connection.find(ref)) is not None]


def write_stage(connection: Connection, policies: Iterable[ObjectRef], stage: Stage, mark: Mark | None) -> None:
    """Bring policies and templates to a stage; what is so already is not written.

    Args:
        connection: the control plane.
        policies: the workload's.
        stage: the stage.
        mark: what the policies are to bear; None for none.

    Raises:
        ClusterError: the control plane could not be asked, or refused it.
    """
    text = mark.write() if mark else None
    for policy in policies_of(connection, policies):
        held = policy["spec"].get("placement") or {}
        same = not differences(stage.placement, held) and not differences(held, stage.placement)
        if same and (policy["metadata"].get("annotations") or {}).get(MOVING) == text:
            continue
        _write(connection, policy, ("placement", stage.placement), {MOVING: text})
    for ref, replicas in stage.replicas.items():
        template = connection.find(ref)
        field = replicas_field(template) if template else None
        if template is not None and field and template["spec"].get(field, 1) != replicas:
            _write(connection, template, (field, replicas), {})


def _write(
    connection: Connection, live: Object, change: tuple[str, Any], annotations: Mapping[str, str | None]
) -> None:
    """Write one field of an object's spec, and annotations; one that is None is taken off."""
    field, value = change
    manager = _applier(live, field)
    if manager is None:
        _patch(connection, live, change, annotations)
        return
    part = owned_part(live, (manager,)) or {}
    metadata = {**part["metadata"]}
    held = {key: text for key, text in {**(metadata.get("annotations") or {}), **annotations}.items() if text}
    metadata = {**metadata, "annotations": held} if held else {k: v for k, v in metadata.items() if k != "annotations"}
    applied = {**part, "metadata": metadata, "spec": {**(part.get("spec") or {}), field: value}}
    connection.apply(applied, field_manager=manager, force=True)


def _applier(live: Object, field: str) -> str | None:
    """Return which of the stack's managers has applied a field of the spec, or anything of it; None where none has."""
    entries = [
        entry
        for entry in live["metadata"].get("managedFields") or []
        if entry.get("operation") == "Apply" and str(entry.get("manager")).startswith(OURS)
    ]
    specs = {str(entry["manager"]): (entry.get("fieldsV1") or {}).get("f:spec") or {} for entry in entries}
    exact = [manager for manager, spec in specs.items() if f"f:{field}" in spec]
    return next(iter([*exact, *(manager for manager, spec in specs.items() if spec)]), None)


def _patch(
    connection: Connection, live: Object, change: tuple[str, Any], annotations: Mapping[str, str | None]
) -> None:
    """Write as whoever created the object without an apply: its own entry holds the fields as before."""
    field, value = change
    names = [str(entry.get("manager")) for entry in live["metadata"].get("managedFields") or []]
    manager = next((name for name in names if name.startswith(OURS)), _FIRST)
    held = live["metadata"].get("annotations") or {}
    steps: list[Object] = [{"op": "add", "path": f"/spec/{field}", "value": value}]
    if annotations and not held:
        steps.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    for key, text in annotations.items():
        path = f"/metadata/annotations/{key.replace('/', '~1')}"
        if text is not None:
            steps.append({"op": "add", "path": path, "value": text})
        elif key in held:
            steps.append({"op": "remove", "path": path})
    connection.patch(ref_of(live), steps, kind="json", query={"fieldManager": manager})
