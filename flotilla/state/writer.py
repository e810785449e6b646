"""Writes a stack's state while a run changes it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flotilla.errors import EngineError
from flotilla.state.backend import StackFiles
from flotilla.state.checkpoint import Encoder, Snapshot


class StateWriter:
    """Writes every change of the state, durably, before the change counts as made.

    Changes that come while a write is under way share the next one: with many resources in flight the disk is not
    what they wait for.
    """

    def __init__(
        self,
        files: StackFiles,
        encoder: Encoder,
        current: Callable[[], Snapshot],
        on_error: Callable[[], None] = lambda: None,
    ) -> None:
        """Start with nothing to write.

        Args:
            files: where the state is.
            encoder: turns it into text.
            current: gives the state at the moment of a write.
            on_error: is called once a write has failed: nothing more may be begun.
        """
        self._files = files
        self._encoder = encoder
        self._current = current
        self._on_error = on_error
        self._condition = threading.Condition()
        self._wanted = 0
        self._written = 0
        self._error: Exception | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether a write has failed: nothing is written any more, until `close` tries once again."""
        return self._error is not None

    def save(self) -> None:
        """Wait until the current state is on disk.

        Raises:
            EngineError: it can't be written.
        """
        self.flush()

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until the current state is on disk; return False where that takes longer than `seconds`.

        Raises:
            EngineError: it can't be written.
        """
        with self._condition:
            self._wanted += 1
            mine = self._wanted
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._written >= mine or self._error is not None, seconds)
            if self._written >= mine:
                return True
            if self._error is not None:
                raise _repeated(self._error)
            return False

    def close(self) -> None:
        """Write what is left and end. After a failed write it is tried once more: there may be room again.

        Raises:
            EngineError: it can't be written.
        """
        if self._error is None:
            self.flush()
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join()
        if self._error is not None:
            self._files.write(self._encoder.encode(self._current()))

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted > self._written or self._closing)
                if self._closing and self._wanted == self._written:
                    return
                target = self._wanted
            try:
                self._files.write(self._encoder.encode(self._current()))
            except Exception as error:  # noqa: BLE001 - raised again by whoever waits for the write
                with self._condition:
                    self._error = error
                    self._condition.notify_all()
                self._on_error()
                return
            with self._condition:
                self._written = target
                self._condition.notify_all()


def _repeated(error: Exception) -> EngineError:
    """Return a failed write's error anew, for each of those who waited."""
    if isinstance(error, EngineError):
        return EngineError(error.message, hint=error.hint)
    return EngineError(f"the state can't be written: {type(error).__name__}: {error}")
