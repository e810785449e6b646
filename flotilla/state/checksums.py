"""Removes files of the backend with their checksums: the CLI keeps a checksum file next to each, which must match."""

from __future__ import annotations

from pathlib import Path


def remove_file(file: Path) -> None:
    """Remove a file of the backend and its checksum; the file may be missing."""
    file.unlink(missing_ok=True)
    remove_checksum(file)


def remove_checksum(file: Path) -> None:
    """Remove the checksum of a file that was written again."""
    file.with_name(f"{file.name}.attrs").unlink(missing_ok=True)
