"""Who wrote a field last: what the API server notes of every write (metadata.managedFields)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from flotilla.kube.objects import Object, Path


class Writer(NamedTuple):
    """A field manager and the time of its last write (RFC 3339); both empty where the server doesn't know."""

    manager: str = ""
    time: str = ""


def last_writer(obj: Object, path: Path) -> Writer:
    """Return who holds the field at `path`; of several the latest.

    A field that was removed has no holder left: then who last wrote anything but the status.
    """
    entries = [e for e in (obj.get("metadata") or {}).get("managedFields") or [] if e.get("subresource") != "status"]
    holders = [e for e in entries if _holds(e.get("fieldsV1") or {}, path, obj)]
    latest = max(holders or entries, key=lambda e: str(e.get("time", "")), default=None)
    return Writer(str(latest.get("manager", "")), str(latest.get("time", ""))) if latest else Writer()


def _holds(fields: Object, path: Path, value: Any) -> bool:
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
    held = value[step] if isinstance(value, list) and step < len(value) else None
    return any(_holds(below, rest, held) for key, below in fields.items() if _names(key, held, step))


def _names(key: str, item: Any, index: int) -> bool:
    """Tell whether a key of the tree means this item of a list: by its key fields, its value or its place."""
    kind, _, text = key.partition(":")
    if kind == "k":
        wanted = json.loads(text)
        return isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items())
    if kind == "v":
        return bool(json.loads(text) == item)
    return kind == "i" and text == str(index)
