"""Brings what `flotilla init` wrote up to date: a file that its user has changed is shown, any other is replaced."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flotilla import __version__
from flotilla.errors import FlotillaError
from flotilla.files import write_whole
from flotilla.kube.reading import UnreadableFile, read_text
from flotilla.scaffold.record import RECORD, Record, digest, read_record
from flotilla.scaffold.template_files import name_problem, project_files

_MODE = 0o644


class Fate(StrEnum):
    """What becomes of a file."""

    ADDED = "added"
    """The template has it now, and had it not."""
    UPDATED = "updated"
    """Nobody has changed it; the template has."""
    YOURS = "yours"
    """You and the template have changed it: it stays as it is, and the difference is shown."""
    KEPT = "kept"
    """You have changed or removed it, and the template hasn't changed."""


@dataclass(frozen=True)
class FileChange:
    """One file of an upgrade."""

    path: str
    fate: Fate
    old: str | None
    """The file as it is; None where it isn't there."""
    new: str
    """As the template has it."""

    @property
    def written(self) -> bool:
        """The upgrade writes it."""
        return self.fate in (Fate.ADDED, Fate.UPDATED)

    def diff(self) -> str:
        """Return the difference between the file and the template, as a unified diff; empty for what is kept."""
        if self.fate is Fate.KEPT:
            return ""
        lines = difflib.unified_diff(
            (self.old or "").splitlines(keepends=True),
            self.new.splitlines(keepends=True),
            f"a/{self.path}" if self.old is not None else "/dev/null",
            f"b/{self.path}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@dataclass(frozen=True)
class Upgrade:
    """A whole upgrade; nothing is done yet."""

    folder: Path
    record: Record
    changes: tuple[FileChange, ...]
    """Files that are as the template has them aren't among them."""

    @property
    def done_already(self) -> bool:
        """There is nothing to write or to show."""
        return self.record.version == __version__ and all(change.fate is Fate.KEPT for change in self.changes)


def plan_upgrade(folder: Path) -> Upgrade:
    """Compare a project with the template.

    Raises:
        FlotillaError: it wasn't made by `flotilla init`, or a file can't be read.
    """
    record = read_record(folder)
    problem = name_problem(record.name)
    if problem:
        raise FlotillaError(f"{folder / RECORD}: {record.name[:60]!r} can't be a project's name: {problem}")
    changes = (_change(folder, record, path, new) for path, new in project_files(record.name).items())
    return Upgrade(folder, record, tuple(change for change in changes if change))


def _change(folder: Path, record: Record, path: str, new: str) -> FileChange | None:
    written = record.files.get(path)
    try:
        old: str | None = read_text(folder / path)
    except UnreadableFile as error:
        if not error.missing:
            raise
        old = None
    if old == new:
        return None
    if old is None:
        return FileChange(path, Fate.ADDED if written is None else Fate.KEPT, old, new)
    if written == digest(old):
        return FileChange(path, Fate.UPDATED, old, new)
    return FileChange(path, Fate.KEPT if written == digest(new) else Fate.YOURS, old, new)


def carry_out(upgrade: Upgrade) -> None:
    """Write what is to be written, then the record: an upgrade that broke off is done again.

    What was shown and not written counts as seen: the next upgrade shows only what has changed in the template since.
    """
    for change in upgrade.changes:
        if change.written:
            file = upgrade.folder / change.path
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, change.new, mode=_MODE)
    files = {path: digest(text) for path, text in project_files(upgrade.record.name).items()}
    write_whole(upgrade.folder / RECORD, Record(__version__, upgrade.record.name, files).text(), mode=_MODE)
