"""Digests of the inputs of a rendering: whole folders, with every regular file in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.kube.reading import UnreadableFile, read_bytes

MOST_FILES = 5_000
MOST_BYTES = 64 * 2**20
"""Limit for one folder, or for one archive of a chart."""
_PASSED_OVER = (".git", ".flotilla")


class TooMuch(FlotillaError):
    """A folder contains more than a chart or a kustomization may."""


def digest_of(value: Any) -> str:
    """Return the digest of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest_of_file(file: Path) -> str:
    """Return the digest of a regular file.

    Raises:
        UnreadableFile: it can't be read, or is too large.
    """
    return hashlib.sha256(read_bytes(file, limit=MOST_BYTES)).hexdigest()


def digest_of_folder(folder: Path) -> str:
    """Return the digest of a folder: the names and the content of all files in it, links followed.

    Folders named .git and .flotilla are left out.

    Raises:
        UnreadableFile: a file can't be read, or isn't a regular file.
        TooMuch: there is more than a chart or a kustomization may contain.
    """
    found = hashlib.sha256()
    left = MOST_BYTES
    for file in sorted(files_of_folder(folder)):
        content = read_bytes(file, limit=MOST_BYTES)
        left -= len(content)
        if left < 0:
            raise TooMuch(f"{folder} has more than {MOST_BYTES >> 20} MiB of files below it")
        found.update(json.dumps([str(file.relative_to(folder)), hashlib.sha256(content).hexdigest()]).encode())
    return found.hexdigest()


def files_of_folder(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, by every path; links to a folder above are not followed.

    Raises:
        UnreadableFile: a folder can't be listed.
        TooMuch: there are more files than a chart or a kustomization may contain.
    """
    count = 0
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        count += 1 + len(names)
        if count > MOST_FILES:
            raise TooMuch(f"{folder} has more than {MOST_FILES} files and folders below it")
        yield from (Path(place) / name for name in names)
        real = os.path.realpath(place)
        folders[:] = [
            name
            for name in folders
            if name not in _PASSED_OVER and not _leads_up(os.path.realpath(Path(place) / name), real)
        ]


def _leads_up(target: str, place: str) -> bool:
    """Return whether a folder is the one in which it is listed, or one above."""
    return place == target or place.startswith(target.rstrip(os.sep) + os.sep)


def _unreadable(error: OSError) -> None:
    raise UnreadableFile(f"{error.filename} can't be read: {(error.strerror or str(error)).lower()}")
