"""The programs that render sources: finds the installed one, and runs it within limits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flotilla.errors import FlotillaError
from flotilla.kube import children
from flotilla.kube.secrecy import redacted_line
from flotilla.kube.yaml import MAX_BYTES
from flotilla.untrusted import one_line

SECONDS = 120.0
"""Time limit of one run, in seconds: it may have to pull a chart, or to clone a remote base."""
MOST_BYTES = 2 * MAX_BYTES
"""Limit for the output of one run."""
_LONGEST = 600
_VERSION_OF = {"helm": ("version", "--short"), "kustomize": ("version",), "kubectl": ("version", "--client")}
# What the loggers of helm and klog write before a message: file and line, or date and time.
_LOGGED = re.compile(r"^(\S+\.go:\d+: |\d{4}/\d\d/\d\d \d\d:\d\d:\d\d |[IWEF]\d{4} \S+ +\d+ \S+\] )")
_BEGINS = re.compile(_LOGGED.pattern + r"|^[Ee]rror: ")
# klog's fields, in one line or several.
_CLOSED = re.compile(r'^"command failed" err=(<|")(.*?)(>|")\s*$', re.DOTALL)
_ADVICE = re.compile(r"\s*Use --debug flag to render out invalid YAML\s*")


class ProgramFailed(FlotillaError):
    """A program failed to render: one line, without secrets that this process knows."""


@dataclass(frozen=True)
class Tool:
    """An installed program."""

    name: str
    path: str
    identity: str
    """Changes when the program's file changes; it is computed without running the program."""

    def version(self) -> str:
        """Return the version that the program reports; its identity where it reports none.

        Raises:
            ProgramFailed: the program can't be run.
        """
        said, _ = self.run(_VERSION_OF[self.name])
        return one_line(said.strip())[:_LONGEST] or self.identity

    def run(self, arguments: Sequence[str], *, secrets: Iterable[str] = (), **variables: str) -> tuple[str, list[str]]:
        """Run the program; return its output, and the lines of its errors.

        Args:
            arguments: the arguments, which contain no secrets.
            secrets: further secrets to remove from error messages, besides those that this process knows.
            variables: environment variables, besides those that every program gets.

        Raises:
            ProgramFailed: it can't be started, fails, takes too long or prints too much.
        """
        doing = " ".join((self.name, *arguments[:1]))
        try:
            ended = children.bounded(
                [self.path, *arguments], children.environment(**variables), seconds=SECONDS, largest=MOST_BYTES
            )
        except OSError as error:
            raise ProgramFailed(f"{doing}: {self.path} can't be started: {error.strerror or error}") from None
        if len(ended.output) > MOST_BYTES:
            raise ProgramFailed(f"{doing}: it printed more than {MOST_BYTES >> 20} MiB, the limit")
        if ended.late:
            raise ProgramFailed(f"{doing}: it did not end within {SECONDS:.0f} s")
        lines = ended.errors.decode("utf-8", "replace").splitlines()
        if ended.code:
            raise ProgramFailed(
                f"{doing}: {_reason(lines, secrets) or f'it failed with exit code {ended.code}, and gave no reason'}"
            )
        try:
            return ended.output.decode(), [_LOGGED.sub("", line) for line in lines]
        except UnicodeDecodeError:
            raise ProgramFailed(f"{doing}: its output is not UTF-8") from None


def installed(*names: str) -> Tool | None:
    """Return the first of these programs that is on the PATH; None where none is."""
    for name in names:
        path = shutil.which(name)
        if path is None:
            continue
        file = Path(path).resolve()
        try:
            status = file.stat()
        except OSError:
            continue
        return Tool(name, path, f"{name} {file} {status.st_size} {status.st_mtime_ns}")
    return None


def shown(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a program's text as one short line, without these secrets and those that this process knows."""
    return redacted_line(text, _LONGEST, secrets)


def _reason(lines: list[str], secrets: Iterable[str]) -> str:
    """Return why a program failed: the text from its last error or log entry on, or its last line."""
    said = [line for line in lines if line.strip() and not _ADVICE.fullmatch(line)]
    begin = max((number for number, line in enumerate(said) if _BEGINS.match(line)), default=-1)
    text = " ".join(line.strip() for line in said[begin:])
    return shown(_CLOSED.sub(r"\2", _BEGINS.sub("", text)), secrets)
