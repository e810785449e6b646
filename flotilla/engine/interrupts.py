"""Handles signals during a run: Ctrl-C, a CI system's SIGTERM, a terminal that closes.

After the first signal, the run finishes the operations in flight. The second signal ends the process within a second,
whatever its threads wait for: the state is written with its pending operations, the lock is released, and no thread is
awaited. A separate thread does this, because Python runs signal handlers on the main thread, which may be blocked.
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
Report = Callable[[str], None]

INTERRUPTED = "interrupted; run the same command again to continue"
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
_GRACE_SECONDS = 8.0
"""The time after SIGTERM or SIGHUP; CI systems and Kubernetes send SIGKILL after ten seconds or later."""
_LAST_SECONDS = 0.7
"""The time for the last actions of a process that is ended at once."""
_FAILED = 1
_STOP = 0


class Interrupts:
    """The actions for the first signal and for the last one; they run on a separate thread."""

    def __init__(self) -> None:
        """Start without a signal."""
        self.asked = False
        self._at_first: list[Action] = []
        self._at_last: list[Action] = []
        self._lock = threading.Lock()

    def at_first(self, action: Action) -> None:
        """Run an action when the run is asked to end; at once if it was asked already."""
        with self._lock:
            self._at_first.append(action)
            if not self.asked:
                return
        action()

    def at_last(self, action: Action) -> None:
        """Run an action before the process is ended. Actions run in reverse order, all within less than a second."""
        self._at_last.append(action)

    def refuse_if_asked(self) -> None:
        """Stop a run that was asked to end and has not changed anything yet.

        Raises:
            EngineError: the run was asked to end.
        """
        if self.asked:
            raise EngineError("interrupted; nothing was changed")

    def first(self) -> None:
        """Handle the first signal."""
        with self._lock:
            self.asked = True
            actions = list(self._at_first)
        waiting.ask_to_end()
        for action in actions:
            action()

    def last(self, sentence: str) -> None:
        """Run the last actions, print a sentence, and end the process with exit code 1."""

        def act() -> None:
            done = True
            for action in reversed(self._at_last):
                try:
                    done = action() is not False and done
                except Exception:  # noqa: BLE001 - the other actions must run, and then the process ends
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
def interruptible(report: Report) -> Iterator[Interrupts]:
    """Let signals end the work inside. Outside the main thread signals are not handled, and only the caller can."""
    interrupts = Interrupts()

    def act(number: int) -> bool:
        if interrupts.asked:
            interrupts.last("ended at once: the state says what was in flight; run the same command again to continue")
        soon = number != signal.SIGINT
        interrupts.first()
        limit = f"at the latest in {_GRACE_SECONDS:.0f} s" if soon else "a second signal ends it at once"
        with suppress(Exception):  # the terminal may be closed
            report(f"interrupted: finishing what is in flight, then writing the state ({limit})")
        return soon

    with _signals(act, lambda: act(signal.SIGINT)):
        try:
            yield interrupts
        finally:
            if interrupts.asked:
                waiting.begin()


@contextmanager
def abortable() -> Iterator[None]:
    """Let a signal end the process at once, for work that changes nothing and has no state to write or lock to release.

    If the process has its own signal handlers, they stay.
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
    """Pass each signal's number to `act` on a separate thread; if it returns True, call `late` after a grace period."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(reader, act, late), name="signals", daemon=True)
    watcher.start()
    # The interpreter writes the number of each signal to this socket, even while the main thread is blocked in a call.
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
    """Do nothing: the watcher receives the signal's number from the socket."""
