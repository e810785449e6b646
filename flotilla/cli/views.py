"""How verbs that look at a fleet show what they saw: once or again and again, for people or for machines."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import complain, printer, write_document
from flotilla.cli.stack_options import seconds
from flotilla.errors import ClusterError

T = TypeVar("T")

_INTERVAL = 2.0
_CLEAR = "\033[H\033[2J"


def view_options() -> argparse.ArgumentParser:
    """Return the options of every look."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--yaml", action="store_true", help="print one YAML document")
    parser.add_argument(
        "--watch",
        type=seconds,
        nargs="?",
        const=_INTERVAL,
        metavar="SECONDS",
        help=f"look again and again, until Ctrl-C (every {_INTERVAL:.0f} s)",
    )
    parser.add_argument("--all", action="store_true", help="every row, however many there are")
    return parser


def show(
    options: argparse.Namespace,
    look: Callable[[], T],
    document: Callable[[T], dict[str, Any]],
    paint: Callable[[Console, T], None],
) -> ExitCode:
    """Look and show it; with --watch until Ctrl-C, where a look that fails is reported and tried again."""
    console = printer()
    if options.watch is None:
        _show_once(options, console, look(), document, paint)
        return ExitCode.DONE
    try:
        while True:
            _repaint(options, console, look, document, paint)
            time.sleep(options.watch)
    except KeyboardInterrupt:
        return ExitCode.DONE


def _repaint(
    options: argparse.Namespace,
    console: Console,
    look: Callable[[], T],
    document: Callable[[T], dict[str, Any]],
    paint: Callable[[Console, T], None],
) -> None:
    try:
        seen = look()
    except ClusterError as error:
        complain(f"{error.message}; looking again in {options.watch:.0f} s")
        return
    if console.is_terminal and not (options.json or options.yaml):
        sys.stdout.write(_CLEAR)
        console.print(Text(f"every {options.watch:g} s, {time.strftime('%H:%M:%S')}; Ctrl-C ends\n", style="dim"))
    _show_once(options, console, seen, document, paint)
    sys.stdout.flush()


def _show_once(
    options: argparse.Namespace,
    console: Console,
    seen: T,
    document: Callable[[T], dict[str, Any]],
    paint: Callable[[Console, T], None],
) -> None:
    if options.json or options.yaml:
        write_document(document(seen), as_yaml=options.yaml)
    else:
        paint(console, seen)
