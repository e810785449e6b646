"""Files that are written as a whole or not at all, and copies for a while."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(file: Path, text: str, *, mode: int = 0o600) -> None:
    """Put a text in a file's place, durably; a reader sees the old one or the new one, and a failure leaves the old."""
    write_bytes_whole(file, text.encode(), mode=mode)


def write_bytes_whole(file: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put bytes in a file's place, as `write_whole` does."""
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
def beside(file: Path, text: str) -> Iterator[Path]:
    """Give a file of this text, beside the stack's own (readable by its owner alone), for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="flotilla-") as folder:
        changed = Path(folder) / file.name
        changed.write_text(text)
        yield changed
