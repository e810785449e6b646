"""Options and the confirmation question that several verbs share."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from flotilla.cli.completion import completed, stack_names
from flotilla.cli.ending import CommandError, Kind
from flotilla.cli.exit_codes import ExitCode
from flotilla.deploy.interface import EngineName
from flotilla.stack.stack_names import is_stack_name

_LONGEST_SECONDS = 10_000_000.0
DEFAULT_STACK = "sandbox"


def stack_options() -> argparse.ArgumentParser:
    """Return a parser with the option that names the stack."""
    parser = argparse.ArgumentParser(add_help=False)
    stack = parser.add_argument(
        "-s",
        "--stack",
        type=_stack_name,
        default=os.environ.get("FLOTILLA_STACK", DEFAULT_STACK),
        help="the stack (default: FLOTILLA_STACK, else sandbox)",
    )
    completed(stack, stack_names)
    return parser


def engine_options() -> argparse.ArgumentParser:
    """Return a parser with the option that chooses the engine."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--engine",
        type=_engine_name,
        choices=list(EngineName),
        default=os.environ.get("FLOTILLA_ENGINE") or "auto",
        help="pulumi (the installed CLI), embedded, or auto: pulumi if it is installed, else embedded "
        "(default: FLOTILLA_ENGINE, else auto)",
    )
    return parser


def sure_options() -> argparse.ArgumentParser:
    """Return a parser with the option that answers the question before a change."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-y", "--yes", action="store_true", help="apply without a question")
    return parser


def showing_options() -> argparse.ArgumentParser:
    """Return a parser with the options that choose how much of a plan is shown."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--detail", action="store_true", help="show every resource and property, as Pulumi reports them"
    )
    parser.add_argument("--diff", action="store_true", help="show whole objects, before and after")
    parser.add_argument("--rendered", action="store_true", help="show the objects that each cluster will get")
    return parser


def preview_options() -> argparse.ArgumentParser:
    """Return a parser with the option to show a verb's changes without making them."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--preview-only", action="store_true", help="show the plan, change nothing")
    return parser


def _stack_name(text: str) -> str:
    """Return a stack's name, from --stack or FLOTILLA_STACK.

    Raises:
        ArgumentTypeError: the text is not a valid name of a stack.
    """
    if not is_stack_name(text):
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is not a stack name (also FLOTILLA_STACK): letters, digits, '_', '.', '-'"
        )
    return text


def _engine_name(text: str) -> EngineName:
    """Return an engine, from --engine or FLOTILLA_ENGINE.

    Raises:
        ArgumentTypeError: there is no engine of that name.
    """
    try:
        return EngineName(text)
    except ValueError:
        known = ", ".join(EngineName)
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is not an engine (also FLOTILLA_ENGINE): use {known}"
        ) from None


def seconds(text: str) -> float:
    """Return a number of seconds from an argument.

    Raises:
        ArgumentTypeError: the text is not a number above zero, or the number is too large for a clock.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: give seconds above zero")
    return value


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a function that reads a whole number within bounds, and raises ArgumentTypeError for any other text."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text[:60]!r}: give a whole number from {least} to {most}")
        return int(text)

    return read


def confirm(options: argparse.Namespace, what: str, document: dict[str, Any] | None = None) -> None:
    """Ask the user to confirm a change. Without a terminal and with --json nothing is asked: --yes is needed there.

    The question goes to standard error, because standard output is for the result.

    Args:
        options: the command's; `yes` and `json` are read.
        what: the change, as an infinitive.
        document: the document that --json prints if the change is not confirmed, such as the plan.

    Raises:
        CommandError: the user can't be asked, or the answer is not yes.
    """
    if options.yes:
        return
    if options.json or not sys.stdin.isatty():
        where = "with --json" if options.json else "without a terminal"
        raise _not_confirmed(f"to {what} {where}, give --yes; nothing was changed", document)
    sys.stderr.write(f"\n{what}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise _not_confirmed("the answer was not yes; nothing was changed", document)


def _not_confirmed(text: str, document: dict[str, Any] | None) -> CommandError:
    return CommandError(text, kind=Kind.NOT_CONFIRMED, code=ExitCode.USAGE, document=document)
