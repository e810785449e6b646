"""Copies of a stack's state: where they are, which of them are good, and how many are kept."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flotilla.counts import counted
from flotilla.errors import FlotillaError
from flotilla.state.checkpoint import Snapshot
from flotilla.state.checksums import remove_file
from flotilla.state.compression import ENDING

KEPT = 20
"""Backups of a stack that are kept, and states in its history; older ones are removed."""


@dataclass(frozen=True)
class Backup:
    """A copy of a state that reads as a whole."""

    file: Path
    snapshot: Snapshot
    content: str
    """The file's text."""

    @property
    def text(self) -> str:
        """A description of the copy."""
        count = len(self.snapshot.resources)
        return f"{self.file} ({counted(count, 'resource')}, of {time_of(self.file)})"


def candidates(backups: Path, beside: Path, history: Path) -> list[Path]:
    """Return the copies that there are, the newest first.

    Args:
        backups: the folder of backups.
        beside: the copy beside the state.
        history: the folder of the stack's history, which keeps the state after each update.
    """
    folders = ((backups, "*.json"), (history, "*.checkpoint.json"))
    files = [file for folder, named in folders for ending in ("", ENDING) for file in folder.glob(named + ending)]
    files.append(beside)
    return sorted((file for file in files if file.is_file()), key=lambda file: file.stat().st_mtime_ns, reverse=True)


def newest_good(files: list[Path], read: Callable[[Path], Backup]) -> Backup | None:
    """Return the newest of some copies that reads as a whole; None where none does."""
    for file in files:
        with suppress(FlotillaError):
            return read(file)
    return None


def prune(folder: Path, stack: str, *, suffix: str) -> None:
    """Remove all but the newest copies that a stack's runs have put into a folder; others' files stay.

    Copies of earlier versions are not compressed; they count with the others.
    """
    ours = re.compile(rf"{re.escape(stack)}[.-](\d+){re.escape(suffix)}(?:{re.escape(ENDING)})?")
    numbered = [(int(found[1]), file) for file in folder.iterdir() if (found := ours.fullmatch(file.name))]
    for _, file in sorted(numbered)[:-KEPT]:
        remove_file(file)


def time_of(file: Path) -> str:
    """Return when a file was written, RFC 3339, UTC."""
    return dt.datetime.fromtimestamp(file.stat().st_mtime, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
