"""The entry point of the command: reads arguments, runs one verb and returns an exit code.

With --json every run prints exactly one document, whatever went wrong. Tracebacks are printed only with --debug.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from flotilla import __version__
from flotilla.cli.ending import CommandError, UsageError, ending_of, error_document
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.terminal import Colour, prepare, want
from flotilla.cli.verbs import add_verbs
from flotilla.kube.secrecy import redacted
from flotilla.untrusted import printable

_JSON = "--json"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = argparse.Namespace(json=any(_means_json(word) for word in given), debug="--debug" in given)
    prepare()
    try:
        parser = build_parser(None if "_ARGCOMPLETE" in os.environ else _verb_of(given))
        if "_ARGCOMPLETE" in os.environ:
            import argcomplete

            argcomplete.autocomplete(parser)
        options = parser.parse_args(given, options)
        if not hasattr(options, "verb"):
            parser.print_help()
            return ExitCode.USAGE
        want(Colour(options.color))
        code = int(options.verb(options))
        sys.stdout.flush()
    except BrokenPipeError as error:
        return _broken_pipe(error, options)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - no input may end in a traceback
        return _report(error, options)
    return code


def _means_json(word: str) -> bool:
    """Return whether an argument is --json or a prefix of it that argparse accepts, such as --js."""
    return word.startswith("--j") and _JSON.startswith(word)


def _verb_of(given: list[str]) -> str:
    """Return the first argument that is not an option: the verb. Empty if there is none.

    No option that may stand before the verb takes a value.
    """
    return next((word for word in given if not word.startswith("-")), "")


def _report(error: BaseException, options: argparse.Namespace) -> int:
    """Print an error to standard error, and with --json or --yaml also as the run's only document."""
    ending = ending_of(error)
    if options.debug and not isinstance(ending, UsageError):
        sys.stderr.write(printable(redacted("".join(traceback.format_exception(error)))))
        _print_notes(error)
    try:
        _print_error(ending)
        if options.json or getattr(options, "yaml", False):
            from flotilla.cli.documents import write_document

            write_document(error_document(ending), as_yaml=getattr(options, "yaml", False))
            sys.stdout.flush()
    except BrokenPipeError:
        _silence()
    return int(ending.code)


def _print_error(ending: CommandError) -> None:
    if isinstance(ending, UsageError) and ending.usage:
        sys.stderr.write(ending.usage)
    for line in ending.lines or (f"error: {ending}",):
        sys.stderr.write(printable(redacted(line)) + "\n")


def _print_notes(error: BaseException) -> None:
    """Print the notes of an error that has no traceback."""
    if error.__traceback__ is None:
        for note in getattr(error, "__notes__", ()):
            sys.stderr.write(printable(redacted(note)))


def _broken_pipe(error: BrokenPipeError, options: argparse.Namespace) -> int:
    """End without an error if the reader of standard output is gone; report any other broken connection as usual."""
    if not _reader_is_gone():
        return _report(error, options)
    _silence()
    return ExitCode.DONE


def _reader_is_gone() -> bool:
    """Return whether standard output is a pipe whose other end is closed."""
    try:
        watched = select.poll()
        watched.register(sys.stdout.fileno(), 0)
        return any(events & select.POLLERR for _, events in watched.poll(0))
    except (OSError, ValueError):
        return False  # not a real file


def _silence() -> None:
    """Point standard output to the null device, so that Python's flush at exit does not fail."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):
        return  # not a real file: a test has replaced it, or it is closed


class _Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError` for wrong arguments, and that adds examples to the help of each verb."""

    def format_help(self) -> str:
        """Return the help: the verb's description, its arguments, and its examples in their own layout."""
        from flotilla.cli.usage import USAGE  # only the help needs it

        usage = USAGE.get(self.prog.partition(" ")[2])
        if usage is None:
            return super().format_help()
        self.description = usage.text
        return f"{super().format_help()}\n{usage.epilog}"

    def error(self, message: str) -> NoReturn:
        """Raise a `UsageError` with the usage of the verb."""
        raise UsageError(message, hint=f"{self.prog} --help", usage=self.format_usage())


def _folder(text: str) -> Path:
    """Return the project's folder from an argument.

    Raises:
        ArgumentTypeError: there is no such folder.
    """
    folder = Path(text)
    try:
        there = folder.is_dir()
    except (OSError, ValueError):
        there = False
    if not there:
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return folder


def build_parser(given: str | None = None) -> argparse.ArgumentParser:
    """Return the command's parser.

    Args:
        given: the verb of this run. Only its arguments are added to the parser; None adds the arguments of all verbs.
    """
    parser = _Parser(prog="flotilla", description="pulumi up for a fleet of Kubernetes clusters")
    parser.add_argument("--version", action="version", version=f"flotilla {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "-C", "--project", type=_folder, default=Path(), help="the project's folder (default: the current one)"
    )
    common.add_argument(_JSON, action="store_true", help="print one JSON document")
    common.add_argument(
        "--color",
        choices=[str(one) for one in Colour],
        default=str(Colour.AUTO),
        help="colours: auto (in a terminal; NO_COLOR and FORCE_COLOR change that), always, never",
    )
    common.add_argument("--debug", action="store_true", help="print the tracebacks of errors")
    add_verbs(verbs, common, given)
    return parser


if __name__ == "__main__":
    sys.exit(main())
