"""Reads files that a user names: only regular files, of a limited size, in UTF-8."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from flotilla.errors import FlotillaError
from flotilla.kube.yaml import MAX_BYTES

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


class UnreadableFile(FlotillaError):
    """A file that can't be read as text; `missing` is True if it does not exist."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        """Keep whether the file is missing, so that callers can name the files that exist."""
        super().__init__(message)
        self.missing = missing


def located(path: str, base: Path | None = None) -> Path:
    """Return the path that a user wrote (`~` is the home folder), relative to `base`.

    Raises:
        UnreadableFile: the home folder in the path does not exist.
    """
    try:
        file = Path(path).expanduser()
    except RuntimeError:
        raise UnreadableFile(f"{path} can't be read: there is no such user, or no home folder", missing=True) from None
    return file if file.is_absolute() or base is None else base / file


def read_bytes(file: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; other kinds of files are not read.

    Raises:
        UnreadableFile: the file does not exist, isn't a regular one, is too large, or may not be read.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))  # a pipe doesn't block
    except FileNotFoundError:
        raise UnreadableFile(f"{file} can't be read: no such file or directory", missing=True) from None
    except OSError as error:
        raise UnreadableFile(f"{file} can't be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise UnreadableFile(f"{str(file)!r} can't be read: no file has such a name", missing=True) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((word for test, word in _KINDS if test(mode)), "not a regular file")
        raise UnreadableFile(f"{file} can't be read: it is {kind}, and only regular files are read")
    with os.fdopen(descriptor, "rb") as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise UnreadableFile(f"{file} can't be read: {(error.strerror or str(error)).lower()}") from None
    if len(content) > limit:
        raise UnreadableFile(f"{file} can't be read: it is larger than {limit / 2**20:g} MiB, the most that is read")
    return content


def read_text(file: Path, *, limit: int = MAX_BYTES) -> str:
    """Return a regular file's text with its line endings unchanged.

    Raises:
        UnreadableFile: as for `read_bytes`, or the content isn't UTF-8.
    """
    content = read_bytes(file, limit=limit)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise UnreadableFile(f"{file} can't be read: it is UTF-16; save it as UTF-8") from None
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"{file} can't be read: line {line} is not UTF-8; save the file as UTF-8") from None
