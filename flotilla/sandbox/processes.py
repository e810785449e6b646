"""Processes that outlive the command: started once, identified by ID and start time, and ended by ID."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from flotilla.errors import SandboxError
from flotilla.kube import children

_END_SECONDS = 10.0


@dataclass(frozen=True)
class Process:
    """A program of the sandbox, with its log and its record in a folder."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """The file with the program's output."""
        return self.folder / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.folder / f"{self.name}.json"

    def pid(self) -> int | None:
        """Return the ID of the running process; None if it doesn't run."""
        try:
            record = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return None
        pid = int(record["pid"])
        # The kernel uses IDs again, certainly after a reboot, so the start time must match as well.
        return pid if start_time(pid) == record["started"] else None

    def start(self, command: list[str]) -> None:
        """Start the program in a separate session, so that Ctrl-C in the command doesn't reach it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=children.environment(),
                cwd=self.folder,
            )
        record = {"pid": child.pid, "started": start_time(child.pid), "command": command}
        self._record.write_text(json.dumps(record))

    def stop(self) -> None:
        """End the process; kill it if it doesn't end after SIGTERM."""
        for request in (signal.SIGTERM, signal.SIGKILL):
            pid = self.pid()
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, request)
            deadline = time.monotonic() + _END_SECONDS
            while self.pid() is not None and time.monotonic() < deadline:
                _reap(pid)
                time.sleep(0.05)
        self._record.unlink(missing_ok=True)

    def last_lines(self, count: int = 5) -> str:
        """Return the log's last lines, for errors."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return "(no log)"


def start_time(pid: int) -> str | None:
    """Return the start time of a process as the kernel counts it; None if the process doesn't exist or has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _ask_ps("lstart", pid) or None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] == "Z" else f"{boot}/{fields[19]}"


def command_line(pid: int) -> str:
    """Return a process's program and arguments; empty if the process doesn't exist or has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return _ask_ps("command", pid)


def _ask_ps(field: str, pid: int) -> str:
    """Return a field of a process from ps, on systems without /proc (macOS)."""
    if Path("/proc/self").exists():
        return ""
    command = ["ps", "-o", f"{field}=", "-p", str(pid)]
    result = subprocess.run(command, env=children.environment(), capture_output=True, text=True, check=False)
    return result.stdout.strip()


def _reap(pid: int) -> None:
    """Wait for a child of this process, so that it doesn't remain as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def wait_until(check: object, *, seconds: float, doing: str, process: Process | None = None) -> None:
    """Poll `check()` until it is true.

    Raises:
        SandboxError: it did not become true in time, or the process ended; the message has the log's last lines.
    """
    deadline = time.monotonic() + seconds
    while not check():  # type: ignore[operator]
        if process is not None and process.pid() is None:
            raise SandboxError(f"{process.name} ended while {doing}:\n{process.last_lines()}", hint=_hint(process))
        if time.monotonic() > deadline:
            tail = f":\n{process.last_lines()}" if process else ""
            raise SandboxError(f"no success within {seconds:.0f} s while {doing}{tail}")
        time.sleep(0.1)


def _hint(process: Process) -> str:
    """Return a remedy. With many control planes on one machine, the kernel's limit of file watches is reached first."""
    if "too many open files" in process.last_lines():
        return "end another sandbox, or raise the limit: sysctl fs.inotify.max_user_instances=1024"
    return f"see {process.log}"
