"""Pauses and progress messages of the loops that wait for a cluster.

A pause ends early once the process was asked to end. A signal concerns the whole process, so there is one flag for the
process: loops deep in the library and in providers read it without a parameter. The messages of a loop go to the
listener that is set for its thread, which belongs to the step that is carried out.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ending = threading.Event()
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def pause(seconds: float) -> bool:
    """Sleep for some seconds. Return True at once if the process was asked to end; the caller then stops waiting."""
    return _ending.wait(seconds)


def ask_to_end() -> None:
    """End every pause, now and from now on."""
    _ending.set()


def asked_to_end() -> bool:
    """Return whether the process was asked to end."""
    return _ending.is_set()


def begin() -> None:
    """Reset the flag at the beginning of a run, so that loops wait again."""
    _ending.clear()


def say(text: str) -> None:
    """Report what a loop waits for, or how the wait has ended.

    Without a listener the text goes to standard output: the process is then the plugin process in which Pulumi's CLI
    runs dynamic providers, and the CLI shows what they print.
    """
    listener = _listener.get()
    if listener is not None:
        listener(text)
    else:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Pass the messages of this thread to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
