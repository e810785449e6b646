"""Operations on the files of a stack's state: where they are, the copies and locks, and restoring a copy.

They work on the files of the backend, which both engines share, without running an engine.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flotilla.deploy.interface import Setting, backend_folder, load_project
from flotilla.errors import EngineError
from flotilla.state.backend import StackFiles, open_copy, open_stack, read_file, write_errors
from flotilla.state.backups import Backup, newest_good, time_of
from flotilla.state.checkpoint import ResourceState
from flotilla.state.compression import unpacked
from flotilla.state.crypto import passphrase
from flotilla.state.diff import compare
from flotilla.state.locks import Holder, Lock, found_in, refusal
from flotilla.state.reading import StateError, count_of, parse
from flotilla.state.stacks import refuse_unknown


@dataclass(frozen=True)
class Copy:
    """A state file or a copy of one: the number of its resources, or why it can't be used."""

    file: Path
    exists: bool = True
    resources: int = 0
    pending: int = 0
    """Operations that were in progress when it was written."""
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the copy as JSON data."""
        return {
            "file": str(self.file),
            "exists": self.exists,
            "time": time_of(self.file) if self.exists else None,
            "resources": self.resources,
            "pending": self.pending,
            "problem": self.problem,
        }


@dataclass(frozen=True)
class StateFacts:
    """A stack's state file, its copies and its locks."""

    state: Copy
    copies: tuple[Copy, ...]
    locks: tuple[Lock, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON data."""
        return {
            "state": self.state.to_json(),
            "backups": [copy.to_json() for copy in self.copies],
            "locks": [lock.to_json() for lock in self.locks],
        }


@dataclass(frozen=True)
class Restoration:
    """The changes that a copy would make to the state; for changed resources the paths that differ, never values."""

    state: Copy
    backup: Backup
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def same(self) -> bool:
        """Whether the copy and the state have the same content."""
        return not self.state.problem and self.state.exists and not (self.added or self.removed or self.changed)

    def to_json(self) -> dict[str, Any]:
        """Return the differences as JSON data."""
        file = self.backup.file
        return {
            "state": self.state.to_json(),
            "backup": {"file": str(file), "time": time_of(file), "resources": len(self.backup.snapshot.resources)},
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": [{"urn": urn, "paths": list(paths)} for urn, paths in self.changed],
        }


def remove_stack(setting: Setting) -> None:
    """Remove a stack's state from the default backend, on the assumption that its resources no longer exist.

    A backend that the user has named is not touched.
    """
    folder = backend_folder(f"file://{setting.state_folder}")
    StackFiles(folder, load_project(setting).name, setting.stack).remove()


def files_of(setting: Setting) -> StackFiles:
    """Return a stack's files.

    Raises:
        EngineError: the backend is not a folder, or the stack does not exist.
    """
    url = setting.backend_url()
    if not url.startswith("file://"):
        raise EngineError(
            f"the stack's backend is {url}; `flotilla state` works on states in folders (file://...)",
            hint="`pulumi stack export` and `import` show and restore a state there, `pulumi cancel` breaks a lock",
        )
    project = load_project(setting)
    files = StackFiles(backend_folder(url), project.name, setting.stack)
    refuse_unknown(files, project, new=bool(files.copies()))
    return files


def facts(setting: Setting) -> StateFacts:
    """Read a stack's files. Secrets are not decrypted, so no passphrase is needed."""
    files = files_of(setting)
    copies = tuple(_read_copy(files, file) for file in files.copies())
    return StateFacts(_state(files), copies, tuple(found_in(files.locks)))


def restoration(setting: Setting, file: Path | None) -> Restoration:
    """Compare a copy with the current state.

    Args:
        setting: the stack's setting.
        file: the copy, as a path or as a name in the folder of backups; None for the newest valid one.

    Raises:
        EngineError: there is no valid copy, or the named one can't be used.
    """
    files = files_of(setting)
    secret = passphrase(files.root / "passphrase")
    state = _state(files)
    if state.problem and not os.path.lexists(files.checkpoint):
        raise EngineError(f"the state of stack {files.stack} {state.problem}", hint="restore it with Pulumi's CLI")
    backup = _chosen(files, file, secret)
    current: tuple[ResourceState, ...] = ()
    if state.exists and not state.problem:
        try:
            current = open_stack(files, secret, None).snapshot.resources
        except EngineError as error:
            state = Copy(files.checkpoint, problem=error.message)
    old, new = _by_key(current), _by_key(backup.snapshot.resources)
    changed = [(new[key].urn, _paths(old[key], new[key])) for key in new if key in old and old[key] != new[key]]
    return Restoration(
        state,
        backup,
        tuple(new[key].urn for key in new if key not in old),
        tuple(old[key].urn for key in old if key not in new),
        tuple(changed),
    )


def restore(setting: Setting, plan: Restoration) -> Path | None:
    """Replace the state with a copy, and return the path at which the replaced file is kept.

    Raises:
        EngineError: another run has locked the stack, or the files can't be written.
    """
    files = files_of(setting)
    with files.locked(setting.report), write_errors(files.backups):
        kept = None
        if os.path.lexists(files.checkpoint):
            files.backups.mkdir(parents=True, exist_ok=True)
            kept = files.backups / f"{files.stack}.{time.time_ns()}.replaced"
            if files.checkpoint.is_file():
                os.link(files.checkpoint, kept)  # linked and not moved, so that the state's file always exists
            else:
                files.checkpoint.rename(kept)
        files.write(plan.backup.content)
    return kept


def locks_of(setting: Setting) -> list[Lock]:
    """Return a stack's locks."""
    return found_in(files_of(setting).locks)


def refuse_live(setting: Setting, locks: list[Lock]) -> None:
    """Refuse to break the lock of a process that runs on this host.

    Raises:
        EngineError: there is such a lock; the message names the process.
    """
    for lock in locks:
        if lock.holder is Holder.LIVE:
            raise EngineError(
                f"{refusal(lock, setting.stack).message}: that process runs on this host",
                hint=f"end it (`kill {lock.pid}`) and it releases the lock; --force breaks the lock all the same",
            )


def _state(files: StackFiles) -> Copy:
    try:
        if files.read() is None:
            return Copy(files.checkpoint, exists=False)
    except StateError as error:
        return Copy(files.checkpoint, exists=files.checkpoint.exists(), problem=error.message)
    return _read_copy(files, files.checkpoint)


def _read_copy(files: StackFiles, file: Path) -> Copy:
    try:
        document = parse(unpacked(read_file(file)), files.project, files.stack)
    except StateError as error:
        return Copy(file, problem=error.message)
    latest = document["checkpoint"].get("latest") or {}
    return Copy(file, resources=count_of(document), pending=len(latest.get("pending_operations") or []))


def _chosen(files: StackFiles, file: Path | None, secret: str) -> Backup:
    if file is None:
        good = newest_good(files.copies(), lambda copy: open_copy(files, copy, secret))
        if good is None:
            raise EngineError(
                f"stack {files.stack} has no good backup: looked in {files.backups}, {files.history} and {files.bak}",
                hint="--backup FILE names a copy of your own; nothing was changed",
            )
        return good
    found = file if file.exists() or file.parent != Path() else files.backups / file
    try:
        return open_copy(files, found, secret)
    except FileNotFoundError:
        raise EngineError(f"there is no backup {found}", hint="`flotilla state show` lists those that exist") from None
    except StateError as error:
        raise EngineError(f"the backup {found} {error.message}", hint=error.hint or "nothing was changed") from None


def _by_key(resources: tuple[ResourceState, ...]) -> dict[tuple[str, str], ResourceState]:
    """Return resources by URN; the key of old copies of replaced ones includes their ID."""
    return {(resource.urn, resource.id if resource.delete else ""): resource for resource in resources}


def _paths(old: ResourceState, new: ResourceState) -> tuple[str, ...]:
    changes = compare(old.inputs, new.inputs) or compare(old.outputs, new.outputs)
    return tuple(sorted({change.text for change in changes}))
