"""Tables for people: one look for all of them, cut on a terminal, whole in a pipe."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from flotilla.untrusted import one_line

Cell = str | Text

_SHOWN = 30
_OBJECTS = 20
_HOUR = 3600
_DAY = 86400


def print_table(
    console: Console, headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, everything: bool = False
) -> None:
    """Print a table without its empty columns; on a terminal its first `_SHOWN` rows, and how many more there are."""
    every = list(rows)
    whole = everything or not console.is_terminal or len(every) <= _SHOWN
    filled = [index for index in range(len(headings)) if not every or any(str(row[index]) for row in every)]
    shown = [[row[index] for index in filled] for row in (every if whole else every[:_SHOWN])]
    names = [headings[index] for index in filled]
    if console.is_terminal or console.color_system:
        _print_fitted(console, names, shown)
    else:
        console.file.write("".join(f"{line}\n" for line in _lines(names, shown)))
    if not whole:
        console.print(Text(f"… and {len(every) - _SHOWN} more, in better health; --all shows them", style="dim"))


def _print_fitted(console: Console, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table with its colours, its columns folded to the width that there is."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _lines(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield a line for each row, none of them folded: what fits columns to a terminal is slow for a large fleet."""
    texts = [list(headings), *([one_line(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def print_objects(console: Console, objects: Sequence[object], mark: str, style: str) -> None:
    """Print the first objects of a plan, a line each with what becomes of them, and how many more there are."""
    for one in objects[:_OBJECTS]:
        console.print(Text(f"  {mark}{one}", style=style))
    if len(objects) > _OBJECTS:
        console.print(f"  and {len(objects) - _OBJECTS} more")


def _cell(cell: Cell) -> Text:
    """Return a cell as text: no markup is read in it, and it stays one line."""
    return Text(one_line(str(cell)), style=cell.style if isinstance(cell, Text) else "")


def age(time: str, *, now: dt.datetime | None = None) -> str:
    """Return how long ago a time (RFC 3339) was, as kubectl does: 12s, 5m, 3h, 8d; empty for no time."""
    if not time:
        return ""
    seconds = int(((now or dt.datetime.now(dt.UTC)) - dt.datetime.fromisoformat(time)).total_seconds())
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def verdict(good: bool, yes: str, no: str) -> Text:
    """Return a word in green or red."""
    return Text(yes if good else no, style="green" if good else "red")


def labels_text(labels: dict[str, str]) -> str:
    """Return labels as kubectl writes them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
