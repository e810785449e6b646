"""Tables for people: one look for all of them, cut on a terminal, whole in a pipe."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
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
    held = list(rows)
    whole = everything or not console.is_terminal or len(held) <= _SHOWN
    filled = [index for index in range(len(headings)) if not held or any(str(row[index]) for row in held)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index in filled:
        table.add_column(headings[index], overflow="fold")
    for row in held if whole else held[:_SHOWN]:
        table.add_row(*(_cell(row[index]) for index in filled))
    console.print(table)
    if not whole:
        console.print(Text(f"… and {len(held) - _SHOWN} more, in better health; --all shows them", style="dim"))


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
