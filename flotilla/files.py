"""Atomic writes of files, and temporary copies of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(file: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file's content with a text, atomically and durably.

    A reader sees the old content or the new content. If the write fails, the old content remains.
    """
    write_bytes_whole(file, text.encode(), mode=mode)


def write_bytes_whole(file: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file's content with bytes, as `write_whole` does with a text."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.chmod(mode)
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def temporary_copy(file: Path, text: str) -> Iterator[Path]:
    """Yield a temporary file with the name of `file` and this text; only its owner can read it."""
    with tempfile.TemporaryDirectory(prefix="flotilla-") as folder:
        changed = Path(folder) / file.name
        changed.write_text(text)
        yield changed
