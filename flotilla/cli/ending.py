"""How a run of the command ends if it does not succeed: one line for people, one document for machines.

Every run with --json prints exactly one document. The shape of the document of an error is in
docs/reference/errors-json.md: `error` has `kind`, `message`, `hint`, and for a stack file `problems`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from flotilla.cli.exit_codes import ExitCode
from flotilla.errors import FlotillaError
from flotilla.kube.secrecy import redacted


class Kind(StrEnum):
    """The kind of the error that ended a run."""

    USAGE = "usage"
    """Arguments or environment variables are not valid."""
    CONFIG = "config"
    """The stack file is not valid: `problems` lists every problem."""
    FAILED = "failed"
    """A cluster, the state or a program refused or failed."""
    REFUSED = "refused"
    """The plan violates a mandatory policy: `verdicts` has which."""
    PLAN_CHANGED = "plan-changed"
    """The plan does not have the digest that was given."""
    NOT_CONFIRMED = "not-confirmed"
    """The user could not be asked, or the answer was no."""
    INTERRUPTED = "interrupted"
    UNEXPECTED = "unexpected"
    """A bug in Flotilla."""


class CommandError(FlotillaError):
    """An error with its exit code and kind, and with the fields that --json prints beside `error` (`document`)."""

    def __init__(
        self,
        message: str,
        *,
        kind: Kind,
        code: ExitCode,
        hint: str = "",
        document: dict[str, Any] | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        """Keep the parts of the error.

        Args:
            message: one line.
            kind: what happened.
            code: the exit code.
            hint: what the user can do next.
            document: fields for --json beside `error`, such as the plan.
            lines: the lines that people see instead of the message; if empty, they see the message.
        """
        super().__init__(message, hint=hint)
        self.kind = kind
        self.code = code
        self.document = document or {}
        self.lines = lines


class UsageError(CommandError):
    """Arguments that are not valid, or that exclude each other."""

    def __init__(self, message: str, *, hint: str = "", usage: str = "") -> None:
        """Keep the usage text, which only people see."""
        super().__init__(message, kind=Kind.USAGE, code=ExitCode.USAGE, hint=hint)
        self.usage = usage


def ending_of(error: BaseException) -> CommandError:
    """Return the command's error for any exception."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, FlotillaError):
        return _ending_of(error)
    if isinstance(error, KeyboardInterrupt):
        return CommandError("interrupted", kind=Kind.INTERRUPTED, code=ExitCode.FAILED)
    if isinstance(error, UnicodeDecodeError):
        text = f"a file is not UTF-8 text (byte {error.start})"
        return CommandError(text, kind=Kind.FAILED, code=ExitCode.FAILED, hint="--debug shows which one was read")
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return CommandError(f"{where}{error.strerror.lower()}", kind=Kind.FAILED, code=ExitCode.FAILED)
    return CommandError(
        f"unexpected {type(error).__name__}: please report it",
        kind=Kind.UNEXPECTED,
        code=ExitCode.FAILED,
        hint="--debug shows the traceback",
    )


def _ending_of(error: FlotillaError) -> CommandError:
    from flotilla.stack.problems import ConfigError  # its package takes a while to load

    if isinstance(error, ConfigError):
        problems = [asdict(problem) for problem in error.problems]
        document = {"error": {"problems": problems, "origin": error.origin}}
        return CommandError(error.message, kind=Kind.CONFIG, code=ExitCode.USAGE, hint=error.hint, document=document)
    return CommandError(error.message, kind=Kind.FAILED, code=ExitCode.FAILED, hint=error.hint)


def error_document(error: CommandError) -> dict[str, Any]:
    """Return the document that --json prints for an error."""
    more = {key: value for key, value in error.document.items() if key != "error"}
    body = {
        "kind": str(error.kind),
        "message": redacted(error.message),
        "hint": redacted(error.hint),
        **error.document.get("error", {}),
    }
    plain: dict[str, Any] = json.loads(json.dumps({**more, "error": body, "exitCode": int(error.code)}, default=str))
    return plain
