"""Copies of a stack's state: where they are, which of them are valid, and how many are kept."""

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
"""How many backups of a stack are kept, and how many states in its history; older ones are removed."""


@dataclass(frozen=True)
class Backup:
    """A valid copy of a state."""

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
    """Return all existing copies, the newest first.

    Args:
        backups: the folder of backups.
        beside: the copy next to the state.
        history: the folder of the stack's history, which contains the state after each update.
    """
    folders = ((backups, "*.json"), (history, "*.checkpoint.json"))
    files = [file for folder, named in folders for ending in ("", ENDING) for file in folder.glob(named + ending)]
    files.append(beside)
    return sorted((file for file in files if file.is_file()), key=lambda file: file.stat().st_mtime_ns, reverse=True)


def newest_good(files: list[Path], read: Callable[[Path], Backup]) -> Backup | None:
    """Return the first valid one of some copies; None if there is none."""
    for file in files:
        with suppress(FlotillaError):
            return read(file)
    return None


def prune(folder: Path, stack: str, *, suffix: str) -> None:
    """Remove all but the newest copies that a stack's runs have put into a folder; other files stay.

    Copies of earlier versions are not compressed; they are counted too.
    """
    ours = re.compile(rf"{re.escape(stack)}[.-](\d+){re.escape(suffix)}(?:{re.escape(ENDING)})?")
    numbered = [(int(found[1]), file) for file in folder.iterdir() if (found := ours.fullmatch(file.name))]
    for _, file in sorted(numbered)[:-KEPT]:
        remove_file(file)


def time_of(file: Path) -> str:
    """Return the time of a file's last write, in RFC 3339 and UTC."""
    return dt.datetime.fromtimestamp(file.stat().st_mtime, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
