"""Texts of a plan that carry the changes that they tell of, for whoever can show more than a line of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from flotilla.kube.objects import Object
from flotilla.kube.secrecy import shown
from flotilla.state.diff import Change
from flotilla.state.values import mask


class Said(str):
    """A text in one line. It is equal to the plain text, and is written to JSON as one."""

    __slots__ = ("changes", "prefix", "suffix")

    changes: tuple[Change, ...]
    """What it tells of, its secrets masked."""
    prefix: str
    """What stands before the changes in the text."""
    suffix: str
    """What stands after them."""

    @classmethod
    def of(cls, text: str, changes: tuple[Change, ...], *, prefix: str = "", suffix: str = "") -> Self:
        """Return a text with its changes, which `safe` has masked; `prefix` and `suffix` become parts of it."""
        said = cls(f"{prefix}{text}{suffix}")
        said.changes, said.prefix, said.suffix = changes, prefix, suffix
        return said

    def after(self, prefix: str) -> Said:
        """Return the text with something before it."""
        return Said.of(self, self.changes, prefix=prefix) if prefix else self


def safe(change: Change, of: Object) -> Change:
    """Return a change of an object as it may be printed."""
    old, new = (shown(of, change.path, mask(value)) for value in (change.old, change.new))
    return replace(change, old=old, new=new)
