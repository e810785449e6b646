"""Answers that fit into a model's context: lists in pages, long texts cut, and a way to ask for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from flotilla.agent.tool import PagedArguments, Refused

T = TypeVar("T", bound=BaseModel)

MOST_CHARACTERS = 24_000
"""Of a whole answer as JSON: about 6,000 tokens."""
_LIST_CHARACTERS = 18_000
_TEXT_CHARACTERS = 400


class Part(NamedTuple):
    """The entries of a page, and the cursor of the next."""

    first: int
    end: int
    next_cursor: str


def page(entries: Sequence[T], asked: PagedArguments) -> Part:
    """Return which entries fit: at most `limit`, and no more than an answer may hold; always at least one.

    Raises:
        Refused: the cursor isn't one of ours.
    """
    first = _position(asked.cursor, len(entries))
    end, size = first, 0
    while end < len(entries) and end - first < asked.limit:
        size += len(entries[end].model_dump_json())
        if size > _LIST_CHARACTERS and end > first:
            break
        end += 1
    return Part(first, end, str(end) if end < len(entries) else "")


def cut(text: str) -> str:
    """Return a text that is no longer than a reader needs."""
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}… ({len(text)} characters in all)"


def _position(cursor: str, length: int) -> int:
    if not cursor:
        return 0
    if not cursor.isdigit() or int(cursor) > length:
        raise Refused(
            f"cursor {cursor!r} is not one that this tool gave", hint="give the next_cursor of the answer before"
        )
    return int(cursor)
