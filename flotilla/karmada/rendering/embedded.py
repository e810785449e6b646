"""JSON and YAML inside a text field, patched as Karmada does (fieldOverrider, from 1.12): down to the text's form.

The text that comes out is the one that Go's libraries write (evanphx/json-patch for JSON, sigs.k8s.io/yaml for YAML),
because a Work holds that very text.
"""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

import yaml

from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.patches import apply_patch
from flotilla.kube.scalars import resolve
from flotilla.kube.yaml import YamlError, load

Object = dict[str, Any]
_HTML = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?", re.ASCII)
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
_EXPONENT_FROM = 1e21
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


def override_field(obj: Object, step: Object) -> Object:
    """Return an object with one fieldOverrider applied.

    Raises:
        OverrideError: the path leads to no text, the text can't be read, or a patch doesn't fit it.
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
        raise OverrideError(what, "it is no text")
    return found


def _container(value: Any, what: str) -> Any:
    if not isinstance(value, dict | list):
        raise OverrideError(what, "it holds neither an object nor a list")
    return value


def _as_stored(value: Any) -> Any:
    """Return a patch's value as the API server gives it back: keys in order, whole numbers without a point."""
    if isinstance(value, dict):
        return {key: _as_stored(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_as_stored(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _EXPONENT_FROM else value


class _Number(float):
    """A number that is written as it was read."""

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
    """Return JSON as Go writes it: no spaces, keys as they come, `<`, `>` and `&` escaped."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(key)}:{json_text(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(entry) for entry in value) + "]"
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, float):
        return _float(value, plain=range(-6, 21), width=1)
    return json.dumps(value, ensure_ascii=False).translate(_HTML)


def yaml_text(value: Any) -> str:
    """Return YAML as sigs.k8s.io/yaml writes it: block style, keys in order, folded at 80 columns."""
    stream = io.StringIO()
    dumper = yaml.SafeDumper(stream, default_flow_style=False, allow_unicode=True, width=80, sort_keys=False)
    dumper.open()
    dumper.serialize(_node(value))
    dumper.close()
    return stream.getvalue()


_MAP, _SEQ, _STR = (f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str"))


def _node(value: Any) -> yaml.Node:
    if isinstance(value, dict):
        pairs = [(_node(key), _node(value[key])) for key in sorted(value, key=cmp_to_key(_compare))]
        return yaml.MappingNode(_MAP, pairs, flow_style=not pairs)
    if isinstance(value, list):
        return yaml.SequenceNode(_SEQ, [_node(entry) for entry in value], flow_style=not value)
    if isinstance(value, str):
        return yaml.ScalarNode(_STR, value, style=_style(value))
    if value is None or isinstance(value, bool):
        return _plain({None: "null", True: "true", False: "false"}[value])
    fits = isinstance(value, int) and _LOWEST <= value <= _HIGHEST
    return _plain(str(value) if fits else _float(float(value)))


def _plain(text: str) -> yaml.Node:
    """Return a scalar that is written without quotes, whatever PyYAML takes it for."""
    dumper: Any = yaml.SafeDumper(io.StringIO())
    tag = dumper.resolve(yaml.ScalarNode, text, (True, False))
    return yaml.ScalarNode(tag, text)


def _style(text: str) -> str | None:
    """Return how a text is quoted: what would mean something else without quotes gets double ones."""
    if "\n" in text:
        return "|"
    meant = resolve(text, None, plain=True)
    ambiguous = not isinstance(meant, str) or text == "<<" or _DATE.fullmatch(text) or _BASE_60.fullmatch(text)
    if ambiguous:
        return '"'
    return None


def _float(value: float, *, plain: range = range(-4, 6), width: int = 2) -> str:
    """Return a number as Go writes it with the fewest digits.

    Args:
        value: the number.
        plain: the powers of ten that are written without an exponent.
        width: the fewest digits of an exponent.
    """
    digits = Decimal(repr(value)).normalize()
    power = digits.adjusted()
    if value == 0 or power in plain:
        return format(digits, "f")
    mantissa = format(digits.scaleb(-power), "f")
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):0{width}d}"


def _compare(one: str, other: str) -> int:
    """Order keys as go-yaml does: letters after all else, digits by the number that they make."""
    if one == other:
        return 0
    return -1 if _less(one, other) else 1


def _less(one: str, other: str) -> bool:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a == b:
            continue
        if a.isalpha() and b.isalpha():
            return a < b
        if a.isalpha() or b.isalpha():
            return b.isalpha()
        first, second = (re.match(r"[0-9]*", text[place:]) for text in (one, other))
        digits = (first[0] if first else "", second[0] if second else "")
        lead = "0" in (a, b) and bool(re.search(r"[1-9][0-9]*$", one[:place]))
        numbers = tuple(int(("1" if lead else "") + found or "0") for found in digits)
        if numbers[0] != numbers[1]:
            return numbers[0] < numbers[1]
        if len(digits[0]) != len(digits[1]):
            return len(digits[0]) < len(digits[1])
        return a < b
    return len(one) < len(other)
