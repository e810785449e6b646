"""What a run does when it is asked to end: by Ctrl-C, by a CI system's SIGTERM, by a terminal that closes.

The first signal lets the run finish what is in flight. The second one ends the process within a second, whatever its
threads wait for: the state is written with its pending operations, the lock is released, and no thread is waited for.
A thread of its own does all that. Python runs signal handlers on the main thread, which may be waiting for something.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from flotilla import waiting
from flotilla.errors import EngineError

Action = Callable[[], object]
Tell = Callable[[str], None]

INTERRUPTED = "interrupted; run the same command again to go on from here"
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
_GRACE_SECONDS = 8.0
"""After a SIGTERM or SIGHUP; CI systems and Kubernetes follow with SIGKILL after ten seconds or later."""
_LAST_SECONDS = 0.7
"""For the last actions of a process that ends at once."""
_FAILED = 1
_STOP = 0


class Interrupts:
    """Actions for the first signal and for the last one; they run on a thread of their own."""

    def __init__(self) -> None:
        """Begin without a signal."""
        self.asked = False
        self._at_first: list[Action] = []
        self._at_last: list[Action] = []
        self._lock = threading.Lock()

    def at_first(self, action: Action) -> None:
        """Do something once the run is asked to end; at once where it was already."""
        with self._lock:
            self._at_first.append(action)
            if not self.asked:
                return
        action()

    def at_last(self, action: Action) -> None:
        """Do something before the process ends at once: the last one first, all within less than a second."""
        self._at_last.append(action)

    def refuse_if_asked(self) -> None:
        """Stop a run that has not changed anything yet.

        Raises:
            EngineError: it was asked to end.
        """
        if self.asked:
            raise EngineError("interrupted; nothing was changed")

    def first(self) -> None:
        """Take the first signal."""
        with self._lock:
            self.asked = True
            actions = list(self._at_first)
        waiting.ask_to_end()
        for action in actions:
            action()

    def last(self, sentence: str) -> None:
        """End the process, with exit code 1."""

        def act() -> None:
            done = True
            for action in reversed(self._at_last):
                try:
                    done = action() is not False and done
                except Exception:  # noqa: BLE001 - the others have to be done, and then the process is gone
                    done = False
            ending = sentence if done else f"{sentence} (the state on disk is that of the step before)"
            with suppress(OSError):
                os.write(2, f"{ending}\n".encode())
            with suppress(OSError, ValueError):
                sys.stdout.flush()

        acting = threading.Thread(target=act, daemon=True)
        acting.start()
        acting.join(_LAST_SECONDS)
        os._exit(_FAILED)


@contextmanager
def interruptible(tell: Tell) -> Iterator[Interrupts]:
    """Let signals end what is done inside; on another thread than the main one, nobody but the caller can."""
    interrupts = Interrupts()

    def act(number: int) -> bool:
        if interrupts.asked:
            interrupts.last("ended at once: the state says what was in flight; run the same command again to go on")
        soon = number != signal.SIGINT
        interrupts.first()
        limit = f"at the latest in {_GRACE_SECONDS:.0f} s" if soon else "a second signal ends it at once"
        with suppress(Exception):  # a terminal that has closed
            tell(f"interrupted: finishing what is in flight, then writing the state ({limit})")
        return soon

    with _signals(act, lambda: act(signal.SIGINT)):
        try:
            yield interrupts
        finally:
            if interrupts.asked:
                waiting.begin()


@contextmanager
def abortable() -> Iterator[None]:
    """Let a signal end the process at once, for what changes nothing: there is nothing to write or to release.

    A process that has handlers of its own for the signals keeps them.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def act(_number: int) -> bool:
        Interrupts().last("interrupted; nothing was changed")
        return False

    with _signals(act, lambda: None):
        yield


@contextmanager
def _signals(act: Callable[[int], bool], late: Action) -> Iterator[None]:
    """Pass every signal's number to `act`, on a thread; if it returns True, call `late` after the grace period."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(reader, act, late), name="signals", daemon=True)
    watcher.start()
    # The interpreter writes the number of each signal there, even while the main thread waits in a call.
    woken = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN or number == signal.SIGINT:  # `nohup` ignores SIGHUP on purpose
            signal.signal(number, _leave_to_watcher)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        writer.setblocking(True)
        writer.send(bytes([_STOP]))
        watcher.join()
        reader.close()
        writer.close()


def _watch(reader: socket.socket, act: Callable[[int], bool], late: Action) -> None:
    while True:
        try:
            numbers = reader.recv(16)
        except TimeoutError:
            late()
            return
        for number in numbers:
            if number == _STOP:
                return
            if number in _SIGNALS and act(number):
                reader.settimeout(_GRACE_SECONDS)


def _leave_to_watcher(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the watcher has the signal's number already."""
