"""One request's attempts: how long each may take, what is sent again, and what the last one comes to.

The blocking and the asyncio connection differ in how they send and wait, and in nothing of this.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any, NamedTuple

from flotilla.kube.answers import LARGEST_ANSWER, Answer
from flotilla.kube.wire import ATTEMPTS, WHOLE_FACTOR, NotTheApi, Peer, Request, back_off, pause_for


class Trouble(NamedTuple):
    """What an attempt without an answer says about another one."""

    unsent: bool
    """The server has certainly not received the request."""
    passes: bool
    """Another attempt may succeed."""


class Late(Exception):
    """The request's time was over before an answer was there, or the answer was too large."""


class Sending:
    """The attempts of one request."""

    def __init__(self, peer: Peer, request: Request, answer_seconds: float) -> None:
        """Begin to count the time."""
        self.value: Any = None
        self.renews_credentials = False
        """The server refused them: they are to be asked for anew before the next attempt."""
        self._peer, self._request = peer, request
        self._each = request.timeout or answer_seconds
        self.seconds = request.timeout or answer_seconds * WHOLE_FACTOR
        """For all of it."""
        self._end = time.monotonic() + self.seconds
        self._attempt = 0
        self._reached = False
        self._renewed = False

    @property
    def left(self) -> float:
        """Seconds until the whole request's end; never quite 0, which some libraries take for no limit."""
        return max(self._end - time.monotonic(), 0.001)

    def begin(self) -> float:
        """Count an attempt and return how many seconds it may take."""
        self._attempt += 1
        return min(self._each, self.left)

    def failed(self, error: BaseException, trouble: Trouble) -> float:
        """Return the pause after an attempt without an answer.

        Raises:
            Unreachable: there is none: it was the last.
        """
        self._reached = self._reached or not trouble.unsent
        # One that broke before an answer may have been served: every verb of ours is idempotent then, except POST.
        again = trouble.passes and (trouble.unsent or self._request.method != "POST")
        pause = back_off(self._attempt)
        if again and self._attempt < ATTEMPTS and pause < self.left:
            return pause
        found = self._peer.unreachable(self._request.doing, error)
        found.nothing_done = not self._reached
        raise found from None

    def answered(self, answer: Answer, *, renewable: bool = False) -> float | None:
        """Return the pause after an answer that is not the last; None where `value` is what was asked for.

        Raises:
            ApiError: the server refused, or what answered is no API server.
        """
        self._reached = True
        pause = pause_for(answer.status, answer.headers.get("retry-after"), self._attempt, self._request.method)
        if pause is not None and pause < self.left:
            return pause
        if answer.status == HTTPStatus.UNAUTHORIZED and renewable and not self._renewed:
            self._renewed = self.renews_credentials = True
            return 0.0
        try:
            self.value = self._peer.decode(self._request, answer)
        except NotTheApi as error:
            pause = back_off(self._attempt)
            if error.again and self._request.method == "GET" and self._attempt < ATTEMPTS and pause < self.left:
                return pause
            raise
        return None


def bounded(size: int) -> None:
    """Refuse an answer that has become too large.

    Raises:
        Late: it has.
    """
    if size > LARGEST_ANSWER:
        raise Late(f"an answer of more than {LARGEST_ANSWER // 2**20} MiB")
