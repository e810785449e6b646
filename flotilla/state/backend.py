"""Where state lives: the layout, locks, history and backups of Pulumi's self-managed backend on files.

Source: pkg/backend/diy (store.go, lock.go, state.go) of Pulumi 3.259; the CLI reads and writes the same folder.
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
"""The key of what the embedded engine adds to an entry of the history; Pulumi's CLI passes over it."""


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

    @property
    def backups(self) -> Path:
        """The folder of backups: the state before each of the last updates."""
        return self._folder("backups") / self.stack

    @property
    def history(self) -> Path:
        """The folder of the stack's history: what each update did, and the state that it left."""
        return self._folder("history") / self.stack

    @property
    def begun(self) -> Path:
        """What the run under way does, which stays where it is killed: it writes no entry of the history then."""
        return self.backups / f"{self.stack}.begun"

    @property
    def bak(self) -> Path:
        """The newest backup's copy beside the state, as the CLI keeps one."""
        return self.checkpoint.with_name(self.checkpoint.name + ".bak")

    def exists(self) -> bool:
        """Tell whether there is a state, readable or not."""
        try:
            return self.read() is not None
        except StateError:
            return True

    def read(self) -> bytes | None:
        """Return the checkpoint's content; None for a stack that doesn't exist yet.

        Raises:
            StateError: it is there but can't be read, or it is kept in a form that this engine doesn't read.
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
                f"is still {old}, where the CLI kept states before it knew projects",
                hint="`pulumi state upgrade` moves it; or use --engine pulumi",
            )

    def write(self, text: str) -> None:
        """Replace the checkpoint, atomically and durably; a failure leaves the old one and no other file.

        Raises:
            EngineError: it can't be written: the disk is full, or the folder can't be written to.
        """
        with written(self.checkpoint):
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
        """Keep the state as it is now, as the CLI does before every update: the newest `backups.KEPT` stay.

        A state without resources is nothing to go back to, and takes no backup's place.

        Raises:
            EngineError: it can't be written.
        """
        if not opened.snapshot.resources:
            return
        with written(self.backups):
            self.backups.mkdir(parents=True, exist_ok=True)
            kept = self.backups / f"{self.stack}.{time.time_ns()}.json{ENDING}"
            write_bytes_whole(kept, compressed(opened.text))
            write_whole(self.bak, opened.text)
            remove_checksum(self.bak)
            prune(self.backups, self.stack, suffix=".json")

    def begin(self, kind: str, back_to: int = 0) -> None:
        """Note what a run is about to change, until it has its entry in the history.

        Args:
            kind: as in the history.
            back_to: the update whose declaration it restores; 0 for none.

        Raises:
            EngineError: it can't be written.
        """
        with written(self.begun):
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
        """Add an update to the stack's history, with the state that it left.

        Args:
            kind: what was done.
            started: when, in seconds since 1970.
            result: `succeeded` or `failed`.
            changes: how many steps there were of each operation.
            message: what the history says of it.
            own: what this engine keeps besides (`flotilla.state.history`).

        Raises:
            EngineError: it can't be written.
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
        with written(self.history):
            self.history.mkdir(parents=True, exist_ok=True)
            write_whole(self.history / f"{stem}.history.json", json.dumps(entry))
            if self.checkpoint.exists():
                kept = self.history / f"{stem}.checkpoint.json{ENDING}"
                write_bytes_whole(kept, compressed(self.checkpoint.read_text()))
            self.begun.unlink(missing_ok=True)
            prune(self.history, self.stack, suffix=".checkpoint.json")

    def copies(self) -> list[Path]:
        """Return the copies of the state that there are, good or not, the newest first."""
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
    def locked(self, tell: Callable[[str], None]) -> Iterator[Path]:
        """Lock the stack against other runs, the CLI's too, and return the lock's file.

        A dead process's lock is taken over, with a message.

        Raises:
            EngineError: another process has the lock, or a lock's file doesn't say whose it is.
        """
        with written(self.locks):
            self._ensure_meta()
            # Ours first, then a look at the others': of two that start at once, at least one sees the other.
            own = write_lock(self.locks)
        try:
            for other in found_in(self.locks):
                if other.file == own:
                    continue
                if other.holder is not Holder.GONE:
                    raise refusal(other, self.stack)
                tell(f"taking over the lock of {other.text}: that process is gone")
                other.remove()
            yield own
        finally:
            own.unlink(missing_ok=True)


@contextmanager
def written(place: Path) -> Iterator[None]:
    """Turn what the operating system says of a failed write into one line."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"the state can't be written: {error.strerror or error} ({error.filename or place})",
            hint="make room on the disk, or make the folder writable, and run the same command again",
        ) from error


def read_file(file: Path) -> bytes:
    """Return the content of a state, or of a copy as it is kept: `unpacked` reads a compressed one.

    Raises:
        FileNotFoundError: it isn't there.
        StateError: it is no file, or can't be read.
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
    """A stack's files with the key to its secrets."""

    files: StackFiles
    crypter: PassphraseCrypter
    snapshot: Snapshot
    text: str
    """The file's content; empty for a stack that doesn't exist yet."""
    salted: bool = True
    """The key's salt is one that the state or the stack file has; else it is a random one of this run."""

    @property
    def exists(self) -> bool:
        """Whether there is a state, be it one without resources."""
        return bool(self.text)


def open_stack(files: StackFiles, passphrase: str, config_salt: str | None) -> OpenStack:
    """Read a stack; one that doesn't exist yet is empty.

    Args:
        files: where it is.
        passphrase: the key to its secrets.
        config_salt: the stack file's `encryptionsalt`, which a new state takes over.

    Raises:
        EngineError: the passphrase is wrong, or the state can't be used: says why, and which backup is good.
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
        StateError: it can't be used.
        EngineError: the passphrase is wrong.
        FileNotFoundError: it isn't there.
    """
    found = _opened(files, unpacked(read_file(file)), passphrase, None)
    return Backup(file, found.snapshot, found.text)


def _opened(files: StackFiles, data: bytes, passphrase: str, config_salt: str | None) -> OpenStack:
    document = parse(data, files.project, files.stack)
    salt = secrets_salt(document) or config_salt
    crypter = PassphraseCrypter(passphrase, salt)
    return OpenStack(files, crypter, snapshot_of(document, crypter), data.decode(), salt is not None)


def unusable(files: StackFiles, error: StateError, passphrase: str) -> EngineError:
    """Return the error for a state that can't be used: the file, what is wrong, the newest good backup, the way out."""
    wrong = f"the state of stack {files.stack} can't be used: {files.checkpoint} {error.message}"
    good = newest_good(files.copies(), lambda file: open_copy(files, file, passphrase))
    if good is None:
        found = f"there is no good backup in {files.backups}"
        way = "put the file back from a copy of your own"
    else:
        found = f"the newest good backup is {good.text}"
        way = f"`flotilla state restore -s {files.stack}` shows what differs and restores it"
    hint = f"{error.hint}; otherwise {way}" if error.hint else way
    return EngineError(f"{wrong}; {found}", hint=f"{hint}; nothing was changed")
