"""The fields of an object that somebody owns (metadata.managedFields): all others are defaults of the server.

Server-side apply notes exactly what was written. A program that creates an object in any other way owns the defaults,
too: nothing tells them from what it wrote, and they stay.
"""

from __future__ import annotations

import json
from typing import Any

from flotilla.kube.objects import Object


def owned(obj: Object, noted: Object) -> Object:
    """Return an object without the fields that nobody owns; as it is where the server noted no owners.

    Args:
        obj: the object; what identifies it and its metadata stay.
        noted: the same object with its managedFields.
    """
    entries = [one for one in noted["metadata"].get("managedFields") or [] if one.get("subresource") != "status"]
    trees = [one["fieldsV1"] for one in entries if one.get("fieldsV1")]
    fields = {key for tree in trees for key in tree if key != "f:metadata"}
    if not fields:
        return obj
    kept = ("apiVersion", "kind", "metadata")
    return {
        key: value if key in kept else _owned(value, [tree[f"f:{key}"] for tree in trees if f"f:{key}" in tree])
        for key, value in obj.items()
        if key in kept or f"f:{key}" in fields
    }


def _owned(value: Any, trees: list[Any]) -> Any:
    """Return what of a value is in any of some trees of fields; a tree without branches means all of it."""
    branches = [tree for tree in trees if isinstance(tree, dict) and tree]
    if len(branches) < len(trees) or not trees:
        return value
    if isinstance(value, dict):
        below = {key: [tree[f"f:{key}"] for tree in branches if f"f:{key}" in tree] for key in value}
        return {key: _owned(value[key], found) for key, found in below.items() if found}
    if isinstance(value, list):
        found = [(item, [tree[key] for tree in branches for key in tree if _means(key, item)]) for item in value]
        known = all(isinstance(item, dict) for item in value)
        return [_item(item, below) for item, below in found if below] if known else value
    return value


def _item(item: Any, trees: list[Any]) -> Any:
    """Return an entry of a list; it may be in a tree with nothing but itself."""
    inner = [{key: below for key, below in tree.items() if key != "."} for tree in trees if isinstance(tree, dict)]
    return _owned(item, [tree for tree in inner if tree] or [{}])


def _means(key: str, item: Any) -> bool:
    """Tell whether a branch is for an entry of a list, by its key fields; by its place or value it is for any."""
    kind, _, text = key.partition(":")
    if kind != "k":
        return kind in ("v", "i")
    wanted = json.loads(text)
    return isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items())
