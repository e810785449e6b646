"""The owners of an object's fields (`metadata.managedFields`), and which fields a stack may take over.

Since 4.29, Pulumi's provider creates objects without server-side apply. Their fields are owned by a separate manager,
`pulumi-kubernetes` with the operation Update. For server-side apply that is another owner: it refuses changes of these
fields, and doesn't remove fields that the program has dropped. So the fields are transferred to the stack's manager
before an object is updated (docs/decisions/creation-and-ownership.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flotilla.kube.objects import Object, Path
from flotilla.kube.ownership import union
from flotilla.kube.wire import ApiError
from flotilla.state.diff import parse_path

CREATORS = ("pulumi-kubernetes", "pulumi-resource-kubernetes")
"""Prefixes of the managers with which Pulumi's provider creates objects; their operation is Update."""

PEOPLE = ("kubectl", "before-first-apply")
"""Prefixes of managers whose fields an update takes over on a conflict, as Pulumi's provider does."""

_CONFLICT = "FieldManagerConflict"
_QUOTED = re.compile(r'"([^"]*)"')


def managers(obj: Object) -> set[str]:
    """Return the names of all managers that own a field."""
    return {str(entry.get("manager")) for entry in entries_of(obj)}


def field_conflicts(error: ApiError) -> set[str]:
    """Return the managers that own the fields of a refused apply; empty if the refusal was no field conflict.

    A manager that owns them through a subresource, as `kubectl scale` does, is named `kubectl/scale`.
    """
    causes = error.details.get("causes") or []
    texts = [str(cause.get("message")) for cause in causes if cause.get("reason") == _CONFLICT]
    return {"/".join(_QUOTED.findall(text)) for text in texts}


def gives_way(manager: str) -> bool:
    """Return whether an update takes over a manager's fields on a conflict."""
    return manager.startswith((*CREATORS, *PEOPLE)) and "/" not in manager


def transferred(obj: Object, manager: str) -> list[Object] | None:
    """Return `managedFields` in which `manager` owns the fields of the creation; None if nothing changes."""
    moved = [entry for entry in entries_of(obj) if _is_creation(entry)]
    if not moved:
        return None
    own = [entry for entry in entries_of(obj) if is_own(entry, manager)]
    fields: Object = {}
    for entry in (*own, *moved):
        fields = union(fields, entry.get("fieldsV1") or {}) if fields else dict(entry.get("fieldsV1") or {})
    kept = [entry for entry in entries_of(obj) if entry not in moved and entry not in own]
    return [{**(own or moved)[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}, *kept]


def left_to_others(inputs: Object, live: Object, manager: str, paths: Iterable[str]) -> Object:
    """Return the inputs to apply if some fields are ignored (upstream: handleSSAIgnoreFields, await.go).

    An ignored field that only others own is not sent, so that it stays theirs. Any other ignored field is sent with its
    current value, because the server would remove it if it were left out.

    Args:
        inputs: the declaration.
        live: the object as it is.
        manager: the field manager that applies.
        paths: the paths of the ignored fields, as Pulumi writes them.
    """
    entries = entries_of(live)
    ours = [entry for entry in entries if is_own(entry, manager) or _is_creation(entry)]
    theirs = [entry for entry in entries if entry not in ours]
    result = inputs
    for path in map(parse_path, paths):
        current = _value(live, path)
        if _owns(theirs, path) and not _owns(ours, path):
            result = _put(result, path, None)
        elif current is not None:
            result = _put(result, path, current)
    return result


def _owns(entries: list[Any], path: Path) -> bool:
    return any(_value(entry.get("fieldsV1"), tuple(f"f:{step}" for step in path)) is not None for entry in entries)


def _value(value: Any, path: Path) -> Any:
    """Follow a path through maps; None if a key is missing. Paths through lists are not followed."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    """Return a map with a new value at a path; None removes the key. A path through a list changes nothing."""
    step, rest = path[0], path[1:]
    if not isinstance(value, dict) or (new is None and step not in value):
        return value
    inner = _put(value.get(step, {}), rest, new) if rest else new
    return {key: item for key, item in {**value, step: inner}.items() if item is not None}


def entries_of(obj: Object) -> list[Any]:
    """Return the server's record of who owns which fields."""
    return obj["metadata"].get("managedFields") or []


def _is_creation(entry: Object) -> bool:
    named = str(entry.get("manager")).startswith(CREATORS)
    return named and entry.get("operation") == "Update" and not entry.get("subresource")


def is_own(entry: Object, manager: str) -> bool:
    """Return whether an entry lists the fields that a manager has applied."""
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
