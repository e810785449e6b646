"""Small pure questions about Kubernetes objects held as plain dicts."""

from __future__ import annotations

import base64
import binascii
import re
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


def is_base64(text: str) -> bool:
    """Tell whether a text is base64, as the API takes it: with line breaks in it or without."""
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


Path = tuple[str | int, ...]


def path_text(path: Path) -> str:
    """Write a path as Pulumi does: `spec.replicas`, `metadata.labels["a/b"]`, `containers[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


class Difference(NamedTuple):
    """One field that doesn't hold what was asked for."""

    path: Path
    wanted: Any
    found: Any

    @property
    def text(self) -> str:
        """The path as text."""
        return path_text(self.path)


def differences(wanted: Any, actual: Any, path: Path = ()) -> list[Difference]:
    """Return where `actual` doesn't hold what `wanted` asks for.

    Fields that are only in `actual` don't count: the API server, controllers and other managers own them. An empty
    map or list is the same as a missing one, and quantities are compared by value ("0.5" is "500m").
    """
    if isinstance(wanted, dict):
        found = []
        for key, value in wanted.items():
            held = actual.get(key) if isinstance(actual, dict) else None
            found += differences(value, held, (*path, str(key)))
        return found
    if isinstance(wanted, list):
        if not wanted and not actual:
            return []
        if not isinstance(actual, list) or len(actual) != len(wanted):
            return [Difference(path, wanted, actual)]
        return [d for i, value in enumerate(wanted) for d in differences(value, actual[i], (*path, i))]
    if wanted == actual or (wanted is None and not actual) or _same_quantity(wanted, actual):
        return []
    return [Difference(path, wanted, actual)]


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


def whole(value: Any) -> Any:
    """Return a value with whole numbers as such, however deep they are: Pulumi's protocol makes 2.0 of 2."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
