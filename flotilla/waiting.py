"""Loops that wait for a cluster: their pauses, which end early once the process was asked to end, and their words.

Signals ask the whole process, so this is one flag for the process: loops deep in the library and in providers look at
it without being given anything. What they say while they wait goes to whoever carries out the step that they belong to.
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
    """Sleep for some seconds; True, at once, where the process was asked to end: the caller then stops waiting."""
    return _ending.wait(seconds)


def ask_to_end() -> None:
    """End every pause, now and from now on."""
    _ending.set()


def asked_to_end() -> bool:
    """Tell whether the process was asked to end."""
    return _ending.is_set()


def begin() -> None:
    """Let loops wait again: a new run begins."""
    _ending.clear()


def say(text: str) -> None:
    """Say what is waited for, or how a wait has ended.

    Where nobody listens it goes to standard output: the process is one of Pulumi's CLI then, which runs dynamic
    providers and shows what they print.
    """
    listener = _listener.get()
    if listener is not None:
        listener(text)
    else:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Give what is said in this thread to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
