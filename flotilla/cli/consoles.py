"""Consoles of rich's, on which nothing that others wrote can do anything but be read."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from flotilla.untrusted import printable

_PIPE_WIDTH = 10_000


class SafeConsole(Console):
    """A console whose prints carry no control characters of others, whatever renders them."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does; rich's own control codes and line ends stay, and links are made by nobody here."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def printer() -> Console:
    """Return what prints to standard output; in a pipe a row of a table is a line, however long."""
    return SafeConsole(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
