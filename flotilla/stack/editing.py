"""Edits the text of a stack file and leaves everything else as it is: comments, order, quotes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml as pyyaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent

from flotilla.kube import yaml
from flotilla.stack.stackfile import PROJECT

_MEMBERS = f"{PROJECT}:members"
_KEY = "maintenance"
_DOS = "\r\n"


class Unreadable(ValueError):
    """The text isn't YAML."""


def round_trip(text: str, change: Callable[[Any], None]) -> str:
    """Return a text with a changed document. Comments, order and quotes stay; all lists get the same indentation.

    Raises:
        Unreadable: the text isn't YAML.
    """
    _, indent, offset = load_yaml_guess_indent(text)
    reader = YAML()
    reader.preserve_quotes = True
    reader.width = 10_000
    reader.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    try:
        document = reader.load(text)
    except YAMLError:
        raise Unreadable("not valid YAML") from None
    change(document)
    stream = io.StringIO()
    reader.dump(document, stream)
    return stream.getvalue()


def with_maintenance(text: str, member: str, value: Mapping[str, str] | None) -> str | None:
    """Return a stack file's text in which a member has this maintenance; every other line stays as it is.

    Args:
        text: the text of the file.
        member: the name of the member, which is in the file.
        value: its maintenance, `mode` first; None removes it.

    Returns:
        None where the file has a form that this function can't change, such as members as a JSON string.
    """
    plain = text.replace(_DOS, "\n")
    tried = (_by_lines(plain, member, value), _by_round_trip(plain, member, value))
    found = next((one for one in tried if one is not None and _same(plain, one, member, value)), None)
    return found if found is None or plain == text else found.replace("\n", _DOS)


def _short(value: Mapping[str, str]) -> str | dict[str, str]:
    return value["mode"] if set(value) == {"mode"} else dict(value)


def _written(value: Mapping[str, str]) -> str:
    """Return the value in one line: `drain`, or `{mode: drain, reason: "new kernel"}`."""
    if set(value) == {"mode"}:
        return value["mode"]
    parts = [f"{key}: {json.dumps(one, ensure_ascii=False) if key == 'reason' else one}" for key, one in value.items()]
    return "{" + ", ".join(parts) + "}"


def _same(before: str, after: str, member: str, value: Mapping[str, str] | None) -> bool:
    """Return whether the only difference in meaning between two texts is this maintenance of the member."""
    try:
        wanted, found = yaml.load(before), yaml.load(after)
    except yaml.YamlError:
        return False
    entry = next((one for one in _entries(wanted) if one.get("name") == member), None)
    if entry is None:
        return False
    entry.pop(_KEY, None)
    if value is not None:
        entry[_KEY] = _short(value)
    return bool(wanted == found)


def _entries(document: Any) -> list[Any]:
    config = document.get("config") if isinstance(document, dict) else None
    listed = config.get(_MEMBERS) if isinstance(config, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _by_round_trip(text: str, member: str, value: Mapping[str, str] | None) -> str | None:
    def change(document: Any) -> None:
        for entry in _entries(document):
            if entry.get("name") == member:
                entry.pop(_KEY, None)
                if value is not None:
                    entry.insert(list(entry).index("name") + 1, _KEY, _short(value))

    try:
        return round_trip(text, change)
    except (Unreadable, AttributeError):
        return None


def _by_lines(text: str, member: str, value: Mapping[str, str] | None) -> str | None:
    """Change only the lines of the key itself; return None where the key shares a line with other keys."""
    entry = _entry(text, member)
    if entry is None:
        return None
    if any(key.value == _KEY for key, _ in entry.value):
        text_ = _without_key(text, entry)
        entry = _entry(text_, member) if text_ is not None else None
        if text_ is None or entry is None:
            return None
        text = text_
    if value is None:
        return text
    if entry.flow_style:
        end = entry.end_mark.index - 1
        return f"{text[:end].rstrip()}, {_KEY}: {_written(value)}{text[end:]}"
    key, name = next(pair for pair in entry.value if pair[0].value == "name")
    end = text.find("\n", name.end_mark.index)
    end, start = (len(text), "\n") if end < 0 else (end + 1, "")
    return f"{text[:end]}{start}{' ' * key.start_mark.column}{_KEY}: {_written(value)}\n{text[end:]}"


def _entry(text: str, member: str) -> Any:
    try:
        root = pyyaml.compose(text, Loader=pyyaml.SafeLoader)
    except pyyaml.YAMLError:
        return None
    listed = below(below(root, "config"), _MEMBERS)
    entries = listed.value if isinstance(listed, pyyaml.SequenceNode) else []
    named = [one for one in entries if getattr(below(one, "name"), "value", None) == member]
    return named[0] if len(named) == 1 else None


def below(node: Any, key: str) -> Any:
    """Return the node of a key in a mapping; None where the key is absent or the node is not a mapping."""
    if not isinstance(node, pyyaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def last_leaf(node: Any) -> Any:
    """Return the last leaf of a node: the end of a block node is where the next node begins, so it is too far."""
    while not getattr(node, "flow_style", True) and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node


def _without_key(text: str, entry: Any) -> str | None:
    """Return a text without an entry's key and the lines of its value; None where these lines have other keys too."""
    if entry.flow_style:
        return None
    key, value = next(pair for pair in entry.value if pair[0].value == _KEY)
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    if text[start : key.start_mark.index].strip():
        return None  # the first key of the entry: `- maintenance: drain`
    end = text.find("\n", last_leaf(value).end_mark.index)
    return text[:start] + ("" if end < 0 else text[end + 1 :])
