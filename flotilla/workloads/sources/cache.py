"""A cache of renderings by their inputs: the same inputs give the same objects without running a program.

The files are in the project's `.flotilla/`, which version control ignores. Only their owner can read them, because a
rendering may contain Secrets. A file that others could write or read is ignored. Version control doesn't store such
modes, so a checkout can't bring renderings of other users.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flotilla.files import write_whole
from flotilla.kube.reading import UnreadableFile, read_bytes

MOST_BYTES = 128 * 2**20
"""Limit for all renderings together, and for all pulled charts together; the least recently used are deleted first."""
MOST_ENTRIES = 200
LARGEST = 64 * 2**20
"""Limit for one rendering, as JSON, and for one pulled chart."""
_OTHERS = 0o077
_FORMAT = 1


class Cache:
    """The cache in one folder. If the folder can't be written, nothing is stored and everything else works."""

    def __init__(self, folder: Path) -> None:
        """Store the path of the folder, which is created with the first file."""
        self._folder = folder

    def read(self, key: str) -> dict[str, Any] | None:
        """Return the document of a key; None where there is none, or none that can be trusted."""
        file = self._folder / f"{key}.json"
        try:
            document = json.loads(read_bytes(file, limit=LARGEST)) if _own(file) else None
        except (UnreadableFile, ValueError, RecursionError):
            return None
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            return None
        _used(file)
        return document

    def write(self, key: str, document: dict[str, Any]) -> None:
        """Store a document, as JSON."""
        text = json.dumps({"format": _FORMAT, **document}, separators=(",", ":"))
        if len(text) > LARGEST:
            return
        with contextlib.suppress(OSError):
            self._make()
            write_whole(self._folder / f"{key}.json", text)
            self._trim("*.json")

    def chart(self, key: str) -> Path | None:
        """Return a pulled chart; None where it isn't in the cache."""
        file = self._folder / f"{key}.tgz"
        if not _own(file):
            return None
        _used(file)
        return file

    def keep_chart(self, key: str, pulled: Path) -> Path:
        """Store a pulled chart and return its new path; if it can't be stored, return its old path."""
        try:
            if pulled.stat().st_size > LARGEST:
                return pulled
            self._make()
            with tempfile.TemporaryDirectory(
                dir=self._folder
            ) as folder:  # on the same disk, so that the rename is atomic
                partial = Path(folder) / pulled.name
                shutil.copyfile(pulled, partial)
                partial.chmod(0o600)
                partial.replace(self._folder / f"{key}.tgz")
        except OSError:
            return pulled
        self._trim("*.tgz")
        return self._folder / f"{key}.tgz"

    def _make(self) -> None:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def _trim(self, pattern: str) -> None:
        """Delete the least recently used files until the rest is within the limits."""
        left = MOST_BYTES
        for number, (file, status) in enumerate(_newest_first(self._folder.glob(pattern))):
            left -= status.st_size
            if number >= MOST_ENTRIES or (left < 0 and number):
                file.unlink(missing_ok=True)


def _newest_first(files: Iterable[Path]) -> list[tuple[Path, os.stat_result]]:
    found = []
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # another run has deleted it
            found.append((file, file.stat()))
    return sorted(found, key=lambda one: one[1].st_mtime_ns, reverse=True)


def _own(file: Path) -> bool:
    """Return whether a file is a regular file of this user that nobody else can access."""
    try:
        status = file.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and not status.st_mode & _OTHERS and status.st_uid == os.getuid()


def _used(file: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(file)
