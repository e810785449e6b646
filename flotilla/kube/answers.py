"""Checks that an answer is one of the Kubernetes API, and not an HTML page, a redirect, a truncated or foreign JSON.

The texts read here are untrusted: they are shortened, and control characters removed, before they enter a message.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html import unescape
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

LARGEST_ANSWER = 256 * 2**20
"""Bytes, decompressed. Lists are read in pages of 500 objects, and etcd stores no object larger than 1.5 MiB."""

# An API server answers with these codes only in a Status object; a proxy or a firewall writes its own text.
_ALWAYS_A_STATUS = frozenset({401, 403, 404, 409, 410, 422})
# The answer of Go's HTTP server for a path without a handler: the API server doesn't know the group or version.
_NO_SUCH_PATH = "404 page not found"
_SHOWN = 100


@dataclass(frozen=True)
class Answer:
    """A complete answer: its header names in lower case, its body decompressed."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    phrase: str = ""

    @property
    def redirect(self) -> bool:
        """Whether the answer is a redirect."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    @property
    def refused(self) -> bool:
        """Whether the answer has an error's status code."""
        return self.status >= HTTPStatus.BAD_REQUEST


class UnexpectedAnswer(Exception):
    """An answer that no API server gives; the text describes it."""

    def __init__(self, what: str, *, again: bool = False) -> None:
        """Keep the description, and whether another attempt may get a complete answer."""
        super().__init__(what)
        self.again = again


def document(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of a successful answer.

    Raises:
        UnexpectedAnswer: the answer is not a JSON object.
    """
    text = _text(answer.body)
    page = page_title(text)
    if page is not None:
        raise UnexpectedAnswer(page)
    if not text.strip():
        raise UnexpectedAnswer("nothing", again=True)
    try:
        found = json.loads(text)
    except RecursionError:
        raise UnexpectedAnswer("JSON that is nested too deeply") from None
    except ValueError as error:
        if text.lstrip()[:1] in "{[":
            position = getattr(error, "pos", 0)
            raise UnexpectedAnswer(f"JSON that breaks off or is damaged at character {position}", again=True) from None
        raise UnexpectedAnswer(f"a text that is not JSON: {shortened(text)!r}", again=True) from None
    return an_object(found)


def refusal(answer: Answer) -> dict[str, Any]:
    """Return the Status object of an error's answer; only `message` if the API server answered with plain text.

    Raises:
        UnexpectedAnswer: the answer is not from an API server.
        LookupError: the API server serves nothing at this path.
    """
    try:
        text = _text(answer.body)
    except UnexpectedAnswer:
        text = ""
    page = page_title(text)
    if page is not None:
        raise UnexpectedAnswer(page)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and found.get("kind") == "Status":
        return found
    if text.strip() == _NO_SUCH_PATH and answer.status == HTTPStatus.NOT_FOUND:
        raise LookupError(_NO_SUCH_PATH)
    if not text.strip():
        raise UnexpectedAnswer("an empty body")
    if answer.status in _ALWAYS_A_STATUS or text.lstrip()[:1] in "{[":
        raise UnexpectedAnswer(f"a text that is not the API's: {shortened(text)!r}")
    return {"message": shortened(text, 300)}


def is_status(answer: Answer) -> bool:
    """Return whether an error's answer is a Status object, whose message is not shortened."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("kind") == "Status"


def refuse_redirect(answer: Answer) -> None:
    """Refuse an answer that is a redirect.

    Raises:
        UnexpectedAnswer: it is a redirect; the text names its target without the query, which may be a session ID.
    """
    if not answer.redirect:
        return
    location = answer.headers.get("location", "")
    try:
        where = urlsplit(location)
        plain = f"{where.scheme}://{where.hostname}{where.path}" if where.hostname else where.path
    except ValueError:
        plain = ""
    raise UnexpectedAnswer(f"a redirect to {shortened(plain)}" if plain else "a redirect to nowhere")


def page_title(text: str) -> str | None:
    """Return the title of an HTML page, for a message; None for other texts."""
    start = text.lstrip("\ufeff \t\r\n")[:200].lower()
    if not re.match(r"<(!doctype html|html|head|body|!--|script|title|\?xml)", start):
        return None
    title = re.search(r"<title[^>]*>(.{1,500}?)</title", text[:20_000], re.IGNORECASE | re.DOTALL)
    name = shortened(unescape(title[1])) if title else ""
    return f"an HTML page, {name!r}" if name else "an HTML page"


def shortened(text: str, length: int = _SHOWN) -> str:
    """Return a text on one line, without control characters, cut to a length."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: length * 4]).split())
    return plain if len(plain) <= length else plain[: length - 1] + "…"


# -- shapes -----------------------------------------------------------------------------------------


def an_object(found: Any, kind: str = "", name: str = "") -> dict[str, Any]:
    """Return an answer that is an object, and has the kind and the name that are given.

    Raises:
        UnexpectedAnswer: the answer is something else.
    """
    if not isinstance(found, dict):
        what = "a list" if isinstance(found, list) else "a single value"
        raise UnexpectedAnswer(f"JSON that is {what} where an object was asked for")
    if kind and found.get("kind") != kind:
        raise UnexpectedAnswer(f"JSON that is not of kind {kind}" + _kind_of(found))
    if name:
        meta = found.get("metadata")
        if not isinstance(meta, dict) or meta.get("name") != name:
            raise UnexpectedAnswer(f"{kind or 'an object'} without the name {name!r} that was asked for")
    return found


def a_list(found: Any, kind: str) -> list[dict[str, Any]]:
    """Return the items of an answer that is a list of a kind; each has a name.

    Raises:
        UnexpectedAnswer: the answer is no such list.
    """
    listed = an_object(found)
    items = listed.get("items", ())
    if not isinstance(items, list | None) or str(listed.get("kind", "List"))[-4:] != "List":
        raise UnexpectedAnswer(f"JSON that is not a list of {kind}s" + _kind_of(listed))
    if not isinstance(listed.get("metadata") or {}, dict):
        raise UnexpectedAnswer(f"a list of {kind}s whose metadata is no object")
    for item in items or []:
        meta = item.get("metadata") if isinstance(item, dict) else None
        if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
            raise UnexpectedAnswer(f"a list of {kind}s with an entry that has no name")
    return items or []


def entries(found: Any, key: str, wanted: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the entries of a discovery document, each of which has the wanted fields as texts.

    Raises:
        UnexpectedAnswer: the answer is no such document.
    """
    listed = an_object(found).get(key, ())
    if not isinstance(listed, list | None):
        raise UnexpectedAnswer(f"JSON that has no list {key!r}" + _kind_of(found))
    for entry in listed or []:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in wanted):
            raise UnexpectedAnswer(f"a list {key!r} with an entry that has no {' or no '.join(wanted)}")
    return listed or []


def an_event(line: bytes) -> dict[str, Any]:
    """Return one event of a watch: `type` and `object`. The object has metadata, or is a Status if the type is ERROR.

    Raises:
        UnexpectedAnswer: the line is not an event.
    """
    event = document(Answer(200, line))
    kind, obj = event.get("type"), event.get("object")
    if not isinstance(kind, str) or not isinstance(obj, dict):
        raise UnexpectedAnswer("JSON that is not a watch event" + _kind_of(event))
    meta = obj.get("metadata")
    if kind != "ERROR" and not isinstance(meta, dict):
        raise UnexpectedAnswer("an event of a watch whose object has no metadata")
    if kind not in ("ERROR", "BOOKMARK") and not isinstance((meta or {}).get("name"), str):
        raise UnexpectedAnswer("an event of a watch whose object has no name")
    return event


def _kind_of(found: dict[str, Any]) -> str:
    return f" (its kind is {shortened(str(found['kind']))!r})" if found.get("kind") else ""


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise UnexpectedAnswer("bytes that are not UTF-8", again=True) from None
