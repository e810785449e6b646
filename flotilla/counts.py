"""Numbers with their nouns in texts for people: `1 member`, `2 members`."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun in the number that belongs to it.

    Args:
        count: how many.
        noun: of one.
        plural: of several, where it is not the noun with an s.
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
