"""The folder in which the user's programs run: the project's folder, wherever the command was called.

Under Pulumi's CLI it is the working directory of the process. The embedded engine runs dynamic providers in threads of
its own process, whose working directory may be another one, so the engine sets the folder for each thread.
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
    """Make `project_folder` return this folder in this thread; None for the process's working directory."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)
