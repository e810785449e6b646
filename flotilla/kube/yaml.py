"""Reads YAML as kubectl does, for all files of a user: the result is plain data, or one error with its line.

libyaml parses the text into events. Everything else is done here, so that values are those of sigs.k8s.io/yaml, a
duplicate key is refused, and aliases can't expand a small file beyond fixed bounds. A text that begins with `{` is
read as JSON first, as kubectl does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml import events

from flotilla.errors import FlotillaError
from flotilla.kube.scalars import TAGS, Scalar, ScalarError, finite, key, resolve

# A PyYAML without libyaml gives the same result, but slowly.
_Parser: Any = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
MAX_BYTES = 10 * 1024 * 1024
"""Of one file. An API server accepts no object larger than 3 MB."""
MAX_NODES = 500_000
"""Mappings, lists and values of one file, with aliases expanded."""
MAX_CHARACTERS = 2 * MAX_BYTES
"""Of all values of one file, with aliases expanded."""
MAX_DEPTH = 100
MAX_DOCUMENTS = 5_000
_SHOWN = 40
_LONG_INTEGER = 20
"""A number with this many digits may not fit into 64 bits and becomes a float, as in Go."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A position in a text; line and column count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class YamlError(FlotillaError):
    """A text that isn't YAML, isn't YAML as Kubernetes reads it, or exceeds the bounds."""

    def __init__(self, problem: str, place: Place | None = None) -> None:
        """Keep the problem and its position separately from the message, which contains both."""
        super().__init__(f"{place}: {problem}" if place else problem)
        self.problem = problem
        self.place = place


def load(text: str) -> Any:
    """Return the single document of a text as plain JSON data; None if the text has no document.

    Raises:
        YamlError: the text isn't YAML, has a second document, or exceeds the bounds.
    """
    documents = _Reading(text, single=True).documents()
    return documents[0] if documents else None


def load_all(text: str) -> list[Any]:
    """Return all documents of a text as plain JSON data; empty ones are None.

    Raises:
        YamlError: the text isn't YAML, or exceeds the bounds.
    """
    return _Reading(text).documents()


def place_of(text: str, path: Path, *, document: int = 0) -> Place | None:
    """Return the position of a value, or of the nearest value around it; None if the text can't be read.

    The text is read once more, since values don't keep their positions.
    """
    reading = _Reading(text, places=True)
    try:
        value = reading.documents()[document]
    except (YamlError, IndexError):
        return None
    place = reading.tops[document] if document < len(reading.tops) else None
    for step in path:
        within = reading.places.get(id(value), {})
        place = within.get(step, place)
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
    return place


def escaped(text: str) -> str:
    """Return a key or name from a file for a one-line message, with unprintable characters escaped as in Python."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


@dataclass
class _Anchored:
    """The value of an anchor, and what each alias of it adds to the counts."""

    value: Any
    nodes: int
    characters: int
    height: int
    closed: bool = True


class _Open:
    """A mapping or list whose end has not been read yet."""

    __slots__ = ("anchor", "characters", "height", "key", "merged", "nodes", "value")

    def __init__(self, value: Any, anchor: str | None, nodes: int, characters: int) -> None:
        self.value = value
        self.anchor = anchor
        self.nodes = nodes
        self.characters = characters
        self.height = 1
        self.key: Any = _NO_KEY
        self.merged: set[str] = set()


_NO_KEY = object()
_MERGE = object()


class _Reading:
    """One pass over a text."""

    def __init__(self, text: str, *, single: bool = False, places: bool = False) -> None:
        self._text = text.removeprefix("\ufeff")
        self._single = single
        self._keeps_places = places
        self.places: dict[int, dict[str | int, Place]] = {}
        self.tops: list[Place] = []
        self._documents: list[Any] = []
        self._anchors: dict[str, _Anchored] = {}
        self._stack: list[_Open] = []
        self._nodes = 0
        self._characters = 0

    def documents(self) -> list[Any]:
        if len(self._text) > MAX_BYTES:
            raise YamlError(f"it is larger than {MAX_BYTES // 2**20} MiB, the most that is read")
        if not self._keeps_places and self._text.lstrip()[:1] == "{":
            try:
                return [from_json(self._text)]
            except ValueError:
                pass  # flow style, or several documents: the YAML parser finds the error
        try:
            for event in self._events():
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YamlError(self._reason(error, mark), _place(mark) if mark else None) from None
        except yaml.reader.ReaderError as error:
            raise YamlError(f"a character that YAML forbids ({error.reason})", self._at(error.position)) from None
        except UnicodeError:
            raise YamlError("a character that is not valid Unicode") from None
        return self._documents

    def _events(self) -> Iterator[Any]:
        parser = _Parser(self._text.encode())
        try:
            while parser.check_event():
                yield parser.get_event()
        finally:
            parser.dispose()

    def _take(self, event: Any) -> None:
        kind = event.__class__
        if kind is events.ScalarEvent:
            self._scalar(event)
        elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
            self._open(event, {} if kind is events.MappingStartEvent else [])
        elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
            self._close(event)
        elif kind is events.AliasEvent:
            self._alias(event)
        elif kind is events.DocumentStartEvent:
            self._anchors = {}
            if self._single and self._documents:
                raise YamlError("a second document begins, and only one is allowed here", _place(event.start_mark))
            if len(self._documents) >= MAX_DOCUMENTS:
                raise YamlError(f"it has more than {MAX_DOCUMENTS} documents", _place(event.start_mark))

    def _scalar(self, event: Any) -> None:
        word = event.value
        self._count(event, 1, len(word))
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.key is _NO_KEY and frame.value.__class__ is dict:
            if word == "<<" and (event.implicit[0] or event.tag == TAGS + "merge"):
                frame.key = _MERGE
                return
            self._key(frame, self._resolved(event), event)
        else:
            self._add(self._valued(self._resolved(event), event), 0, event)

    def _resolved(self, event: Any) -> Scalar:
        """Return a scalar's value, and keep it for its anchor, which may be used as a key or as a value."""
        value: Scalar
        if event.tag is None and not event.implicit[0]:
            value = event.value
        else:
            try:
                value = resolve(event.value, event.tag, plain=event.implicit[0])
            except ScalarError as error:
                raise YamlError(str(error), _place(event.start_mark)) from None
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1, len(event.value), 0)
        return value

    def _valued(self, value: Any, event: Any) -> Any:
        if value.__class__ is not float:
            return value
        try:
            return finite(value)
        except ScalarError as error:
            raise YamlError(str(error), _place(event.start_mark)) from None

    def _key(self, frame: _Open, value: Any, event: Any) -> None:
        try:
            name = key(value)
        except ScalarError as error:
            raise YamlError(str(error), _place(event.start_mark)) from None
        if name in frame.value and name not in frame.merged:
            raise YamlError(
                f"the key {name[:_SHOWN]!r} occurs twice: one of the values would be lost", _place(event.start_mark)
            )
        frame.merged.discard(name)
        frame.key = name
        if self._keeps_places:
            self.places.setdefault(id(frame.value), {})[name] = _place(event.start_mark)

    def _open(self, event: Any, value: Any) -> None:
        if event.tag is not None and event.tag != TAGS + ("map" if value.__class__ is dict else "seq"):
            raise YamlError(f"the tag {event.tag[:_SHOWN]!r} is not supported", _place(event.start_mark))
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.key is _NO_KEY and frame.value.__class__ is dict:
            raise YamlError(
                "a key is a mapping or a list: quote it if it is a text (`{{ … }}` of a template, say)",
                _place(event.start_mark),
            )
        if len(self._stack) >= MAX_DEPTH:
            raise YamlError(f"it is nested deeper than {MAX_DEPTH} levels", _place(event.start_mark))
        self._count(event, 1, 0)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(None, 0, 0, 0, closed=False)
        self._stack.append(_Open(value, event.anchor, self._nodes - 1, self._characters))
        if self._keeps_places and frame is None:
            self.tops.append(_place(event.start_mark))

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        if frame.anchor:
            self._anchors[frame.anchor] = _Anchored(
                frame.value, self._nodes - frame.nodes, self._characters - frame.characters, frame.height
            )
        self._add(frame.value, frame.height, event)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        anchored = self._anchors.get(name)
        if anchored is None:
            raise YamlError(f"the alias *{name[:_SHOWN]} has no anchor before it", _place(event.start_mark))
        if not anchored.closed:
            raise YamlError(f"the anchor &{name[:_SHOWN]} contains itself", _place(event.start_mark))
        if len(self._stack) + anchored.height > MAX_DEPTH:
            raise YamlError(f"it is nested deeper than {MAX_DEPTH} levels", _place(event.start_mark))
        self._count(event, anchored.nodes, anchored.characters)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.key is _NO_KEY and frame.value.__class__ is dict:
            if isinstance(anchored.value, dict | list):
                raise YamlError("a key is a mapping or a list", _place(event.start_mark))
            self._key(frame, anchored.value, event)
            return
        self._add(self._valued(_copy(anchored.value), event), anchored.height, event)

    def _add(self, value: Any, height: int, event: Any) -> None:
        """Add a complete value to its parent; the position of a list or a mapping is where it begins."""
        if not self._stack:
            if self._keeps_places and len(self.tops) <= len(self._documents):
                self.tops.append(_place(event.start_mark))
            self._documents.append(value)
            return
        frame = self._stack[-1]
        frame.height = max(frame.height, height + 1)
        if frame.value.__class__ is list:
            if self._keeps_places:
                place = self._first(value) or _place(event.start_mark)
                self.places.setdefault(id(frame.value), {})[len(frame.value)] = place
            frame.value.append(value)
        elif frame.key is _MERGE:
            self._merge(frame, value, event)
            frame.key = _NO_KEY
        else:
            frame.value[frame.key] = value
            frame.key = _NO_KEY

    def _first(self, value: Any) -> Place | None:
        """Return the position of the first entry of a mapping or list."""
        return next(iter(self.places.get(id(value), {}).values()), None)

    def _merge(self, frame: _Open, value: Any, event: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise YamlError("`<<` takes a mapping, or a list of mappings", _place(event.start_mark))
        for source in reversed(sources):
            frame.value.update(source)
            frame.merged.update(source)

    def _count(self, event: Any, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > MAX_NODES or self._characters > MAX_CHARACTERS:
            raise YamlError(
                f"it holds more than {MAX_NODES:,} values or {MAX_CHARACTERS // 2**20} MiB of text, aliases followed",
                _place(event.start_mark),
            )

    def _reason(self, error: yaml.MarkedYAMLError, mark: Any) -> str:
        if mark is not None and self._line(mark.line)[mark.column : mark.column + 1] == "\t":
            return "a tab, where YAML allows spaces only"
        return str(error.problem or error.context or "it can't be read")

    def _line(self, number: int) -> str:
        lines = self._text.split("\n", number + 1)
        return lines[number] if number < len(lines) else ""

    def _at(self, position: int) -> Place:
        before = self._text.encode()[:position].decode("utf-8", "replace")
        return Place(before.count("\n") + 1, position - before.rfind("\n") if "\n" in before else position + 1)


def from_json(text: str) -> Any:
    """Return a JSON text's value by the same rules: no duplicate keys, no NaN, whole numbers as integers, bounds.

    Raises:
        ValueError: the text isn't JSON, or exceeds the bounds.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) < len(found):
            raise ValueError("a key occurs twice")
        return result

    def number(word: str) -> int | float:
        return finite(float(word))

    def integer(word: str) -> int | float:
        return int(word) if len(word) < _LONG_INTEGER else number(word)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_int=integer, parse_float=number, parse_constant=number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _bounded(value)
    return value


def _bounded(value: Any, depth: int = 0) -> int:
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        value.encode()  # raises ValueError for half a surrogate pair
        return 1
    entries: list[Any] = (
        [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    )
    nodes = 1 + sum(_bounded(entry, depth + 1) for entry in entries)
    if nodes > MAX_NODES:
        raise ValueError("it holds too many values")
    return nodes


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_copy(entry) for entry in value]
    return value


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)
