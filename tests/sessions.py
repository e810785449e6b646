"""Finds the processes of a session: Pulumi's CLI gives each plugin a process group of its own, in one session."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processes_of(session: int) -> Iterator[int]:
    """Return the IDs of the processes in a session; none without /proc."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended meanwhile
            if os.getsid(int(folder.name)) == session:
                yield int(folder.name)
