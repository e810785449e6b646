"""Work that goes on beside a test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], object], *, every: float) -> Iterator[None]:
    """Do something again and again until the block ends, beginning after the first `every` seconds."""
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
