"""Differences between property values, by path, as in Pulumi's detailed diff."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flotilla.kube.objects import Path, path_text
from flotilla.state.values import UNKNOWN, Secret


class ChangeKind(StrEnum):
    """The kind of a property's change (plugin.DiffKind)."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """The change of one property."""

    path: Path
    kind: ChangeKind
    old: Any = None
    new: Any = None
    replaces: bool = False

    @property
    def text(self) -> str:
        """The path as Pulumi writes it: `spec.replicas`, `metadata.labels["a/b"]`, `zones[0]`."""
        return path_text(self.path)


@dataclass(frozen=True)
class Diff:
    """The changes of an update; it is a replacement if any change requires one."""

    changes: tuple[Change, ...] = ()
    delete_before_replace: bool = False
    moved: bool = False
    """Whether the resource belongs to another provider now, and so to another cluster."""

    @property
    def replaces(self) -> bool:
        """Return whether the resource can't be changed in place."""
        return self.moved or any(change.replaces for change in self.changes)


def parse_path(text: str) -> Path:
    """Parse a path in the format of Pulumi's options: dots, brackets, quoted keys, `*` for any step."""
    steps: list[str | int] = []
    for quoted, index, name in re.findall(r'\["([^"]*)"\]|\[(\d+|\*)\]|([^.\[\]]+)', text):
        steps.append(quoted or (int(index) if index.isdigit() else index) if (quoted or index) else name)
    return tuple(steps)


def path_matches(pattern: Path, path: Path) -> bool:
    """Return whether a pattern equals a path or a prefix of it; `*` matches any step."""
    if len(pattern) > len(path):
        return False
    return all(p in ("*", step) for p, step in zip(pattern, path, strict=False))


def compare(old: Any, new: Any, path: Path = ()) -> list[Change]:
    """Return the changes from old to new. The content of secrets is compared; the mark alone isn't a change."""
    if not path and _identical(old, new):
        return []
    one = old.value if isinstance(old, Secret) else old
    other = new.value if isinstance(new, Secret) else new
    if isinstance(one, dict) and isinstance(other, dict):
        changes = []
        for key in sorted({*one, *other}):
            changes += _compare_entry(one, other, key, (*path, key))
        return _sealed(changes, old, new)
    if isinstance(one, list) and isinstance(other, list):
        pairs = range(max(len(one), len(other)))
        left, right = dict(enumerate(one)), dict(enumerate(other))
        changes = [change for i in pairs for change in _compare_entry(left, right, i, (*path, i))]
        return _sealed(changes, old, new)
    if other is not UNKNOWN and _same(one, other):
        return []
    return [Change(path, ChangeKind.UPDATE, old, new)]


def _identical(old: Any, new: Any) -> bool:
    """Return whether two values have equal JSON. It is a fast check, and most values are equal.

    Values with marks have no JSON, and numbers such as 1 and 1.0 differ in it; those need the full comparison.
    """
    if old.__class__ is not dict or new.__class__ is not dict or len(old) != len(new):
        return False
    try:
        return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    except (TypeError, ValueError):
        return False


def _compare_entry(one: dict[Any, Any], other: dict[Any, Any], key: Any, path: Path) -> list[Change]:
    if other.get(key) is None and one.get(key) is None:
        return []
    if one.get(key) is None:
        return [Change(path, ChangeKind.ADD, None, other[key])]
    if other.get(key) is None:
        return [Change(path, ChangeKind.DELETE, one[key], None)]
    return compare(one[key], other[key], path)


def _sealed(changes: list[Change], old: Any, new: Any) -> list[Change]:
    """Mark the values of the changes as secret if they were inside a secret."""
    if not isinstance(old, Secret) and not isinstance(new, Secret):
        return changes
    return [Change(c.path, c.kind, _seal_one(c.old), _seal_one(c.new), c.replaces) for c in changes]


def _seal_one(value: Any) -> Any:
    return value if value is None or isinstance(value, Secret) else Secret(value)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other)
