"""Patches of JSON and YAML inside a text field (fieldOverrider, since 1.12), with the exact text that Karmada writes.

The result has the form of Go's libraries (evanphx/json-patch for JSON, sigs.k8s.io/yaml for YAML), because a Work
contains exactly this text.
"""

from __future__ import annotations

import json
from typing import Any

from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.patches import apply_patch
from flotilla.karmada.rendering.yaml_text import shortest, yaml_text
from flotilla.kube.yaml import YamlError, load

Object = dict[str, Any]
_HTML = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})
_EXPONENT_FROM = 1e21


def override_field(obj: Object, step: Object) -> Object:
    """Return an object with one fieldOverrider applied.

    Raises:
        OverrideError: the path leads to no text, the text can't be parsed, or a patch doesn't fit it.
    """
    path = str(step["fieldPath"])
    what = f"the text at {path}"
    text = _text_at(obj, path, what)
    kind = "yaml" if step.get("yaml") else "json"
    steps = [(str(one["operator"]), str(one["subPath"]), _as_stored(one.get("value"))) for one in step.get(kind) or []]
    if kind == "yaml":
        try:
            result = yaml_text(apply_patch(_container(load(text), what), steps))
        except YamlError as error:
            raise OverrideError(what, f"it can't be read as YAML ({error.problem})") from None
    else:
        result = json_text(apply_patch(_container(_read_json(text, what), what), steps)) if text else ""
    return dict(apply_patch(obj, [("replace", path, result)]))


def _text_at(obj: Object, path: str, what: str) -> str:
    found: Any = obj
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise OverrideError(what, "the object has no such field")
    if not isinstance(found, str):
        raise OverrideError(what, "it isn't a text")
    return found


def _container(value: Any, what: str) -> Any:
    if not isinstance(value, dict | list):
        raise OverrideError(what, "it is neither an object nor a list")
    return value


def _as_stored(value: Any) -> Any:
    """Return a patch's value as the API server returns it: sorted keys, whole numbers without a decimal point."""
    if isinstance(value, dict):
        return {key: _as_stored(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_as_stored(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXPONENT_FROM else value


class _Number(float):
    """A number that keeps the form in which it was read."""

    text: str


def _number(text: str) -> _Number:
    number = _Number(text)
    number.text = text
    return number


def _read_json(text: str, what: str) -> Any:
    def refused(_: str) -> Any:
        raise ValueError

    try:
        return json.loads(text, parse_float=_number, parse_constant=refused)
    except (ValueError, RecursionError):
        raise OverrideError(what, "it can't be read as JSON") from None


def json_text(value: Any) -> str:
    """Return JSON as Go writes it: no spaces, keys in their given order, `<`, `>` and `&` escaped."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(key)}:{json_text(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(entry) for entry in value) + "]"
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, float):
        return shortest(value, plain=range(-6, 21), width=1)
    return json.dumps(value, ensure_ascii=False).translate(_HTML)
