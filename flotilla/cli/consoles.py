"""Consoles of the library rich that print texts from others without their control characters."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from flotilla.cli.terminal import coloured, links
from flotilla.untrusted import printable

_PIPE_WIDTH = 10_000


class SafeConsole(Console):
    """A console that removes control characters from every text that it prints."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, and keep only rich's own control codes and line ends. Only `linked` makes links."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def printer() -> Console:
    """Return a console for standard output. In a pipe each row of a table is one line, however long."""
    return _console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def progress_printer() -> Console:
    """Return a console for progress, on standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool = False, width: int | None = None) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return SafeConsole(
        stderr=stderr,
        highlight=False,
        soft_wrap=True,
        width=width,
        force_terminal=stream.isatty(),
        color_system=_colours() if coloured(stream) else None,
        no_color=False,
    )


def _colours() -> Literal["standard", "256", "truecolor"]:
    if os.environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "truecolor"
    return "256" if os.environ.get("TERM", "").endswith("256color") else "standard"


def linked(text: Text, file: Path | None) -> Text:
    """Return a text as a link to a file, if the terminal shows links. The URI of a file has only ASCII characters."""
    if file is not None and file.is_absolute() and links(sys.stdout):
        text.stylize(Style(link=file.as_uri()))
    return text
