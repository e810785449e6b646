"""Parses expressions in strings of the stack file, such as `${member.facts.size:-2}`, and evaluates them for a member.

An expression is a path into the member's entry in the stack file, with an optional default for members that lack it.
There are no operators and no functions. `$${` is the escape for `${` (docs/decisions/values-per-cluster.md).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.counts import counted

OPENING = "${"
PROPERTIES = ("name", "provider", "region", "zones", "labels", "facts")
"""The properties of a member that an expression can use."""
LONGEST_TEXT = 64 * 1024
"""Limit for the characters of an evaluated string."""

_MEMBER = "member"
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_STEP = re.compile(rf"\.({_NAME})|\[({_QUOTED})\]|\[([0-9]{{1,6}})\]", re.DOTALL)
_EXPRESSION = re.compile(rf"\$\{{\s*({_MEMBER}(?:{_STEP.pattern})*)\s*(?::-((?:{_QUOTED}|[^}}\"])*))?\}}", re.DOTALL)
_DEFAULT = 5
"""The group of `_EXPRESSION` that has the default."""
_LITERAL = re.compile(rf"true|false|-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|{_QUOTED}", re.DOTALL)
_OPENING = re.compile(r"\$\$\{|\$\{")
_KNOWN = ", ".join(f"{_MEMBER}.{name}" for name in PROPERTIES)
_MISSING = object()

Path = tuple[str | int, ...]


class ExpressionError(ValueError):
    """An expression is malformed, or has no value for a member; the error's text is the rule that isn't met."""

    def __init__(self, rule: str, *, remedy: str, expression: str = "") -> None:
        """Store the rule, the remedy and the expression, which contains nothing of the text around it."""
        super().__init__(rule)
        self.rule, self.remedy, self.expression = rule, remedy, expression


class Lacking(ExpressionError):
    """The member lacks what an expression asks for."""


@dataclass(frozen=True)
class Reference:
    """One expression: a path below the member, and an optional default."""

    path: Path
    default: str | None = None
    """The default as it is written; None where there is none."""

    def __str__(self) -> str:
        """Return the expression without its default, which may be as secret as the text around it."""
        return f"${{{self.name}}}"

    @property
    def name(self) -> str:
        """The path, as the expression writes it."""
        return _MEMBER + "".join(_step_text(step) for step in self.path)

    def value(self, member: Mapping[str, Any]) -> Any:
        """Return the value for a member, with the type that it has in the stack file.

        Raises:
            Lacking: the member lacks it, and there is no default.
        """
        found = self._found(member)
        return found if self.default is None or found not in (_MISSING, "") else _default(self.default)

    def text(self, member: Mapping[str, Any]) -> str:
        """Return the value for a member, as a part of a string.

        Raises:
            Lacking: the member lacks it, and there is no default.
            ExpressionError: the value is not a string, a whole number or a boolean.
        """
        found = self._found(member)
        if self.default is not None and found in (_MISSING, ""):
            default = _default(self.default)
            return default if isinstance(default, str) else self.default.strip()
        if isinstance(found, bool):
            return "true" if found else "false"
        if isinstance(found, str | int):
            return str(found)
        if isinstance(found, float):
            raise ExpressionError(
                f"{self.name} is the number {found}, whose spelling may be lost in a text (1.10 is read as 1.1)",
                remedy=f"quote it in the member's entry, so that it is the text {json.dumps(str(found))}",
                expression=str(self),
            )
        kind = "list" if isinstance(found, list) else "mapping"
        raise ExpressionError(
            f"{self.name} is a {kind}, which can't be a part of a text",
            remedy=f"name one of its entries, such as {self.name}{'[0]' if kind == 'list' else '.key'}, "
            "or make it the whole value of a patch",
            expression=str(self),
        )

    def _found(self, member: Mapping[str, Any]) -> Any:
        value: Any = member
        for step in self.path:
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else _MISSING
            else:
                value = value.get(step, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING and self.default is None:
            raise Lacking(
                f"lacks {self.name}",
                remedy=f"add it to the member, or give a default: ${{{self.name}:-...}}",
                expression=str(self),
            )
        return value


@dataclass(frozen=True)
class Template:
    """A text with expressions."""

    parts: tuple[str | Reference, ...]

    def value(self, member: Mapping[str, Any], *, typed: bool) -> Any:
        """Return the value for a member.

        Args:
            member: the member's properties, by `PROPERTIES` (see `flotilla.stack.evaluation.properties`).
            typed: an expression that is the whole text keeps its type; otherwise the result is a string.

        Raises:
            Lacking: the member lacks what an expression without a default asks for.
            ExpressionError: the value can't be a part of a string, or the string is too long.
        """
        if typed and len(self.parts) == 1 and isinstance(self.parts[0], Reference):
            return self.parts[0].value(member)
        texts = [part if isinstance(part, str) else part.text(member) for part in self.parts]
        if sum(map(len, texts)) > LONGEST_TEXT:
            first = next((part for part in self.parts if isinstance(part, Reference)), "")
            raise ExpressionError(
                f"makes a text of more than {counted(LONGEST_TEXT, 'character')}",
                remedy="shorten the values that it uses",
                expression=str(first),
            )
        return "".join(texts)


def parse(text: str) -> Template | None:
    """Return the expressions of a text, with the text around them; None where it has no expression and no `$${`.

    Raises:
        ExpressionError: `${` begins something else than an expression; the error quotes nothing of the text.
    """
    parts: list[str | Reference] = []
    place = 0
    while opening := _OPENING.search(text, place):
        parts.append(text[place : opening.start()])
        if opening.group() == OPENING:
            found = _EXPRESSION.match(text, opening.start())
            if not found:
                raise ExpressionError(
                    f"has no expression after `{OPENING}`",
                    remedy="write it such as ${member.region} or ${member.facts.size:-2}, a label's key such as "
                    f'${{member.labels["example.org/tier"]}}, and `$${{` for the characters `{OPENING}`',
                )
            parts.append(_reference(found))
            place = found.end()
        else:
            parts.append(OPENING)
            place = opening.end()
    if not parts:
        return None
    parts.append(text[place:])
    return Template(tuple(part for part in parts if part != ""))


def _reference(found: re.Match[str]) -> Reference:
    steps: list[str | int] = []
    for name, quoted, number in _STEP.findall(found.group(1).removeprefix(_MEMBER)):
        try:
            steps.append(name or (int(number) if number else _from_json(quoted)))
        except ValueError:
            raise ExpressionError(
                "has a key that is not a text", remedy='write it as JSON does, such as ["example.org/tier"]'
            ) from None
    reference = Reference(tuple(steps), found.group(_DEFAULT))
    if not steps or steps[0] not in PROPERTIES:
        raise ExpressionError(
            f"{reference.name} is not a property of a member",
            remedy=f"use one of {_KNOWN}; other values of a member belong in its `facts`",
            expression=str(reference),
        )
    if OPENING in (reference.default or ""):
        raise ExpressionError(
            f"{reference.name} has an expression in its default, which is not evaluated",
            remedy="write a value there, or give one to the members that lack it",
            expression=str(reference),
        )
    what, within = steps[0], steps[1:]
    if what in ("labels", "facts") and not within:
        raise ExpressionError(
            f"{reference.name} needs a key", remedy=f"write {reference.name}.KEY", expression=str(reference)
        )
    if what not in ("labels", "facts", "zones") and within:
        raise ExpressionError(
            f"{reference.name}: {what} has no parts",
            remedy=f"write {_MEMBER}.{what}",
            expression=str(reference),
        )
    return reference


def _default(written: str) -> Any:
    """Return a default as a value: a number, a boolean or a quoted string as in JSON; otherwise the text itself."""
    text = written.strip()
    if not _LITERAL.fullmatch(text):
        return text
    try:
        value = _from_json(text)
    except ValueError:
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _from_json(text: str) -> Any:
    """Return the value of a JSON text; raise ValueError where it is not JSON, or UTF-8 can't encode it."""
    value = json.loads(text)
    if isinstance(value, str):
        value.encode()
    return value


def _step_text(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if re.fullmatch(_NAME, step) else f"[{json.dumps(step)}]"
