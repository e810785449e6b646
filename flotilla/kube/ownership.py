"""Who wrote a field last: what the API server notes of every write (metadata.managedFields)."""

from __future__ import annotations

import json
from functools import reduce
from typing import Any, NamedTuple

from flotilla.kube.objects import Item, KeyedPath, Object

_TYPE = ("apiVersion", "kind")


class Writer(NamedTuple):
    """A field manager and the time of its last write (RFC 3339); both empty where the server doesn't know."""

    manager: str = ""
    time: str = ""


def last_writer(obj: Object, path: KeyedPath) -> Writer:
    """Return who holds the field at `path`; of several the latest.

    A field that was removed has no holder left: then who last wrote anything but the status.
    """
    entries = _entries(obj)
    holders = [e for e in entries if _holds(e.get("fieldsV1") or {}, path, obj)]
    return _latest(holders or entries)


def writers(obj: Object) -> list[Writer]:
    """Return everybody who has written anything of an object but its status, each with the last time."""
    return [_writer(entry) for entry in _entries(obj)]


def writer_of_change(before: Object, after: Object) -> Writer:
    """Return who made one state of an object of another: whose fields became more, or who wrote later than before.

    Who only takes away what another had added holds nothing more: then it is whoever wrote last of those that are left.
    """
    known = {_identity(entry): entry for entry in _entries(before)}
    changed = []
    for entry in _entries(after):
        old = known.get(_identity(entry))
        gained = old is None or _leaves(entry.get("fieldsV1")) - _leaves(old.get("fieldsV1"))
        if gained or str(entry.get("time", "")) > str((old or {}).get("time", "")):
            changed.append(entry)
    return _latest(changed or _entries(after))


def _entries(obj: Object) -> list[Object]:
    entries = (obj.get("metadata") or {}).get("managedFields") or []
    return [entry for entry in entries if entry.get("subresource") != "status"]


def _identity(entry: Object) -> tuple[str, ...]:
    return tuple(str(entry.get(key) or "") for key in ("manager", "operation", "subresource"))


def _leaves(fields: Any, path: str = "") -> set[str]:
    """Return the paths in a tree of held fields, those on the way included."""
    if not isinstance(fields, dict):
        return set()
    return {path, *(leaf for key, below in fields.items() for leaf in _leaves(below, f"{path}/{key}"))}


def _latest(entries: list[Object]) -> Writer:
    latest = max(entries, key=lambda e: str(e.get("time", "")), default=None)
    return _writer(latest) if latest else Writer()


def _writer(entry: Object) -> Writer:
    return Writer(str(entry.get("manager", "")), str(entry.get("time", "")))


def _holds(fields: Object, path: KeyedPath, value: Any) -> bool:
    """Follow a path through the tree of held fields; an atomic value holds everything below it."""
    if not path:
        return True
    if not fields:
        return True
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        below = fields.get(f"f:{step}")
        held = value.get(step) if isinstance(value, dict) else None
        return below is not None and _holds(below, rest, held)
    place = step.place if isinstance(step, Item) else step
    held = value[place] if isinstance(value, list) and 0 <= place < len(value) else None
    return any(_holds(below, rest, held) for key, below in fields.items() if _names(key, held, place))


def _names(key: str, item: Any, index: int) -> bool:
    """Tell whether a key of the tree means this item of a list: by its key fields, its value or its place."""
    kind, _, text = key.partition(":")
    if kind == "k":
        wanted = json.loads(text)
        return isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items())
    if kind == "v":
        return bool(json.loads(text) == item)
    return kind == "i" and text == str(index)


def owned_part(obj: Object, managers: tuple[str, ...]) -> Object | None:
    """Return what some managers own of an object: what they have written, in the form in which the server keeps it.

    Args:
        obj: the object as the API has it.
        managers: the beginnings of their names.

    Returns:
        the part, with what says which object it is; None where they own nothing, or the server doesn't know who does.
    """
    trees = [e.get("fieldsV1") or {} for e in _entries(obj) if str(e.get("manager")).startswith(managers)]
    part = _part(obj, reduce(union, trees)) if trees else None
    if not part:
        return None
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
    return {**part, **{key: obj[key] for key in _TYPE}, "metadata": {**part.get("metadata", {}), **metadata}}


def without_defaults(obj: Object, noted: Object) -> Object:
    """Return an object without the fields that nobody owns: those are defaults of the server.

    Server-side apply notes exactly what was written. A program that creates an object in any other way owns the
    defaults, too: nothing tells them from what it wrote, and they stay.

    Args:
        obj: the object; its type and its metadata stay.
        noted: the same object with its managedFields; where the server noted no owners, all of it stays.
    """
    trees: list[Object] = [entry["fieldsV1"] for entry in _entries(noted) if entry.get("fieldsV1")]
    tree = reduce(union, trees) if trees else {}
    if not any(key.startswith("f:") and key != "f:metadata" for key in tree):
        return obj
    kept = (*_TYPE, "metadata")
    return {
        key: value if key in kept else _part(value, tree[f"f:{key}"])
        for key, value in obj.items()
        if key in kept or f"f:{key}" in tree
    }


def union(one: Object, other: Object) -> Object:
    """Return the union of two sets of fields in the form of `fieldsV1`.

    An empty map is a field that is owned itself. In a map that isn't empty, `.` says the same of the field, besides
    those below it.
    """
    if not one and not other:
        return {}
    one, other = one or {".": {}}, other or {".": {}}
    return {
        key: union(one[key], other[key]) if key in one and key in other else one.get(key, other.get(key))
        for key in {**one, **other}
    }


def _part(value: Any, fields: Object) -> Any:
    """Return what of a value a tree of owned fields names; a leaf of the tree is owned with everything below it."""
    if not fields:
        return value
    if isinstance(value, dict):
        return {key: _part(item, fields[f"f:{key}"]) for key, item in value.items() if f"f:{key}" in fields}
    if not isinstance(value, list):
        return value
    found = []
    for index, item in enumerate(value):
        below = next((fields[key] for key in fields if key != "." and _names(key, item, index)), None)
        if below is not None:
            found.append(_part(item, below))
    return found
