"""JSON patches as Karmada applies them (github.com/evanphx/json-patch/v5 with its default options).

The `jsonpatch` package can't be used here. It rejects some patches that Karmada's library accepts (a negative index,
`01`), and accepts some that this library rejects. It also quotes the object in its errors, and that may be a Secret.
"""

from __future__ import annotations

import re
from typing import Any

from flotilla.karmada.rendering.errors import OverrideError
from flotilla.kube.objects import copied

_MISSING = "the object has no such field"
_INDEX = re.compile(r"[+-]?[0-9]+", re.ASCII)


def apply_patch(document: Any, steps: list[tuple[str, str, Any]]) -> Any:
    """Return a document with the steps applied in order; the given document isn't changed.

    Args:
        document: a JSON object or array.
        steps: operator (add, replace or remove), path, and value (ignored for remove).

    Raises:
        OverrideError: a step doesn't fit; no step is applied then.
    """
    result = copied(document)
    for operator, path, value in steps:
        try:
            result = _apply(result, operator, path, value)
        except _Unfit as error:
            raise OverrideError(f"{operator} {path}", str(error)) from None
    return result


class _Unfit(Exception):
    """A step that doesn't fit, with the reason."""


def _apply(document: Any, operator: str, path: str, value: Any) -> Any:
    if path == "" and operator != "remove":
        if not isinstance(value, dict | list):
            raise _Unfit("the whole object can only be replaced by an object or a list")
        return copied(value)
    # Karmada's library ignores everything before the first slash.
    _, *parts = [part.replace("~1", "/").replace("~0", "~") for part in (path or "/").split("/")]
    if not parts:
        raise _Unfit("the path doesn't begin with /")
    container = document
    for part in parts[:-1]:
        container = _get(container, part) if part else None  # Karmada's library finds nothing under an empty key
        if not isinstance(container, dict | list):
            raise _Unfit(_MISSING)
    change = _change_list if isinstance(container, list) else _change_map
    change(container, operator, parts[-1], value)
    return document


def _change_map(container: dict[str, Any], operator: str, key: str, value: Any) -> None:
    # In Karmada's library, the empty key always exists for a replacement.
    if operator == "remove" or (operator == "replace" and key):
        _get(container, key)
    if operator == "remove":
        del container[key]
    else:
        container[key] = copied(value)


def _change_list(container: list[Any], operator: str, key: str, value: Any) -> None:
    if operator == "add":
        place = len(container) if key == "-" else _index(key, len(container) + 1)
        container.insert(place, copied(value))
    elif operator == "replace":
        container[_index(key, len(container))] = copied(value)
    else:
        del container[_index(key, len(container))]


def _get(container: Any, key: str) -> Any:
    if isinstance(container, list):
        return container[_index(key, len(container))]
    if key not in container:
        raise _Unfit(_MISSING)
    return container[key]


def _index(key: str, length: int) -> int:
    """Return a position in a list; a negative one counts from the end."""
    if not _INDEX.fullmatch(key):
        raise _Unfit(f"{key!r} isn't a position in a list")
    place = int(key)
    if not -length <= place < length:
        raise _Unfit("the list has no such entry")
    return place + length if place < 0 else place
