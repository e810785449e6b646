"""Repeated work in a thread while a test runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], object], *, every: float) -> Iterator[None]:
    """Call `work` every `every` seconds in a thread until the block ends; the first call is after one interval."""
    stop = threading.Event()

    def keep() -> None:
        while not stop.wait(every):
            work()

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
