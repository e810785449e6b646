"""Differences between property values, by path, as Pulumi's detailed diff has them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flotilla.kube.objects import Path, path_text
from flotilla.state.values import UNKNOWN, Secret


class ChangeKind(StrEnum):
    """What happens to a property (plugin.DiffKind)."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One property that changes."""

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
    """What an update would change; a replacement where any change needs one."""

    changes: tuple[Change, ...] = ()
    delete_before_replace: bool = False
    moved: bool = False
    """It belongs to another provider now, so to another place."""

    @property
    def replaces(self) -> bool:
        """Tell whether the resource can't be changed in place."""
        return self.moved or any(change.replaces for change in self.changes)


def parse_path(text: str) -> Path:
    """Read a path as Pulumi's options take it: dots, brackets, quoted keys, `*` for any."""
    steps: list[str | int] = []
    for quoted, index, name in re.findall(r'\["([^"]*)"\]|\[(\d+|\*)\]|([^.\[\]]+)', text):
        steps.append(quoted or (int(index) if index.isdigit() else index) if (quoted or index) else name)
    return tuple(steps)


def path_matches(pattern: Path, path: Path) -> bool:
    """Tell whether a pattern covers a path: it is the same or leads to it, `*` standing for any step."""
    if len(pattern) > len(path):
        return False
    return all(p in ("*", step) for p, step in zip(pattern, path, strict=False))


def compare(old: Any, new: Any, path: Path = ()) -> list[Change]:
    """Return the changes from old to new. A secret's content is compared, its mark isn't a change."""
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
    """Tell whether two values are the same plain data, as their JSON says: most are, and this is found out fast.

    What has marks in it has no JSON. Other forms of one number, 1 and 1.0, are for the long way.
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
    """Keep what was inside a secret a secret in the changes, too."""
    if not isinstance(old, Secret) and not isinstance(new, Secret):
        return changes
    return [Change(c.path, c.kind, _seal_one(c.old), _seal_one(c.new), c.replaces) for c in changes]


def _seal_one(value: Any) -> Any:
    return value if value is None or isinstance(value, Secret) else Secret(value)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other)
