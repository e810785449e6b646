"""A connection that reads everything once for a pass: what nobody here has written since is not asked for again."""

from __future__ import annotations

from typing import Any

from flotilla.kube.connection import Connection
from flotilla.kube.wire import Request


class ReadingOnce(Connection):
    """A connection whose answers are kept until this process writes, or `forget` is called.

    Answers are shared between those who ask: nobody may change them.
    """

    def __init__(self, document: dict[str, Any], *, name: str, timeout: float = 30.0) -> None:
        """Prepare a connection, as `Connection` does; nothing is kept yet."""
        super().__init__(document, name=name, timeout=timeout)
        self._answers: dict[tuple[Any, ...], Any] = {}

    def forget(self) -> None:
        """Ask for everything anew from now on."""
        self._answers.clear()

    def send(self, request: Request) -> Any:
        """Send one request, or return what it was answered with a moment ago."""
        if request.method != "GET":
            try:
                return super().send(request)
            finally:
                self.forget()  # one that failed may have been carried out
        key = (request.path, request.accept, *sorted((k, v) for k, v in request.query.items() if v is not None))
        if key not in self._answers:
            self._answers[key] = super().send(request)
        return self._answers[key]
