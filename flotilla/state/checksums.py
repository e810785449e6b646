"""Files of the state's store: the CLI keeps a checksum beside each, which must not outlive what it was made of."""

from __future__ import annotations

from pathlib import Path


def remove_file(file: Path) -> None:
    """Remove a file of the store with its checksum; it may be gone already."""
    file.unlink(missing_ok=True)
    remove_checksum(file)


def remove_checksum(file: Path) -> None:
    """Remove the checksum of a file that was written anew."""
    file.with_name(f"{file.name}.attrs").unlink(missing_ok=True)
