"""Texts of a plan that also have the changes they describe, for outputs that show more than a line."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from flotilla.kube.objects import Object
from flotilla.kube.secrecy import shown
from flotilla.state.diff import Change
from flotilla.state.values import mask


class ChangeText(str):
    """A text in one line. It is equal to the plain text, and is written to JSON as one."""

    __slots__ = ("changes", "prefix", "suffix")

    changes: tuple[Change, ...]
    """The changes that the text describes, with secrets masked."""
    prefix: str
    """The part of the text before the changes."""
    suffix: str
    """The part of the text after the changes."""

    @classmethod
    def of(cls, text: str, changes: tuple[Change, ...], *, prefix: str = "", suffix: str = "") -> Self:
        """Return a text with its changes, masked by `safe`; `prefix` and `suffix` become parts of the text."""
        said = cls(f"{prefix}{text}{suffix}")
        said.changes, said.prefix, said.suffix = changes, prefix, suffix
        return said

    def after(self, prefix: str) -> ChangeText:
        """Return the text with a prefix before it."""
        return ChangeText.of(self, self.changes, prefix=prefix) if prefix else self


def safe(change: Change, of: Object) -> Change:
    """Return a change of an object with secrets masked, so that it may be printed."""
    old, new = (shown(of, change.path, mask(value)) for value in (change.old, change.new))
    return replace(change, old=old, new=new)
