"""Writes the stages of a move into the control plane, with the stack's own field manager.

The manager that owns the fields by server-side apply applies them again with other values. So no other manager gets a
field, and the stack's next apply finds its fields and removes the mark.
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
"""The manager for an object that none of the stack's managers owns: both engines take over its fields."""


def policies_of(connection: Connection, refs: Iterable[ObjectRef]) -> list[Object]:
    """Read policies; missing ones are left out.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return [found for ref in refs if (found := connection.find(ref)) is not None]


def write_stage(connection: Connection, policies: Iterable[ObjectRef], stage: Stage, mark: Mark | None) -> None:
    """Bring policies and templates to a stage; objects that need no change aren't written.

    Args:
        connection: a connection to the control plane.
        policies: the workload's policies.
        stage: the stage.
        mark: the mark for the policies; None removes it.

    Raises:
        ClusterError: the control plane could not be asked, or rejected a write.
    """
    text = mark.write() if mark else None
    for policy in policies_of(connection, policies):
        current = policy["spec"].get("placement") or {}
        same = not differences(stage.placement, current) and not differences(current, stage.placement)
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
    """Write one field of an object's spec, and annotations; an annotation that is None is removed."""
    field, value = change
    manager = _applier(live, field)
    if manager is None:
        _patch(connection, live, change, annotations)
        return
    part = owned_part(live, (manager,)) or {}
    metadata = {**part["metadata"]}
    kept = {key: text for key, text in {**(metadata.get("annotations") or {}), **annotations}.items() if text}
    metadata = {**metadata, "annotations": kept} if kept else {k: v for k, v in metadata.items() if k != "annotations"}
    applied = {**part, "metadata": metadata, "spec": {**(part.get("spec") or {}), field: value}}
    connection.apply(applied, field_manager=manager, force=True)


def _applier(live: Object, field: str) -> str | None:
    """Return which of the stack's managers has applied a field of the spec, else any of the spec; None for none."""
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
    """Write with the manager that created the object without an apply: its entry keeps the fields."""
    field, value = change
    names = [str(entry.get("manager")) for entry in live["metadata"].get("managedFields") or []]
    manager = next((name for name in names if name.startswith(OURS)), _FIRST)
    present = live["metadata"].get("annotations") or {}
    steps: list[Object] = [{"op": "add", "path": f"/spec/{field}", "value": value}]
    if annotations and not present:
        steps.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    for key, text in annotations.items():
        path = f"/metadata/annotations/{key.replace('/', '~1')}"
        if text is not None:
            steps.append({"op": "add", "path": path, "value": text})
        elif key in present:
            steps.append({"op": "remove", "path": path})
    connection.patch(ref_of(live), steps, kind="json", query={"fieldManager": manager})
