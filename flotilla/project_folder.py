"""Where programs of the user run: in the project's folder, wherever the command was called.

Under Pulumi's CLI that is the folder of the process. The embedded engine runs dynamic providers in threads of its own
process, which may be anywhere, and says it to each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


def project_folder() -> Path:
    """Return the project's folder, as an absolute path."""
    return (_folder.get() or Path()).absolute()


@contextmanager
def running_in(folder: Path | None) -> Iterator[None]:
    """Let `project_folder` be a folder in this thread; None for the process's own."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)
