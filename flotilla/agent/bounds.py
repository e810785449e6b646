"""Limits the size of answers, so that they fit an agent's context: lists are paged, and long texts are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from flotilla.agent.tool import PagedArguments, Refused

T = TypeVar("T", bound=BaseModel)

MOST_CHARACTERS = 24_000
"""The most characters of an answer as JSON: about 6,000 tokens."""
_LIST_CHARACTERS = 18_000
_TEXT_CHARACTERS = 400


class Part(NamedTuple):
    """The range of entries of a page, and the cursor of the next page."""

    first: int
    end: int
    next_cursor: str


def page(entries: Sequence[T], asked: PagedArguments) -> Part:
    """Return which entries are on a page: at least one, at most `limit`, and no more than fit in an answer.

    Raises:
        Refused: no answer of this tool can have given the cursor.
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
    """Return a text of at most `_TEXT_CHARACTERS` characters; a longer one is cut, and its length is named."""
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[:_TEXT_CHARACTERS]}… ({len(text)} characters in all)"


def _position(cursor: str, length: int) -> int:
    if not cursor:
        return 0
    if not cursor.isdigit() or int(cursor) > length:
        raise Refused(
            f"cursor {cursor!r} does not come from this tool", hint="give the next_cursor of the previous answer"
        )
    return int(cursor)
