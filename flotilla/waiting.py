"""Pauses of loops that wait for a cluster; they end early once the process was asked to end.

Signals ask the whole process, so this is one flag for the process: loops deep in the library and in providers look at
it without being given anything.
"""

from __future__ import annotations

import threading

_ending = threading.Event()


def pause(seconds: float) -> bool:
    """Sleep for some seconds; True, at once, where the process was asked to end: the caller then stops waiting."""
    return _ending.wait(seconds)


def ask_to_end() -> None:
    """End every pause, now and from now on."""
    _ending.set()


def begin() -> None:
    """Let loops wait again: a new run begins."""
    _ending.clear()
