"""The owners of fields, from the API server's record of every write (metadata.managedFields)."""

from __future__ import annotations

import json
from functools import reduce
from typing import Any, NamedTuple

from flotilla.kube.objects import Item, KeyedPath, Object

_TYPE = ("apiVersion", "kind")


class Writer(NamedTuple):
    """A field manager and the time of its last write (RFC 3339); both are empty if the server has no record."""

    manager: str = ""
    time: str = ""


def last_writer(obj: Object, path: KeyedPath) -> Writer:
    """Return the owner of the field at `path`; of several owners the one who wrote last.

    A removed field has no owner; then the result is the last writer of any field outside the status.
    """
    entries = _entries(obj)
    owners = [e for e in entries if _owns(e.get("fieldsV1") or {}, path, obj)]
    return _latest(owners or entries)


def writers(obj: Object) -> list[Writer]:
    """Return all writers of an object's fields outside the status, each with the time of the last write."""
    return [_writer(entry) for entry in _entries(obj)]


def writer_of_change(before: Object, after: Object) -> Writer:
    """Return the writer who changed an object from one state to another: its fields or its write time increased.

    A writer that only removes another's fields owns no more fields than before. Then the result is the last writer
    among the remaining ones.
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
    """Return all paths in a tree of owned fields, including the inner ones."""
    if not isinstance(fields, dict):
        return set()
    return {path, *(leaf for key, below in fields.items() for leaf in _leaves(below, f"{path}/{key}"))}


def _latest(entries: list[Object]) -> Writer:
    latest = max(entries, key=lambda e: str(e.get("time", "")), default=None)
    return _writer(latest) if latest else Writer()


def _writer(entry: Object) -> Writer:
    return Writer(str(entry.get("manager", "")), str(entry.get("time", "")))


def _owns(fields: Object, path: KeyedPath, value: Any) -> bool:
    """Follow a path through a tree of owned fields; the owner of an atomic value owns everything below it."""
    if not path:
        return True
    if not fields:
        return True
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        below = fields.get(f"f:{step}")
        entry = value.get(step) if isinstance(value, dict) else None
        return below is not None and _owns(below, rest, entry)
    place = step.place if isinstance(step, Item) else step
    entry = value[place] if isinstance(value, list) and 0 <= place < len(value) else None
    return any(_owns(below, rest, entry) for key, below in fields.items() if _names(key, entry, place))


def _names(key: str, item: Any, index: int) -> bool:
    """Return whether a key of the tree refers to this item of a list: by its key fields, its value or its index."""
    kind, _, text = key.partition(":")
    if kind == "k":
        wanted = json.loads(text)
        return isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items())
    if kind == "v":
        return bool(json.loads(text) == item)
    return kind == "i" and text == str(index)


def owned_part(obj: Object, managers: tuple[str, ...]) -> Object | None:
    """Return the part of an object that some managers own: the fields that they wrote, as the server stores them.

    Args:
        obj: the object as read from the API server.
        managers: the prefixes of the managers' names.

    Returns:
        The part, with apiVersion, kind, name and namespace; None if they own nothing or the server has no record.
    """
    trees = [e.get("fieldsV1") or {} for e in _entries(obj) if str(e.get("manager")).startswith(managers)]
    part = _part(obj, reduce(union, trees)) if trees else None
    if not part:
        return None
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
    return {**part, **{key: obj[key] for key in _TYPE}, "metadata": {**part.get("metadata", {}), **metadata}}


def without_defaults(obj: Object, recorded: Object) -> Object:
    """Return an object without the fields that no manager owns, which are defaults of the server.

    For server-side apply, the server records exactly the written fields. A program that creates an object in another
    way becomes the owner of the defaults too. They can't be distinguished from what it wrote, so they stay.

    Args:
        obj: the object; its type and its metadata stay.
        recorded: the same object with its managedFields. If they name no owners, the whole object stays.
    """
    trees: list[Object] = [entry["fieldsV1"] for entry in _entries(recorded) if entry.get("fieldsV1")]
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
    """Return the union of two sets of fields in the format of `fieldsV1`.

    An empty map means that the field itself is owned. In a map that isn't empty, the key `.` means the same; the other
    keys are the owned fields below it.
    """
    if not one and not other:
        return {}
    one, other = one or {".": {}}, other or {".": {}}
    return {
        key: union(one[key], other[key]) if key in one and key in other else one.get(key, other.get(key))
        for key in {**one, **other}
    }


def _part(value: Any, fields: Object) -> Any:
    """Return the part of a value that a tree of owned fields names; a leaf of the tree includes everything below it."""
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
