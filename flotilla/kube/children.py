"""Child processes: their environment, and bounds on their time and output.

A child process gets this process's environment without the variables that can decrypt the stack's secrets. Only
Pulumi's CLI gets all of them, since it needs the passphrase and the access token.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flotilla.waiting import asked_to_end

PROMETHEUS_TOKEN = "FLOTILLA_PROMETHEUS_TOKEN"  # noqa: S105 - the name of a variable
"""The variable with the bearer token for Prometheus (`flotilla.karmada.waves.prometheus`)."""
_REMOVED = ("PULUMI_ACCESS_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN", PROMETHEUS_TOKEN)
# Variables that start so contain the decrypted configuration, single values of it, its keys, and the passphrase.
_PREFIX = "PULUMI_CONFIG"
_POLL_SECONDS = 0.1


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a child process; `more` is added."""
    kept = {key: value for key, value in os.environ.items() if not _removed(key)}
    return {**kept, **more}


def whole_environment(**more: str) -> dict[str, str]:
    """Return the unfiltered environment, for Pulumi's CLI only; `more` is added."""
    return os.environ | more


def _removed(key: str) -> bool:
    return key in _REMOVED or key.startswith(_PREFIX)


@dataclass(frozen=True)
class Ended:
    """The result of a program that has ended."""

    code: int
    """The exit code; negative if a signal ended the program."""
    output: bytes
    """At most one byte more than the allowed number."""
    errors: bytes
    late: bool
    """Whether the program took too long and was killed."""


def bounded(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    *,
    seconds: float,
    largest: int,
    folder: Path | None = None,
    interruptible: bool = False,
    together: bool = False,
) -> Ended:
    """Run a program without input and within bounds; its process group is killed at the end.

    Args:
        arguments: the program and its arguments. They must contain no secret: every user of the machine can read them.
        variables: the complete environment of the program.
        seconds: how long the program may take before its process group is killed.
        largest: how many bytes of standard output, and of standard error, may be read. One byte more is read if there
            is one, so that the caller sees that the bound was exceeded.
        folder: the working directory; this process's own if None.
        interruptible: the program is also late once this process was asked to end (`flotilla.waiting`).
        together: standard error goes into standard output, in the order in which the program wrote them.

    Raises:
        OSError: the program can't be started.
    """
    process = subprocess.Popen(
        arguments,
        env=variables,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if together else subprocess.PIPE,
        start_new_session=True,
    )
    said: dict[str, bytes] = {}
    readers = [
        threading.Thread(target=_read, args=(said, name, stream, largest), daemon=True)
        for name, stream in (("out", process.stdout), ("err", process.stderr))
    ]
    for reader in readers:
        reader.start()
    end = time.monotonic() + seconds
    late = False
    try:
        while process.poll() is None or any(reader.is_alive() for reader in readers):
            left = end - time.monotonic()
            late = left <= 0 or (interruptible and asked_to_end())
            if late:
                break
            _wait(process, readers, min(left, _POLL_SECONDS) if interruptible else left)
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Ended(process.returncode, said.get("out", b""), said.get("err", b""), late)


def _wait(process: subprocess.Popen[bytes], readers: Sequence[threading.Thread], seconds: float) -> None:
    """Wait until one more output of the program is read or, once all are read, until it ends; at most `seconds`."""
    reading = next((reader for reader in readers if reader.is_alive()), None)
    if reading is not None:
        reading.join(seconds)
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _read(said: dict[str, bytes], name: str, stream: IO[bytes] | None, largest: int) -> None:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError), stream:
            said[name] = stream.read(largest + 1)
