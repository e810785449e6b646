"""Tables for people, all in the same form: long ones are cut on a terminal, and complete in a pipe."""

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
    """Print a table without its empty columns. On a terminal only the first `_SHOWN` rows and the number of the rest.

    Args:
        console: where to print.
        headings: the names of the columns.
        rows: the rows, the worst first.
        everything: print all rows on a terminal, too.
    """
    every = list(rows)
    complete = everything or not console.is_terminal or len(every) <= _SHOWN
    filled = [index for index in range(len(headings)) if not every or any(str(row[index]) for row in every)]
    shown = [[row[index] for index in filled] for row in (every if complete else every[:_SHOWN])]
    names = [headings[index] for index in filled]
    if console.is_terminal or console.color_system:
        _print_fitted(console, names, shown)
    else:
        console.file.write("".join(f"{line}\n" for line in _lines(names, shown)))
    if not complete:
        console.print(Text(f"… and {len(every) - _SHOWN} more, in better health; --all shows them", style="dim"))


def _print_fitted(console: Console, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table with colours. Long cells are folded, so that the table fits the console's width."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _lines(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield one line for each row, without folding. rich's tables are too slow for large fleets."""
    texts = [list(headings), *([one_line(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def print_objects(console: Console, objects: Sequence[object], mark: str, style: str) -> None:
    """Print the first `_OBJECTS` objects of a plan, one line each, and the number of the rest.

    Args:
        console: where to print.
        objects: the objects.
        mark: the sign before each object, such as `- ` for those that are deleted.
        style: the colour.
    """
    for one in objects[:_OBJECTS]:
        console.print(Text(f"  {mark}{one}", style=style))
    if len(objects) > _OBJECTS:
        console.print(f"  and {len(objects) - _OBJECTS} more")


def _cell(cell: Cell) -> Text:
    """Return a cell as a text of one line, in which rich reads no markup."""
    return Text(one_line(str(cell)), style=cell.style if isinstance(cell, Text) else "")


def age(time: str, *, now: dt.datetime | None = None) -> str:
    """Return how long ago a time (RFC 3339) was, in kubectl's form: 12s, 5m, 3h, 8d; empty if there is no time."""
    if not time:
        return ""
    seconds = int(((now or dt.datetime.now(dt.UTC)) - dt.datetime.fromisoformat(time)).total_seconds())
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def verdict(good: bool, yes: str, no: str) -> Text:
    """Return `yes` in green if `good`, else `no` in red."""
    return Text(yes if good else no, style="green" if good else "red")


def labels_text(labels: dict[str, str]) -> str:
    """Return labels in kubectl's form: `app=web,tier=front`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
