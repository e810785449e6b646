"""Small pure questions about Kubernetes objects held as plain dicts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from kubernetes.utils.quantity import parse_quantity

Object = dict[str, Any]


class ObjectRef(NamedTuple):
    """Which object: enough to find it through the API."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


def ref_of(obj: Object) -> ObjectRef:
    """Return the reference of an object; an object without a namespace has ''."""
    meta = obj.get("metadata") or {}
    return ObjectRef(obj["apiVersion"], obj["kind"], meta.get("name", ""), meta.get("namespace") or "")


def condition(obj: Object, kind: str) -> Object | None:
    """Return the status condition of the given type, if the object has it."""
    for entry in (obj.get("status") or {}).get("conditions") or []:
        if entry.get("type") == kind:
            return dict(entry)
    return None


def is_true(obj: Object, kind: str) -> bool:
    """Tell whether the status condition of the given type is there and True."""
    found = condition(obj, kind)
    return bool(found and found.get("status") == "True")


def differences(wanted: Any, actual: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Return where `actual` doesn't hold what `wanted` asks for: path, wanted value, actual value.

    Fields that are only in `actual` don't count: the API server, controllers and other managers own them. An empty
    map or list is the same as a missing one, and quantities are compared by value ("0.5" is "500m").
    """
    if isinstance(wanted, dict):
        found = []
        for key, value in wanted.items():
            held = actual.get(key) if isinstance(actual, dict) else None
            found += differences(value, held, f"{path}.{key}" if path else str(key))
        return found
    if isinstance(wanted, list):
        if not wanted and not actual:
            return []
        if not isinstance(actual, list) or len(actual) != len(wanted):
            return [(path, wanted, actual)]
        return [d for i, value in enumerate(wanted) for d in differences(value, actual[i], f"{path}[{i}]")]
    if wanted == actual or (wanted is None and not actual) or _same_quantity(wanted, actual):
        return []
    return [(path, wanted, actual)]


def _same_quantity(one: Any, other: Any) -> bool:
    if not (isinstance(one, str | int | float) and isinstance(other, str | int | float)):
        return False
    if (
        isinstance(one, bool)
        or isinstance(other, bool)
        or (isinstance(one, str) and isinstance(other, str) and not (one[:1].isdigit() and other[:1].isdigit()))
    ):
        return False
    try:
        return Decimal(parse_quantity(one)) == Decimal(parse_quantity(other))
    except ValueError:
        return False
