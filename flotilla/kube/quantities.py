"""Kubernetes quantities in the canonical form that API servers store ("0.5" is "500m", "2048Mi" is "2Gi").

The rules are those of k8s.io/apimachinery/pkg/api/resource (Quantity.CanonicalizeBytes). The `kubernetes` package has
a parser too, but importing it loads the models of the whole API, which takes longer than the rest of `status`.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal, DecimalException
from typing import Any

_MAPS = frozenset({"limits", "requests", "hard", "capacity", "overhead"})
_SCALARS = frozenset({"sizeLimit"})
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_EXPONENT = re.compile(r"[eE][+-]?\d+$")
_STEP = 1024
_POWERS = {"n": -3, "u": -2, "m": -1, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_WITH_I = frozenset("KMGTPE")


def parse_quantity(quantity: str | float | Decimal) -> Decimal:
    """Return a quantity such as 200Mi, 500m or 1e3 as a number.

    Raises:
        ValueError: the text is not a quantity.
    """
    if isinstance(quantity, int | float | Decimal):
        return Decimal(quantity)
    text = str(quantity)
    binary = text.endswith("i") and text[-2:-1] in _POWERS
    number = text[:-2] if binary else text[:-1] if text[-1:] in _POWERS else text
    suffix = text[len(number) :]
    if binary and suffix[0] not in _WITH_I:
        raise ValueError(f"{text!r} has an unknown suffix")
    try:
        value = Decimal(number)
        return value * Decimal(_STEP if binary else 1000) ** _POWERS[suffix[0]] if suffix else value
    except DecimalException:
        raise ValueError(f"{text!r} is not a quantity") from None


def canonical(quantity: str | float) -> str:
    """Return a quantity as an API server stores it; a text that is not a quantity is returned unchanged."""
    text = str(quantity)
    if _EXPONENT.search(text):
        return text  # "1e3" keeps its form
    try:
        value = parse_quantity(text)
    except ValueError:
        return text
    if text.endswith("i") and abs(value) >= _STEP:
        return _binary(int(value.to_integral_value(ROUND_UP)))
    return _decimal(value.quantize(Decimal("1e-9"), ROUND_UP))


def _binary(value: int) -> str:
    power = 0
    while value % _STEP == 0 and power < len(_BINARY) - 1:
        value //= _STEP
        power += 1
    return f"{value}{_BINARY[power]}"


def _decimal(value: Decimal) -> str:
    if not value:
        return "0"
    sign, digits, exponent = value.normalize().as_tuple()
    mantissa, power = int("".join(map(str, digits))), int(exponent)
    while power % 3 or power not in _DECIMAL:
        mantissa, power = mantissa * 10, power - 1
    return f"{'-' if sign else ''}{mantissa}{_DECIMAL[power]}"


def canonicalized(value: Any) -> Any:
    """Return the spec of a built-in kind with all quantities in canonical form."""
    if isinstance(value, list):
        return [canonicalized(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {key: _entry(key, entry) for key, entry in value.items()}


def _entry(key: str, value: Any) -> Any:
    if key in _MAPS and isinstance(value, dict):
        return {name: canonical(one) if isinstance(one, str | int | float) else one for name, one in value.items()}
    if key in _SCALARS and isinstance(value, str | int | float):
        return canonical(value)
    return canonicalized(value)
