"""The files of a stack: the layout, locks, history and backups of Pulumi's self-managed backend on a file system.

Source: pkg/backend/diy (store.go, lock.go, state.go) of Pulumi 3.259. The CLI reads and writes the same folder.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flotilla.errors import EngineError
from flotilla.files import write_bytes_whole, write_whole
from flotilla.state.backups import Backup, candidates, newest_good, prune
from flotilla.state.checkpoint import Snapshot, secrets_salt
from flotilla.state.checksums import remove_checksum, remove_file
from flotilla.state.compression import ENDING, compressed, unpacked
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.locks import Holder, found_in, refusal, write_lock
from flotilla.state.reading import StateError, parse, snapshot_of
from flotilla.state.values import Properties

OWN = "flotilla"
"""The key under which the embedded engine adds data to an entry of the history; Pulumi's CLI ignores it."""


@dataclass(frozen=True)
class StackFiles:
    """A stack's files in a `file://` backend."""

    root: Path
    """The backend's folder, without `.pulumi`."""
    project: str
    stack: str

    @property
    def qualified(self) -> str:
        """The stack's full name; in self-managed backends there is only one organization."""
        return f"organization/{self.project}/{self.stack}"

    @property
    def checkpoint(self) -> Path:
        """The file with the state."""
        return self._folder("stacks") / f"{self.stack}.json"

    @property
    def locks(self) -> Path:
        """The folder of lock files."""
        return self.root / ".pulumi" / "locks" / "organization" / self.project / self.stack

    def _folder(self, kind: str) -> Path:
        return self.root / ".pulumi" / kind / self.project

    @property
    def backups(self) -> Path:
        """The folder of backups, which contain the state before each of the last updates."""
        return self._folder("backups") / self.stack

    @property
    def history(self) -> Path:
        """The folder of the stack's history: a record of each update, and the state after it."""
        return self._folder("history") / self.stack

    @property
    def begun(self) -> Path:
        """The record of the current run. It remains if the run is killed, which then has no entry in the history."""
        return self.backups / f"{self.stack}.begun"

    @property
    def bak(self) -> Path:
        """The copy of the newest backup next to the state, which the CLI keeps too."""
        return self.checkpoint.with_name(self.checkpoint.name + ".bak")

    def exists(self) -> bool:
        """Return whether the stack has a state, readable or not."""
        try:
            return self.read() is not None
        except StateError:
            return True

    def read(self) -> bytes | None:
        """Return the checkpoint's content; None if the stack doesn't exist yet.

        Raises:
            StateError: the checkpoint exists but can't be read, or is in a format that this engine doesn't read.
        """
        try:
            return unpacked(read_file(self.checkpoint))
        except FileNotFoundError:
            self._refuse_other_forms()
            return None

    def _refuse_other_forms(self) -> None:
        for suffix in (".gz", ".zst"):
            if self.checkpoint.with_name(self.checkpoint.name + suffix).exists():
                raise StateError(
                    f"is compressed ({suffix}), which this engine doesn't read",
                    hint="use --engine pulumi, or unset PULUMI_DIY_BACKEND_GZIP and let the CLI write it again",
                )
        if (old := self.checkpoint.parents[1] / self.checkpoint.name).is_file():
            raise StateError(
                f"is still {old}, where older versions of the CLI keep states",
                hint="`pulumi state upgrade` moves it; or use --engine pulumi",
            )

    def write(self, text: str) -> None:
        """Replace the checkpoint, atomically and durably; a failure leaves the old one and no other file.

        Raises:
            EngineError: the checkpoint can't be written: the disk is full, or the folder is not writable.
        """
        with write_errors(self.checkpoint):
            self._ensure_meta()
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.checkpoint, text)
            remove_checksum(self.checkpoint)
            folder = os.open(self.checkpoint.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def back_up(self, opened: OpenStack) -> None:
        """Copy the current state to the backups, as the CLI does before every update; the newest `backups.KEPT` stay.

        A state without resources is not copied, since nobody needs to restore it.

        Raises:
            EngineError: the backup can't be written.
        """
        if not opened.snapshot.resources:
            return
        with write_errors(self.backups):
            self.backups.mkdir(parents=True, exist_ok=True)
            kept = self.backups / f"{self.stack}.{time.time_ns()}.json{ENDING}"
            write_bytes_whole(kept, compressed(opened.text))
            write_whole(self.bak, opened.text)
            remove_checksum(self.bak)
            prune(self.backups, self.stack, suffix=".json")

    def begin(self, kind: str, back_to: int = 0) -> None:
        """Record that a run begins to change the stack; the record stays until the run's entry is in the history.

        Args:
            kind: the kind of the update, as in the history.
            back_to: the number of the update whose declaration the run restores; 0 for none.

        Raises:
            EngineError: the record can't be written.
        """
        with write_errors(self.begun):
            self.backups.mkdir(parents=True, exist_ok=True)
            write_whole(self.begun, json.dumps({"kind": kind, "backTo": back_to, "time": time.time_ns()}))

    def add_history(
        self,
        kind: str,
        started: float,
        result: str,
        changes: dict[str, int],
        *,
        message: str = "",
        own: Properties | None = None,
    ) -> None:
        """Add an update to the stack's history, with the state after it.

        Args:
            kind: the kind of the update, such as `update` or `destroy`.
            started: its start, in seconds since 1970.
            result: `succeeded` or `failed`.
            changes: the number of steps of each operation.
            message: the entry's message.
            own: the data that this engine adds (`flotilla.state.history`).

        Raises:
            EngineError: the entry can't be written.
        """
        stem = f"{self.stack}-{time.time_ns()}"
        entry = {
            "kind": kind,
            "startTime": int(started),
            "endTime": int(time.time()),
            "message": message,
            "environment": {"exec.kind": "flotilla.embedded"},
            "config": {},
            "result": result,
            "resourceChanges": changes,
            **({OWN: own} if own else {}),
        }
        with write_errors(self.history):
            self.history.mkdir(parents=True, exist_ok=True)
            write_whole(self.history / f"{stem}.history.json", json.dumps(entry))
            if self.checkpoint.exists():
                kept = self.history / f"{stem}.checkpoint.json{ENDING}"
                write_bytes_whole(kept, compressed(self.checkpoint.read_text()))
            self.begun.unlink(missing_ok=True)
            prune(self.history, self.stack, suffix=".checkpoint.json")

    def copies(self) -> list[Path]:
        """Return all copies of the state, valid or not, the newest first."""
        return candidates(self.backups, self.bak, self.history)

    def remove(self) -> None:
        """Remove the stack with its history and backups; its resources are not touched."""
        for file in (self.checkpoint, self.bak):
            remove_file(file)
        for folder in (self.history, self.backups):
            shutil.rmtree(folder, ignore_errors=True)

    def _ensure_meta(self) -> None:
        meta = self.root / ".pulumi" / "meta.yaml"
        if not meta.exists():
            meta.parent.mkdir(parents=True, exist_ok=True)
            write_whole(meta, "version: 1\n", mode=0o644)

    @contextmanager
    def locked(self, report: Callable[[str], None]) -> Iterator[Path]:
        """Lock the stack against other runs, including the CLI's, and yield the lock file.

        The lock of a process that no longer runs is removed, with a message.

        Raises:
            EngineError: another process has the lock, or a lock file doesn't name its process.
        """
        with write_errors(self.locks):
            self._ensure_meta()
            # Our lock is written before the others are read: if two runs start together, at least one sees the other.
            own = write_lock(self.locks)
        try:
            for other in found_in(self.locks):
                if other.file == own:
                    continue
                if other.holder is not Holder.GONE:
                    raise refusal(other, self.stack)
                report(f"taking over the lock of {other.text}: that process is gone")
                other.remove()
            yield own
        finally:
            own.unlink(missing_ok=True)


@contextmanager
def write_errors(place: Path) -> Iterator[None]:
    """Turn the operating system's error of a failed write into one line."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"the state can't be written: {error.strerror or error} ({error.filename or place})",
            hint="make room on the disk, or make the folder writable, and run the same command again",
        ) from error


def read_file(file: Path) -> bytes:
    """Return the raw content of a state or of a copy; a compressed one has to be read with `unpacked`.

    Raises:
        FileNotFoundError: the file does not exist.
        StateError: it isn't a regular file, or can't be read.
    """
    try:
        if file.exists() and not file.is_file():
            raise StateError("is a folder, not a file" if file.is_dir() else "is not a regular file")
        return file.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StateError(f"can't be read: {error.strerror}") from None


@dataclass(frozen=True)
class OpenStack:
    """A stack that was read: its files, its state, and the key to its secrets."""

    files: StackFiles
    crypter: PassphraseCrypter
    snapshot: Snapshot
    text: str
    """The content of the state's file; empty for a stack that doesn't exist yet."""
    salted: bool = True
    """Whether the key's salt comes from the state or the stack file; otherwise it is a random one of this run."""

    @property
    def exists(self) -> bool:
        """Whether the stack has a state, possibly one without resources."""
        return bool(self.text)


def open_stack(files: StackFiles, passphrase: str, config_salt: str | None) -> OpenStack:
    """Read a stack; a stack that doesn't exist yet is empty.

    Args:
        files: the stack's files.
        passphrase: the passphrase of its secrets.
        config_salt: the stack file's `encryptionsalt`, which a new state uses.

    Raises:
        EngineError: the passphrase is wrong, or the state can't be used; the message says why and names a valid backup.
    """
    try:
        data = files.read()
        if data is None:
            crypter = PassphraseCrypter(passphrase, config_salt)
            return OpenStack(files, crypter, Snapshot(), "", config_salt is not None)
        return _opened(files, data, passphrase, config_salt)
    except StateError as error:
        raise unusable(files, error, passphrase) from None


def open_copy(files: StackFiles, file: Path, passphrase: str) -> Backup:
    """Read a copy of a stack's state.

    Raises:
        StateError: the copy can't be used.
        EngineError: the passphrase is wrong.
        FileNotFoundError: the copy does not exist.
    """
    found = _opened(files, unpacked(read_file(file)), passphrase, None)
    return Backup(file, found.snapshot, found.text)


def _opened(files: StackFiles, data: bytes, passphrase: str, config_salt: str | None) -> OpenStack:
    document = parse(data, files.project, files.stack)
    salt = secrets_salt(document) or config_salt
    crypter = PassphraseCrypter(passphrase, salt)
    return OpenStack(files, crypter, snapshot_of(document, crypter), data.decode(), salt is not None)


def unusable(files: StackFiles, error: StateError, passphrase: str) -> EngineError:
    """Return the error for a state that can't be used: the file, the problem, the newest valid backup, the remedy."""
    wrong = f"the state of stack {files.stack} can't be used: {files.checkpoint} {error.message}"
    good = newest_good(files.copies(), lambda file: open_copy(files, file, passphrase))
    if good is None:
        found = f"there is no good backup in {files.backups}"
        way = "restore the file from your own copy"
    else:
        found = f"the newest good backup is {good.text}"
        way = f"`flotilla state restore -s {files.stack}` shows what differs and restores it"
    hint = f"{error.hint}; otherwise {way}" if error.hint else way
    return EngineError(f"{wrong}; {found}", hint=f"{hint}; nothing was changed")
