"""Small pure functions on Kubernetes objects as plain dicts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, cast

from flotilla.kube.quantities import parse_quantity
from flotilla.kube.shapes import PLAIN, Key, Shape

T = TypeVar("T")
PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})
"""The types of values that contain no other values."""
Object = dict[str, Any]
_SERVER_METADATA = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")


class ObjectRef(NamedTuple):
    """A reference that identifies an object in the API."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


def ref_of(obj: Object) -> ObjectRef:
    """Return the reference of an object; the namespace is '' if the object has none."""
    meta = obj.get("metadata") or {}
    return ObjectRef(obj["apiVersion"], obj["kind"], meta.get("name", ""), meta.get("namespace") or "")


def declarable(live: Object) -> Object:
    """Return the fields of an object that a user can declare: all except the status and the server's metadata."""
    metadata = {key: value for key, value in live["metadata"].items() if key not in _SERVER_METADATA}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}


def condition(obj: Object, kind: str) -> Object | None:
    """Return the status condition of the given type; None if the object does not have it."""
    for entry in (obj.get("status") or {}).get("conditions") or []:
        if entry.get("type") == kind:
            return dict(entry)
    return None


def is_true(obj: Object, kind: str) -> bool:
    """Return whether the object has the status condition of the given type, and it is True."""
    found = condition(obj, kind)
    return bool(found and found.get("status") == "True")


def is_base64(text: str) -> bool:
    """Return whether a text is base64, as the API accepts it: with or without line breaks."""
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


Path = tuple[str | int, ...]


class Item(NamedTuple):
    """A step of a path to an element that is identified by a merge key."""

    place: int
    """The index in the actual list; -1 if the list does not have the element."""
    key: str
    """The values of the key fields, such as `web` or `80/TCP`."""


def copied(value: T) -> T:
    """Return a deep copy of plain data. `copy.deepcopy` takes many times as long."""
    return cast("T", _copy(value))


def _copy(value: Any) -> Any:
    # Most values are scalars: they are recognised without a call, since a chart has tens of thousands of them.
    if isinstance(value, dict):
        return {key: entry if entry.__class__ in PLAIN_TYPES else _copy(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [entry if entry.__class__ in PLAIN_TYPES else _copy(entry) for entry in value]
    return value


def key_text(key: Key) -> str:
    """Return the key of a list's element as text: `web`, `80/TCP`."""
    return "/".join(str(part) for part in key)


KeyedPath = tuple[str | int | Item, ...]
"""A path whose steps may name elements by their keys."""


def path_text(path: KeyedPath) -> str:
    """Return a path as Pulumi writes it: `spec.replicas`, `labels["a/b"]`, `containers[0]`, `containers[web]`."""
    text = ""
    for step in path:
        if isinstance(step, Item):
            text += f"[{step.key}]"
        elif isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def pointer_text(path: KeyedPath) -> str:
    """Return a path as a JSON pointer (RFC 6901), in which an element with a merge key is named by the key."""
    steps = (step.key if isinstance(step, Item) else str(step) for step in path)
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


class Difference(NamedTuple):
    """One field whose value differs from the wanted one."""

    path: KeyedPath
    wanted: Any
    found: Any

    @property
    def text(self) -> str:
        """The path as text."""
        return path_text(self.path)


def differences(wanted: Any, actual: Any, path: KeyedPath = (), shape: Shape = PLAIN) -> list[Difference]:
    """Return the fields of `wanted` that `actual` lacks or has with another value.

    Fields that are only in `actual` are ignored: the API server, controllers and other managers own them. An empty
    map or list equals a missing one, and quantities are compared by value ("0.5" is "500m").

    Args:
        wanted: the wanted value.
        actual: the current value.
        path: the path of both, which the result's paths start with.
        shape: the shape of their lists (`flotilla.kube.merge_keys`). If a list has keys, its elements are compared by
            key in any order, and elements that are only in `actual` are ignored. Without keys, lists are compared
            element by element.
    """
    if isinstance(wanted, dict):
        found = []
        for key, value in wanted.items():
            current = actual.get(key) if isinstance(actual, dict) else None
            found += differences(value, current, (*path, str(key)), shape.of(str(key)))
        return found
    if isinstance(wanted, list):
        return _of_list(wanted, actual, path, shape)
    if wanted == actual or (wanted is None and not actual) or _same_quantity(wanted, actual):
        return []
    if shape.unfilled(wanted):
        return []
    return [Difference(path, wanted, actual)]


def _of_list(wanted: list[Any], actual: Any, path: KeyedPath, shape: Shape) -> list[Difference]:
    if not wanted and not actual:
        return []
    if not isinstance(actual, list):
        return [Difference(path, wanted, actual)]
    if shape.as_set:
        return _of_set(wanted, actual, path, shape)
    keyed = shape.by_key(wanted)
    if keyed is not None:
        return _of_keyed(keyed, actual, path, shape)
    if len(actual) != len(wanted):
        return [Difference(path, wanted, actual)]
    return [d for i, value in enumerate(wanted) for d in differences(value, actual[i], (*path, i), shape.elements)]


def _of_keyed(wanted: Mapping[Key, Any], actual: list[Any], path: KeyedPath, shape: Shape) -> list[Difference]:
    """Compare elements by their keys; if `actual` has a key twice, both elements must equal the wanted one."""
    places: dict[Key | None, list[int]] = {}
    for index, element in enumerate(actual):
        places.setdefault(shape.key_of(element), []).append(index)
    found: list[Difference] = []
    for key, element in wanted.items():
        name = key_text(key)
        if key not in places:
            found.append(Difference((*path, Item(-1, name)), element, None))
            continue
        compared = (
            differences(element, actual[index], (*path, Item(index, name)), shape.elements) for index in places[key]
        )
        found += next((different for different in compared if different), [])
    return found


def _of_set(wanted: list[Any], actual: list[Any], path: KeyedPath, shape: Shape) -> list[Difference]:
    missing = [one for one in wanted if not any(not differences(one, other, (), shape.elements) for other in actual)]
    return [Difference(path, missing, actual)] if missing else []


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
        return parse_quantity(one) == parse_quantity(other)
    except ValueError:
        return False


def whole(value: Any) -> Any:
    """Return a value with whole floats as integers, at any depth: Pulumi's protocol turns 2 into 2.0."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
