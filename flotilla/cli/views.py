"""How verbs show what they read from a fleet: once or repeatedly, for people or for machines."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flotilla.cli.documents import complain, write_document
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.stack_options import seconds
from flotilla.errors import ClusterError

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

_INTERVAL = 2.0
_CLEAR = "\033[H\033[2J"


def view_options() -> argparse.ArgumentParser:
    """Return a parser with the options of every verb that shows a view."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--yaml", action="store_true", help="print one YAML document")
    parser.add_argument(
        "--watch",
        type=seconds,
        nargs="?",
        const=_INTERVAL,
        metavar="SECONDS",
        help=f"repeat until Ctrl-C, with this pause (default {_INTERVAL:.0f})",
    )
    parser.add_argument("--all", action="store_true", help="print every row")
    return parser


def show(
    options: argparse.Namespace,
    look: Callable[[], T],
    document: Callable[[T], dict[str, Any]],
    paint: Callable[[Console, T], None],
) -> ExitCode:
    """Read the fleet and show it. With --watch repeat that until Ctrl-C; a failure is printed and tried again.

    Args:
        options: the command's.
        look: reads the fleet.
        document: returns the result for machines.
        paint: prints the result for people.
    """
    if options.watch is None:
        _show(options, look(), document, paint)
        return ExitCode.DONE
    try:
        while True:
            _repaint(options, look, document, paint)
            time.sleep(options.watch)
    except KeyboardInterrupt:
        return ExitCode.DONE


def _repaint(
    options: argparse.Namespace,
    look: Callable[[], T],
    document: Callable[[T], dict[str, Any]],
    paint: Callable[[Console, T], None],
) -> None:
    try:
        seen = look()
    except ClusterError as error:
        complain(f"{error.message}; trying again in {options.watch:.0f} s")
        return
    _show(options, seen, document, paint)
    sys.stdout.flush()


def _show(
    options: argparse.Namespace, seen: T, document: Callable[[T], dict[str, Any]], paint: Callable[[Console, T], None]
) -> None:
    if options.json or options.yaml:
        write_document(document(seen), as_yaml=options.yaml)
        return
    from flotilla.cli.consoles import printer  # takes a while to load, and documents for machines don't need it

    console = printer()
    if options.watch is not None and console.is_terminal:
        sys.stdout.write(_CLEAR)
        console.print(f"every {options.watch:g} s, {time.strftime('%H:%M:%S')}; Ctrl-C ends\n", style="dim")
    paint(console, seen)
