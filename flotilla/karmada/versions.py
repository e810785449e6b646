"""Karmada's versions, and the range of them that Flotilla supports."""

from __future__ import annotations

import re
from typing import NamedTuple, Self


class Version(NamedTuple):
    """A version without its patch number: patch releases add no features."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read '1.18', '1.18.2' or 'v1.18.2'; ValueError otherwise."""
        found = re.fullmatch(r"v?(\d+)\.(\d+)(\.\d+)?", text)
        if not found:
            raise ValueError(text)
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Range(NamedTuple):
    """Versions from `oldest` to `newest`, both included."""

    oldest: Version
    newest: Version

    def covers(self, version: Version) -> bool:
        """Return whether the version is in the range."""
        return self.oldest <= version <= self.newest

    def __str__(self) -> str:
        return f"{self.oldest} and {self.newest}"


SUPPORTED = Range(Version(1, 10), Version(1, 18))
"""Flotilla was tested with 1.10.7 and 1.18.2, the oldest and the newest of these."""


def known_version(text: object) -> Version | None:
    """Return the version that a text names, such as 1.18 or v1.18.2; None where it names none."""
    try:
        return Version.parse(text) if isinstance(text, str) else None
    except ValueError:
        return None
