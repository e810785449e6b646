"""Numbers in texts for people: `1 member`, `2 members`, `and 3 more`."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count and its noun, in the singular or the plural.

    Args:
        count: the number of things.
        noun: the singular.
        plural: the plural, if it is not the singular with an s.
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def first_of(texts: Sequence[str], most: int) -> list[str]:
    """Return the first `most` texts; if there are more, the last element says how many: `and 3 more`."""
    more = len(texts) - most
    return [*texts[:most], *([f"and {more} more"] if more > 0 else [])]


def names_of(texts: Sequence[str], most: int) -> str:
    """Return the first `most` names in one line: `a, b`, or `a, b and 3 more`."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def range_text(least: int, most: int, noun: str = "") -> str:
    """Return a range of whole numbers as text, with the noun if one is given: `1 or 2`, `3 to 7 replicas`."""
    return f"{least} {'or' if most - least == 1 else 'to'} {counted(most, noun) if noun else most}"
