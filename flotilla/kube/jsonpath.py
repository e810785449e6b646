r"""Single paths of Kubernetes' JSONPath, as in `kubectl wait --for=jsonpath=...`.

Supported are fields (`.status.phase`, `['a.b']`, `.a\.b`), positions (`[0]`, `[-1]`, `[*]`) and filters by one field
(`[?(@.type=="Ready")]`), with or without surrounding braces. Ranges, functions, unions and recursive descent are not
supported, since a wait compares one value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_FIELD = r"(?:\\.|[^\s.\[\](){}\\'\"*?@=!<>])+"
_TOKEN = re.compile(
    rf"""
    \.(?P<field>{_FIELD})
    | \[(?P<index>-?\d{{1,9}})\]
    | \[(?:'(?P<single>[^']+)'|"(?P<double>[^"]+)")\]
    | (?P<every>\[\*\])
    | \[\?\(\s*@(?P<inner>(?:\.{_FIELD})+)\s*(?P<operator>==|!=)\s*
        (?:"(?P<text>[^"]*)"|'(?P<quoted>[^']*)'|(?P<plain>-?\d+(?:\.\d+)?|true|false))\s*\)\]
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class _Every:
    """All entries of a list."""


@dataclass(frozen=True)
class _Where:
    """The entries of a list in which a field equals, or does not equal, a value."""

    field: tuple[str, ...]
    value: str
    negated: bool


Step = str | int | _Every | _Where


@dataclass(frozen=True)
class JsonPath:
    """A parsed path."""

    text: str
    """The path as written, without braces."""
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Parse a path.

        Raises:
            ValueError: the path is empty or not supported; the message shows the part that is not understood.
        """
        inner = text.strip()
        if inner.startswith("{") and inner.endswith("}"):
            inner = inner[1:-1].strip()
        steps: list[Step] = []
        position = 0
        while position < len(inner):
            found = _TOKEN.match(inner, position)
            if found is None:
                raise ValueError(f"is not understood from {inner[position : position + 20]!r} on")
            steps.append(_step(found))
            position = found.end()
        if not steps:
            raise ValueError("is empty")
        return cls(inner, tuple(steps))

    def values(self, obj: Any) -> list[Any]:
        """Return the values at the path: none if a field is missing, several if the path matches several entries."""
        found = [obj]
        for step in self.steps:
            found = [inner for value in found for inner in _into(value, step)]
        return found


def value_text(value: Any) -> str | None:
    """Return a scalar as the text that kubectl compares; None for maps, lists and null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else None


def _step(found: re.Match[str]) -> Step:
    if found["field"] is not None:
        return _plain(found["field"])
    if found["index"] is not None:
        return int(found["index"])
    if found["every"] is not None:
        return _Every()
    if found["inner"] is not None:
        fields = tuple(_plain(part) for part in re.findall(rf"\.({_FIELD})", found["inner"]))
        value = next(one for one in (found["text"], found["quoted"], found["plain"]) if one is not None)
        return _Where(fields, value, found["operator"] == "!=")
    return str(found["single"] or found["double"])


def _plain(field: str) -> str:
    return re.sub(r"\\(.)", r"\1", field)


def _into(value: Any, step: Step) -> Iterator[Any]:
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            yield value[step]
    elif not isinstance(value, list):
        return
    elif isinstance(step, int):
        if -len(value) <= step < len(value):
            yield value[step]
    elif isinstance(step, _Every):
        yield from value
    else:
        yield from (entry for entry in value if (_field(entry, step.field) == step.value) is not step.negated)


def _field(entry: Any, fields: tuple[str, ...]) -> str | None:
    for field in fields:
        entry = entry.get(field) if isinstance(entry, dict) else None
    return value_text(entry)
