"""Where state lives: the layout, locks, history and backups of Pulumi's self-managed backend on files.

Source: pkg/backend/diy (store.go, lock.go, state.go) of Pulumi 3.259; the CLI reads and writes the same folder.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flotilla.errors import EngineError
from flotilla.state.checkpoint import Encoder, Snapshot, decode, secrets_salt
from flotilla.state.crypto import PassphraseCrypter


@dataclass(frozen=True)
class StackFiles:
    """A stack's files in a `file://` backend."""

    root: Path
    """The backend's folder, without `.pulumi`."""
    project: str
    stack: str

    @property
    def qualified(self) -> str:
        """The stack's full name; self-managed backends have one organization."""
        return f"organization/{self.project}/{self.stack}"

    @property
    def checkpoint(self) -> Path:
        """The state itself."""
        return self._folder("stacks") / f"{self.stack}.json"

    @property
    def locks(self) -> Path:
        """The folder of lock files."""
        return self.root / ".pulumi" / "locks" / "organization" / self.project / self.stack

    def _folder(self, kind: str) -> Path:
        return self.root / ".pulumi" / kind / self.project

    def read(self) -> str | None:
        """Return the checkpoint's text; None for a stack that doesn't exist yet."""
        try:
            return self.checkpoint.read_text()
        except FileNotFoundError:
            return None

    def write(self, text: str) -> None:
        """Replace the checkpoint, atomically and durably."""
        self._ensure_meta()
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        partial = self.checkpoint.with_name(f".{self.checkpoint.name}.{os.getpid()}.tmp")
        with partial.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.checkpoint)
        # The CLI's blob store keeps a checksum beside each file; one of another content must not stay.
        self.checkpoint.with_name(self.checkpoint.name + ".attrs").unlink(missing_ok=True)
        folder = os.open(self.checkpoint.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def back_up(self) -> None:
        """Keep the state as it is now, as the CLI does before every update."""
        if self.checkpoint.exists():
            folder = self._folder("backups") / self.stack
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.checkpoint, folder / f"{self.stack}.{time.time_ns()}.json")
            shutil.copyfile(self.checkpoint, self.checkpoint.with_name(self.checkpoint.name + ".bak"))

    def add_history(self, kind: str, started: float, result: str, changes: dict[str, int]) -> None:
        """Add an update to the stack's history, with the state that it left."""
        folder = self._folder("history") / self.stack
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.stack}-{time.time_ns()}"
        entry = {
            "kind": kind,
            "startTime": int(started),
            "endTime": int(time.time()),
            "message": "",
            "environment": {"exec.kind": "flotilla.embedded"},
            "config": {},
            "result": result,
            "resourceChanges": changes,
        }
        (folder / f"{stem}.history.json").write_text(json.dumps(entry))
        if self.checkpoint.exists():
            shutil.copyfile(self.checkpoint, folder / f"{stem}.checkpoint.json")

    def remove(self) -> None:
        """Remove the stack with its history and backups; its resources are not touched."""
        for name in ("", ".bak"):
            for suffix in ("", ".attrs"):
                self.checkpoint.with_name(self.checkpoint.name + name + suffix).unlink(missing_ok=True)
        for kind in ("history", "backups"):
            shutil.rmtree(self._folder(kind) / self.stack, ignore_errors=True)

    def _ensure_meta(self) -> None:
        meta = self.root / ".pulumi" / "meta.yaml"
        if not meta.exists():
            meta.parent.mkdir(parents=True, exist_ok=True)
            meta.write_text("version: 1\n")

    @contextmanager
    def locked(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Hold the stack against other runs, the CLI's too. A dead process's lock is taken over, with a message.

        Raises:
            EngineError: a live process holds it.
        """
        self._ensure_meta()
        self.locks.mkdir(parents=True, exist_ok=True)
        own = self.locks / f"{uuid.uuid4()}.json"
        who = {
            "pid": os.getpid(),
            "username": getpass.getuser(),
            "hostname": socket.gethostname(),
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        # Ours first, then a look at the others': of two that start at once, at least one sees the other.
        own.write_text(json.dumps(who))
        try:
            for other in self.locks.glob("*.json"):
                if other != own:
                    self._judge_lock(other, tell)
            yield
        finally:
            own.unlink(missing_ok=True)

    def _judge_lock(self, lock: Path, tell: Callable[[str], None]) -> None:
        try:
            holder = json.loads(lock.read_text())
        except (OSError, ValueError):
            return
        pid, host = int(holder.get("pid", 0)), holder.get("hostname", "")
        if host == socket.gethostname() and not _alive(pid):
            tell(f"taking over the lock of process {pid}, which is gone (since {holder.get('timestamp')})")
            lock.unlink(missing_ok=True)
            lock.with_name(lock.name + ".attrs").unlink(missing_ok=True)
            return
        raise EngineError(
            f"stack {self.stack} is locked by process {pid} of {holder.get('username')} on {host} "
            f"since {holder.get('timestamp')}",
            hint=f"wait until it is done; if it can't be running any more, remove {lock}",
        )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True)
class OpenStack:
    """A stack's files with the key to its secrets."""

    files: StackFiles
    crypter: PassphraseCrypter
    snapshot: Snapshot
    exists: bool
    salted: bool = True
    """The key's salt is one that the state or the stack file has; else it is a random one of this run."""


def open_stack(files: StackFiles, passphrase: str, config_salt: str | None) -> OpenStack:
    """Read a stack; one that doesn't exist yet is empty.

    Args:
        files: where it is.
        passphrase: the key to its secrets.
        config_salt: the stack file's `encryptionsalt`, which a new state takes over.

    Raises:
        EngineError: the passphrase is wrong, or the state is of another kind.
    """
    text = files.read()
    salt = (secrets_salt(text) if text else None) or config_salt
    crypter = PassphraseCrypter(passphrase, salt)
    snapshot = decode(text, crypter) if text else Snapshot()
    return OpenStack(files, crypter, snapshot, text is not None, salt is not None)


class StateWriter:
    """Writes every change of the state, durably, before the change counts as made.

    Changes that come while a write is under way share the next one: with many resources in flight the disk is not
    what they wait for.
    """

    def __init__(self, files: StackFiles, encoder: Encoder, current: Callable[[], Snapshot]) -> None:
        """Start with nothing to write; `current` gives the state at the moment of a write."""
        self._files = files
        self._encoder = encoder
        self._current = current
        self._condition = threading.Condition()
        self._wanted = 0
        self._written = 0
        self._error: BaseException | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Return once the state as it is now is on disk."""
        with self._condition:
            self._wanted += 1
            mine = self._wanted
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._written >= mine or self._error is not None)
            if self._error is not None:
                raise EngineError(f"the state can't be written: {self._error}")

    def close(self) -> None:
        """Write what is left and end."""
        if self._error is None:
            self.flush()
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted > self._written or self._closing)
                if self._closing and self._wanted == self._written:
                    return
                target = self._wanted
            try:
                self._files.write(self._encoder.encode(self._current()))
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the write
                with self._condition:
                    self._error = error
                    self._condition.notify_all()
                return
            with self._condition:
                self._written = target
                self._condition.notify_all()
