"""Upgrades a project that `flotilla init` wrote: files that the user has changed stay, all others are replaced."""

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
    """What an upgrade does with a file."""

    ADDED = "added"
    """The file is new in the template, so it is written."""
    UPDATED = "updated"
    """Only the template has changed, so the file is replaced."""
    YOURS = "yours"
    """The user and the template have changed the file: it stays as it is, and the difference is shown."""
    KEPT = "kept"
    """Only the user has changed or removed the file, so it stays as it is."""


@dataclass(frozen=True)
class FileChange:
    """One file of an upgrade."""

    path: str
    fate: Fate
    old: str | None
    """The file's current text; None if there is no file."""
    new: str
    """The template's text."""

    @property
    def written(self) -> bool:
        """Whether the upgrade writes the file."""
        return self.fate in (Fate.ADDED, Fate.UPDATED)

    def diff(self) -> str:
        """Return the difference between the file and the template as a unified diff; empty for a kept file."""
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
    """A planned upgrade."""

    folder: Path
    record: Record
    changes: tuple[FileChange, ...]
    """The files that differ from the template."""

    @property
    def done_already(self) -> bool:
        """Whether there is nothing to write or to show."""
        return self.record.version == __version__ and all(change.fate is Fate.KEPT for change in self.changes)


def plan_upgrade(folder: Path) -> Upgrade:
    """Compare a project with the template.

    Raises:
        FlotillaError: `flotilla init` did not write the project, or a file can't be read.
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
    """Write the files of an upgrade, then the record.

    The record is written last, so that an interrupted upgrade can be repeated. A difference that was shown but not
    written counts as seen: the next upgrade shows only changes of the template after this one.
    """
    for change in upgrade.changes:
        if change.written:
            file = upgrade.folder / change.path
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, change.new, mode=_MODE)
    files = {path: digest(text) for path, text in project_files(upgrade.record.name).items()}
    write_whole(upgrade.folder / RECORD, Record(__version__, upgrade.record.name, files).text(), mode=_MODE)
