"""Locks of a stack: which process has one, and whether that process still runs.

The files are those of Pulumi's self-managed backend (pkg/backend/diy/lock.go of 3.259): one JSON file for each lock,
which the CLI reads and writes too. Additional fields, which the CLI doesn't use, identify the process, so that another
process that later gets the same number is not mistaken for it.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from flotilla.counts import counted
from flotilla.errors import EngineError
from flotilla.files import write_whole
from flotilla.state.checksums import remove_file

_PROC = Path("/proc")
_STATE_FIELD = 0
_START_FIELD = 19
"""The fields after the command's name in /proc/PID/stat: the state, and the start in clock ticks since the boot."""


class Holder(StrEnum):
    """Whether the process that has a lock still runs."""

    LIVE = "live"
    GONE = "gone"
    UNKNOWN = "unknown"
    """It runs on another host or in another container of this one, or the lock doesn't name it."""


@dataclass(frozen=True)
class Lock:
    """A lock file; fields that can't be read are empty."""

    file: Path
    pid: int = 0
    user: str = ""
    host: str = ""
    since: str = ""
    """The time of the lock, in RFC 3339."""
    started: str = ""
    """The start of the process, in clock ticks since the host's boot; empty if the lock doesn't contain it."""
    boot: str = ""
    """The ID of the host's boot."""
    namespace: str = ""
    """The PID namespace of the process."""
    problem: str = ""
    """Why the file can't be read; empty if it can."""

    @classmethod
    def read(cls, file: Path) -> Lock:
        """Read a lock file; if it can't be read, `problem` says why.

        Raises:
            FileNotFoundError: the process has released the lock.
        """
        content = b""
        try:
            content = file.read_bytes()
            body = json.loads(content)
        except FileNotFoundError:
            raise
        except OSError as error:
            return cls(file, problem=str(error.strerror))
        except (ValueError, RecursionError):
            return cls(file, problem="it is not JSON" if content else "it is empty")
        pid = body.get("pid") if isinstance(body, dict) else None
        if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0:
            return cls(file, problem="it names no process")
        process = body.get("process")
        known: dict[str, Any] = process if isinstance(process, dict) else {}
        return cls(
            file,
            pid,
            str(body.get("username", "")),
            str(body.get("hostname", "")),
            str(body.get("timestamp", "")),
            str(known.get("started", "")),
            str(known.get("boot", "")),
            str(known.get("namespace", "")),
        )

    @property
    def holder(self) -> Holder:
        """Whether the process that has the lock still runs."""
        if self.problem or self.host != socket.gethostname():
            return Holder.UNKNOWN
        if self.boot and self.boot != _boot():
            return Holder.GONE
        if self.namespace and self.namespace != _namespace():
            return Holder.UNKNOWN
        if not _alive(self.pid):
            return Holder.GONE
        return Holder.GONE if self.started and self.started != _started(self.pid) else Holder.LIVE

    @property
    def seconds(self) -> float:
        """The age of the lock, in seconds."""
        try:
            since = dt.datetime.fromisoformat(self.since).timestamp()
        except ValueError:
            since = self.file.stat().st_mtime if self.file.exists() else time.time()
        return max(0.0, time.time() - since)

    @property
    def text(self) -> str:
        """A description: who has the lock, since when and for how long."""
        if self.problem:
            return f"a lock file that doesn't say whose it is ({self.file}: {self.problem})"
        since = f"since {self.since} " if self.since else ""
        return f"process {self.pid} of {self.user or 'an unknown user'} on {self.host} {since}({age(self.seconds)})"

    def to_json(self) -> dict[str, Any]:
        """Return the lock as JSON data."""
        return {
            "file": str(self.file),
            "pid": self.pid,
            "user": self.user,
            "host": self.host,
            "since": self.since,
            "seconds": round(self.seconds, 1),
            "holder": str(self.holder),
            "problem": self.problem,
        }

    def remove(self) -> None:
        """Remove the file and the checksum that the CLI keeps next to it."""
        remove_file(self.file)


def found_in(folder: Path) -> list[Lock]:
    """Return the locks in a folder, without those that are released while they are read."""
    found = []
    for file in sorted(folder.glob("*.json")):
        with suppress(FileNotFoundError):
            found.append(Lock.read(file))
    return found


def write_lock(folder: Path) -> Path:
    """Write this process's lock into a folder, and return its file.

    Raises:
        OSError: the file can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{uuid.uuid4()}.json"
    body = {
        "pid": os.getpid(),
        "username": user_name(),
        "hostname": socket.gethostname(),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "process": {"started": _started(os.getpid()), "boot": _boot(), "namespace": _namespace()},
    }
    write_whole(file, json.dumps(body), mode=0o644)
    return file


def refusal(lock: Lock, stack: str) -> EngineError:
    """Return the error for a run that finds the stack locked."""
    return EngineError(
        f"stack {stack} is locked by {lock.text}; nothing was changed",
        hint="wait until it is done; if it can't be running any more, "
        f"`flotilla state unlock -s {stack}` breaks the lock",
    )


def age(seconds: float) -> str:
    """Return a duration as text, in its largest unit."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            number = int(seconds // size)
            return f"{counted(number, unit)} ago"
    return f"{int(seconds)} s ago"


def user_name() -> str:
    """Return the name of this process's user; the user's number if it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    # Z is a zombie: the process has ended, but its parent has not waited for it.
    return _stat(pid)[_STATE_FIELD : _STATE_FIELD + 1] not in (["Z"], ["X"])


def _started(pid: int) -> str:
    fields = _stat(pid)
    return fields[_START_FIELD] if len(fields) > _START_FIELD else ""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command's name; empty on systems without /proc."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
