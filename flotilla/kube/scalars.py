"""The values of YAML scalars as Kubernetes tools read them: the rules of sigs.k8s.io/yaml (go-yaml v2).

They include the booleans, octal numbers and merge keys of YAML 1.1, but not its times and dates, which stay texts.
Values are those of the JSON that Go writes: a whole number is an integer, even if it was written as a float.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Decimal

TAGS = "tag:yaml.org,2002:"
Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_MEANT = frozenset("0123456789+-.yYnNtTfFoO~")
"""The first characters of words that may be something other than texts."""
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOT_FLOAT = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}"
    r"([Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d{2}:\d{2})| \d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?)?",
    re.ASCII,
)
_INTEGERS = (
    (re.compile(r"0[xX][0-9a-fA-F]+"), 16),
    (re.compile(r"0[oO][0-7]+"), 8),
    (re.compile(r"0(b[-+]?|B)[01]+"), 2),
    (re.compile(r"0[0-7]+"), 8),
    (re.compile(r"0|[1-9][0-9]*"), 10),
)
_LOWEST, _HIGHEST, _HIGHEST_KEY = -(2**63), 2**64 - 1, 2**63 - 1
_LONGEST_NUMBER = 400
_WHOLE_BELOW = 1e18
_SMALLEST_PLAIN, _LARGEST_PLAIN = -4, 5
"""The powers of ten that Go's %g writes without an exponent."""


class ScalarError(ValueError):
    """A scalar that does not fit its tag, or that JSON can't represent."""


def resolve(word: str, tag: str | None, *, plain: bool) -> Scalar:
    """Return the value of a scalar: a text, an integer, a float (which may be infinite), a boolean or None.

    Args:
        word: the text after YAML's escapes and folding.
        tag: the full tag; None if no tag is written.
        plain: whether the scalar is neither quoted nor a block.

    Raises:
        ScalarError: the tag isn't known or doesn't fit the value.
    """
    if tag is None:
        return _meaning(word) if plain else word
    kind = tag.removeprefix(TAGS) if tag.startswith(TAGS) else ""
    if kind == "str" or tag == "!":
        return word
    if kind == "binary":
        return _decoded(word)
    if kind == "timestamp":
        if not _DATE.fullmatch(word):
            raise ScalarError("the tag !!timestamp is on a value that is not a time")
        return word
    value = _meaning(word)
    if not _fits(kind, value):
        known = "" if kind in ("bool", "int", "float", "null") else "; known ones are those of YAML, such as !!str"
        raise ScalarError(f"the tag {_short(tag)} is not supported, or doesn't fit its value{known}")
    return float(value) if kind == "float" and isinstance(value, int) else value


def finite(value: float) -> int | float:
    """Return a number as JSON has it: whole numbers as integers.

    Raises:
        ScalarError: the value is infinite or NaN.
    """
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN differs from itself
        raise ScalarError("infinity or NaN, which JSON has no number for: quote it if it is a text")
    if value.is_integer() and abs(value) < _WHOLE_BELOW:
        return int(Decimal(repr(value)))  # the shortest digits, as Go writes them
    return value


def key(value: Scalar) -> str:
    """Return the JSON key for a scalar.

    Raises:
        ScalarError: the scalar can't be a key.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_key(value)
    if value is None:
        raise ScalarError("a key is empty (null): quote it if it is a text")
    if value > _HIGHEST_KEY:
        raise ScalarError("a key is too large a number: quote it")
    return str(value)


def _meaning(word: str) -> Scalar:
    """Return the value of an unquoted word; infinity and NaN are floats."""
    first = word[:1]
    if first and first not in _MEANT:
        return word
    if word in _WORDS:
        return _WORDS[word]
    if first == ".":
        return _float(word.replace("_", ""), otherwise=word) if _DOT_FLOAT.fullmatch(word) else word
    if first not in "0123456789+-" or len(word) > _LONGEST_NUMBER:
        return word
    digits = word.replace("_", "")
    integer = _integer(digits)
    if integer is not None and _LOWEST <= integer <= _HIGHEST:
        return integer
    return _float(digits, otherwise=word) if _FLOAT.fullmatch(digits) else word


def _integer(digits: str) -> int | None:
    sign = -1 if digits[:1] == "-" else 1
    unsigned = digits[1:] if digits[:1] in ("-", "+") else digits
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(unsigned):
            body = unsigned if base in (10, 16) or unsigned[1:2] not in "oObB" else unsigned[2:]
            return sign * int(body, base)
    return None


def _float(digits: str, otherwise: str | None = None) -> float | str:
    value = float(digits)
    return value if abs(value) != float("inf") else otherwise or digits  # out of range: a text, as in Go


def _fits(kind: str, value: Scalar) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "null":
        return value is None
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return kind == "float" and isinstance(value, int | float) and not isinstance(value, bool)


def _decoded(word: str) -> str:
    try:
        return base64.b64decode("".join(word.split()), validate=True).decode()
    except binascii.Error:
        raise ScalarError("the value of !!binary is not base64") from None
    except UnicodeDecodeError:
        raise ScalarError(
            "the value of !!binary is not text once it is decoded: remove the tag if base64 is wanted"
        ) from None


def _short(tag: str) -> str:
    short = tag.replace(TAGS, "!!", 1) if tag.startswith(TAGS) else tag
    return repr(short[:40])


def _float_key(value: float) -> str:
    """Return a float key as Go writes it: with the shortest digits of a 32-bit float."""
    if value != value:  # noqa: PLR0124 - NaN differs from itself
        return ".nan"
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = float("inf") if value > 0 else float("-inf")
    if abs(single) == float("inf"):
        return ".inf" if single > 0 else "-.inf"
    if single == 0:
        return "-0" if math.copysign(1, single) < 0 else "0"
    digits = next(
        text
        for text in (f"{single:.{n}e}" for n in range(10))
        if struct.pack("f", float(text)) == struct.pack("f", single)
    )
    mantissa, _, exponent = digits.partition("e")
    power = int(exponent)
    if not _SMALLEST_PLAIN <= power <= _LARGEST_PLAIN:
        return f"{mantissa}e{'+' if power >= 0 else '-'}{abs(power):02d}"
    return format(Decimal(digits), "f")
