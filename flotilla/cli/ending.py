"""How a run of the command ends when it does not succeed: one line for people, one document for machines.

Every exit with --json prints exactly one document. The shape of those that tell of an error is in
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
    """What kind of error ended a run."""

    USAGE = "usage"
    """Arguments or variables of the environment that can't be read."""
    CONFIG = "config"
    """The stack's configuration is not valid: `problems` has every one."""
    FAILED = "failed"
    """A cluster, the state or a program refused or failed."""
    REFUSED = "refused"
    """A mandatory policy is violated: `verdicts` says which."""
    PLAN_CHANGED = "plan-changed"
    """The plan is not the one whose digest was given."""
    NOT_CONFIRMED = "not-confirmed"
    """A question had no answer, or the answer was no."""
    INTERRUPTED = "interrupted"
    UNEXPECTED = "unexpected"
    """A defect of the command."""


class CommandError(FlotillaError):
    """An end with an exit code and a kind of its own; `document` is what --json prints beside the error."""

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
        """Keep all parts apart.

        Args:
            message: one line.
            kind: what happened.
            code: the exit code.
            hint: what to do next.
            document: what is known besides, such as the plan.
            lines: what people are shown instead of the message; empty for the message itself.
        """
        super().__init__(message, hint=hint)
        self.kind = kind
        self.code = code
        self.document = document or {}
        self.lines = lines


class UsageError(CommandError):
    """Arguments that can't be read, or that exclude each other."""

    def __init__(self, message: str, *, hint: str = "", usage: str = "") -> None:
        """Keep the usage text for people."""
        super().__init__(message, kind=Kind.USAGE, code=ExitCode.USAGE, hint=hint)
        self.usage = usage


def ending_of(error: BaseException) -> CommandError:
    """Return how the command ends with an error, whatever it is."""
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
    from flotilla.stack.problems import ConfigError  # with its package, which takes a while to load

    if isinstance(error, ConfigError):
        problems = [asdict(problem) for problem in error.problems]
        document = {"error": {"problems": problems, "origin": error.origin}}
        return CommandError(error.message, kind=Kind.CONFIG, code=ExitCode.USAGE, hint=error.hint, document=document)
    return CommandError(error.message, kind=Kind.FAILED, code=ExitCode.FAILED, hint=error.hint)


def error_document(error: CommandError) -> dict[str, Any]:
    """Return an error for machines, with what else is known of the run."""
    more = {key: value for key, value in error.document.items() if key != "error"}
    body = {
        "kind": str(error.kind),
        "message": redacted(error.message),
        "hint": redacted(error.hint),
        **error.document.get("error", {}),
    }
    plain: dict[str, Any] = json.loads(json.dumps({**more, "error": body, "exitCode": int(error.code)}, default=str))
    return plain
