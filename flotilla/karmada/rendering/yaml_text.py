"""YAML exactly as Karmada writes it into a field, in the form of sigs.k8s.io/yaml (go-yaml v2).

PyYAML's emitter has the same algorithm; where the two differ (quotes, folding, order of keys, numbers), this follows
go-yaml.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from yaml import events
from yaml.emitter import Emitter

from flotilla.kube.scalars import resolve

_WIDTH = 80
_LONGEST_KEY = 128
"""The greatest length in bytes of a key on the same line as its value."""
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?", re.ASCII)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
_LAST_OF_BASIC_PLANE = "\uffff"


def yaml_text(value: Any) -> str:
    """Return plain JSON data as YAML: block style, sorted keys, folded at 80 columns."""
    stream = io.StringIO()
    emitter = _GoEmitter(stream, allow_unicode=True, width=_WIDTH)
    for event in _events(value):
        emitter.open_ended = False  # a text that ends in empty lines needs no document end marker
        emitter.emit(event)
    return stream.getvalue()


def shortest(value: float, *, plain: range = range(-4, 6), width: int = 2) -> str:
    """Return a number as Go writes it with the fewest digits.

    Args:
        value: the number.
        plain: the powers of ten that are written without an exponent.
        width: the minimum number of digits of an exponent.
    """
    digits = Decimal(repr(value)).normalize()
    power = digits.adjusted()
    if value == 0 or power in plain:
        return format(digits, "f")
    mantissa = format(digits.scaleb(-power), "f")
    return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):0{width}d}"


def _events(value: Any) -> Iterator[events.Event]:
    yield events.StreamStartEvent()
    yield events.DocumentStartEvent(explicit=False)
    yield from _of(value)
    yield events.DocumentEndEvent(explicit=False)
    yield events.StreamEndEvent()


def _of(value: Any) -> Iterator[events.Event]:
    if isinstance(value, dict):
        yield events.MappingStartEvent(None, None, True, flow_style=not value)
        for key in sorted(value, key=cmp_to_key(_compare)):
            yield _scalar(key, _style(key))
            yield from _of(value[key])
        yield events.MappingEndEvent()
    elif isinstance(value, list):
        yield events.SequenceStartEvent(None, None, True, flow_style=not value)
        for entry in value:
            yield from _of(entry)
        yield events.SequenceEndEvent()
    elif isinstance(value, str):
        yield _scalar(value, _style(value))
    else:
        yield _scalar(_literal(value), None)


def _scalar(text: str, style: str | None) -> events.Event:
    return events.ScalarEvent(None, None, (True, True), text, style=style)


def _literal(value: float | bool | None) -> str:
    """Return the YAML literal for a value that isn't a text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    fits = isinstance(value, int) and _LOWEST <= value <= _HIGHEST
    return str(value) if fits else shortest(float(value))


def _style(text: str) -> str | None:
    """Return the quoting style of a text: double quotes where it would mean something else without them."""
    if "\n" in text:
        return "|"
    ambiguous = not isinstance(resolve(text, None, plain=True), str)
    return '"' if ambiguous or _DATE.fullmatch(text) or _BASE_60.fullmatch(text) else None


class _GoEmitter(Emitter):
    """PyYAML's emitter with the differences of go-yaml."""

    event: Any
    analysis: Any
    open_ended: bool

    def check_simple_key(self) -> bool:
        """Return whether a key is on the same line as its value: if it is short enough in bytes, even an empty one."""
        if not isinstance(self.event, events.ScalarEvent):
            return bool(super().check_simple_key())
        if self.analysis is None:
            self.analysis = self.analyze_scalar(self.event.value)
        return not self.analysis.multiline and len(self.event.value.encode()) <= _LONGEST_KEY

    def analyze_scalar(self, scalar: str) -> Any:
        """Determine the styles that fit a text: characters outside the basic plane have to be escaped."""
        analysis = super().analyze_scalar(scalar)
        if any(char > _LAST_OF_BASIC_PLANE for char in scalar):
            analysis.allow_flow_plain = analysis.allow_block_plain = False
            analysis.allow_single_quoted = analysis.allow_block = False
        return analysis

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Write a text in double quotes, folded at single spaces; a line break then stands for such a space."""
        self.write_indicator('"', need_whitespace=True)
        spaces = False
        for place, char in enumerate(text):
            folds = split and char == " " and not spaces and 0 < place < len(text) - 1
            if folds and self.column > self.best_width:
                self.write_indent()
                if text[place + 1] == " ":
                    self._put("\\")
            else:
                self._put(_escaped(char))
            spaces = char == " "
        self.write_indicator('"', need_whitespace=False)

    def _put(self, text: str) -> None:
        self.column += len(text)
        self.whitespace = self.indention = False
        self.stream.write(text)


def _escaped(char: str) -> str:
    """Return a character as it is written inside double quotes."""
    short = Emitter.ESCAPE_REPLACEMENTS.get(char)
    if short is not None:
        return f"\\{short}"
    if " " <= char <= "~" or "\xa0" < char <= "\ud7ff" or ("\ue000" <= char <= "\ufffd" and char != "\ufeff"):
        return char
    if char <= "\xff":
        return f"\\x{ord(char):02X}"
    return f"\\u{ord(char):04X}" if char <= _LAST_OF_BASIC_PLANE else f"\\U{ord(char):08X}"


def _compare(one: str, other: str) -> int:
    """Order keys as go-yaml does: letters after everything else, digits by the number that they form."""
    if one == other:
        return 0
    return -1 if _less(one, other) else 1


def _less(one: str, other: str) -> bool:
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if place is None:
        return len(one) < len(other)
    a, b = one[place], other[place]
    if a.isalpha() or b.isalpha():
        return a < b if a.isalpha() and b.isalpha() else b.isalpha()
    # A zero inside a number counts as a digit of it; a leading zero doesn't.
    lead = "1" if "0" in (a, b) and re.search(r"[1-9][0-9]*$", one[:place]) else ""
    numbers = [_digits(text[place:]) for text in (one, other)]
    values = [int(lead + digits or "0") for digits in numbers]
    if values[0] != values[1]:
        return values[0] < values[1]
    return len(numbers[0]) < len(numbers[1]) if len(numbers[0]) != len(numbers[1]) else a < b


def _digits(text: str) -> str:
    found = re.match(r"[0-9]*", text)
    return found[0] if found else ""
