"""Writes a stack's state while a run changes it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flotilla.errors import EngineError
from flotilla.state.backend import StackFiles
from flotilla.state.checkpoint import Encoder, Snapshot


class StateWriter:
    """Writes the state to the disk after every change; a change counts as made only after the write.

    Changes that arrive during a write share the next write, so that many parallel resources don't wait for the disk.
    """

    def __init__(
        self,
        files: StackFiles,
        encoder: Encoder,
        current: Callable[[], Snapshot],
        on_error: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the writing thread; nothing is written yet.

        Args:
            files: the stack's files.
            encoder: encodes the state as text.
            current: returns the state at the moment of a write.
            on_error: called when a write has failed; then no further operation may begin.
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
        """Whether a write has failed; then nothing more is written until `close` tries once again."""
        return self._error is not None

    def save(self) -> None:
        """Wait until the current state is on the disk.

        Raises:
            EngineError: the state can't be written.
        """
        self.flush()

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until the current state is on the disk; return False if that takes longer than `seconds`.

        Raises:
            EngineError: the state can't be written.
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
        """Write the current state and end. After a failed write, try once more, since the disk may have room again.

        Raises:
            EngineError: the state can't be written.
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
            except Exception as error:  # noqa: BLE001 - raised again in the threads that wait for the write
                with self._condition:
                    self._error = error
                    self._condition.notify_all()
                self._on_error()
                return
            with self._condition:
                self._written = target
                self._condition.notify_all()


def _repeated(error: Exception) -> EngineError:
    """Return a new error for a failed write, one for each waiting thread."""
    if isinstance(error, EngineError):
        return EngineError(error.message, hint=error.hint)
    return EngineError(f"the state can't be written: {type(error).__name__}: {error}")
