"""The programs that are started: their environment, and bounds on what they may take.

The environment is this process's own, without what opens the stack's secrets. Pulumi's CLI alone gets all of it: it
needs the passphrase and the access token.
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
_KEPT_BACK = ("PULUMI_ACCESS_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN", PROMETHEUS_TOKEN)
# The decrypted configuration (PULUMI_CONFIG), its keys, single values of it, and the passphrase.
_PREFIX = "PULUMI_CONFIG"
_GLANCE = 0.1


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a child process, with `more` in it."""
    kept = {key: value for key, value in os.environ.items() if not _kept_back(key)}
    return {**kept, **more}


def whole_environment(**more: str) -> dict[str, str]:
    """Return all of the environment, with `more` in it: for Pulumi's CLI alone."""
    return os.environ | more


def _kept_back(key: str) -> bool:
    return key in _KEPT_BACK or key.startswith(_PREFIX)


@dataclass(frozen=True)
class Ended:
    """What a program left."""

    code: int
    """Its exit code; negative where a signal ended it."""
    output: bytes
    """At most one byte more than was allowed."""
    errors: bytes
    late: bool
    """It took too long, and was ended."""


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
    """Run a program without input, within bounds; it and all that it started are ended at the end.

    Args:
        arguments: the program and its arguments: nothing secret, for every user of the machine can read them.
        variables: its whole environment.
        seconds: how long it may take; then its whole process group is ended.
        largest: how many bytes of its output, and of its errors, are read; one more says that there was more.
        folder: where it runs; this process's own if None.
        interruptible: it is also late once this process was asked to end (`flotilla.waiting`).
        together: its errors are among its output, where it wrote them.

    Raises:
        OSError: it can't be started.
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
            _look(process, readers, min(left, _GLANCE) if interruptible else left)
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Ended(process.returncode, said.get("out", b""), said.get("err", b""), late)


def _look(process: subprocess.Popen[bytes], readers: Sequence[threading.Thread], seconds: float) -> None:
    """Wait until the next of a program's outputs is read, or where all are, until it ends; for some seconds at most."""
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
