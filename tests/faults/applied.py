"""A simple server-side apply for tests of field owners: maps are merged, lists are atomic."""

from __future__ import annotations

import copy
from typing import Any

Object = dict[str, Any]
_Paths = frozenset[tuple[str, ...]]
_IDENTITY = (("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid"), ("metadata", "resourceVersion"))


def applied(old: Object | None, body: Object, manager: str) -> Object:
    """Return an object after a forced apply, without dropped fields that only this manager owned."""
    wanted = frozenset(
        path for path in _leaves(body) if path not in _IDENTITY and path[0] not in ("apiVersion", "kind")
    )
    entries = ((old or {}).get("metadata") or {}).get("managedFields") or []
    if old is not None and not entries and (stored := _leaves(_bare(old))):
        entries = [_entry("before-first-apply", "Update", stored, body)]
    own = next((e for e in entries if (e["manager"], e["operation"]) == (manager, "Apply")), None)
    others = [e for e in entries if e is not own]
    theirs = frozenset(path for e in others for path in _paths(e["fieldsV1"]))
    result = copy.deepcopy(old or {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {}})
    for path in (_paths(own["fieldsV1"]) if own else frozenset()) - wanted - theirs:
        _put(result, path, None)
    for path in _leaves(body):
        if path not in _IDENTITY[2:]:
            _put(result, path, copy.deepcopy(_at(body, path)))
    kept = []
    for entry in others:  # a manager loses the fields whose value changes
        changed = {p for p in _paths(entry["fieldsV1"]) & wanted if _at(old or {}, p) != _at(body, p)}
        fields = _paths(entry["fieldsV1"]) - changed
        kept += [{**entry, "fieldsV1": _tree(fields)}] if fields else []
    mine = [_entry(manager, "Apply", wanted, body)] if wanted else []
    result["metadata"]["managedFields"] = [*kept, *mine]
    return result


def written(obj: Object, manager: str) -> Object:
    """Return an object whose fields a manager has written by create or update, as kubectl and karmadactl do."""
    fields = frozenset(p for p in _leaves(_bare(obj)) if p not in _IDENTITY and p[0] not in ("apiVersion", "kind"))
    entries = [_entry(manager, "Update", fields, obj)] if fields else []
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


def owners(obj: Object, *path: str) -> set[str]:
    """Return the managers that own a field."""
    wanted = tuple(f"f:{step}" for step in path)
    entries = obj["metadata"].get("managedFields") or []
    return {str(e["manager"]) for e in entries if wanted in _raw(e["fieldsV1"])}


def _bare(obj: Object) -> Object:
    meta = {k: v for k, v in obj["metadata"].items() if k in ("labels", "annotations")}
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": meta}


def _entry(manager: str, operation: str, paths: _Paths, obj: Object) -> Object:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": obj["apiVersion"],
        "fieldsType": "FieldsV1",
        "fieldsV1": _tree(paths),
        "time": "2026-01-01T00:00:00Z",
    }


def _leaves(value: Any, path: tuple[str, ...] = ()) -> _Paths:
    if isinstance(value, dict) and value:
        return frozenset(leaf for key, entry in value.items() for leaf in _leaves(entry, (*path, key)))
    return frozenset([path]) if path else frozenset()


def _raw(tree: Object, path: tuple[str, ...] = ()) -> _Paths:
    if not tree:
        return frozenset([path]) if path else frozenset()
    return frozenset(leaf for key, below in tree.items() if key != "." for leaf in _raw(below, (*path, key)))


def _paths(tree: Object) -> _Paths:
    return frozenset(tuple(step.removeprefix("f:") for step in path) for path in _raw(tree))


def _tree(paths: _Paths) -> Object:
    tree: Object = {}
    for path in sorted(paths):
        place = tree
        for step in path:
            place = place.setdefault(f"f:{step}", {})
    return tree


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _put(value: Object, path: tuple[str, ...], new: Any) -> None:
    for step in path[:-1]:
        if not isinstance(value.get(step), dict):
            value[step] = {}
        value = value[step]
    if new is None:
        value.pop(path[-1], None)
    else:
        value[path[-1]] = new
