"""The attempts of one request: how long each may take, which are repeated, and the result of the last one.

The blocking and the asyncio connection share this module; they differ only in how they send and wait.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any, NamedTuple

from flotilla.kube.answers import LARGEST_ANSWER, Answer
from flotilla.kube.wire import ATTEMPTS, WHOLE_FACTOR, NotTheApi, Peer, Request, back_off, pause_for


class Trouble(NamedTuple):
    """What a failed attempt (one without an answer) means for the next one."""

    unsent: bool
    """Whether the server has certainly not received the request."""
    passes: bool
    """Whether another attempt may succeed."""


class Late(Exception):
    """The request's time ended before the answer was complete, or the answer was too large."""


class Sending:
    """The attempts of one request."""

    def __init__(self, peer: Peer, request: Request, answer_seconds: float) -> None:
        """Start the request's time."""
        self.value: Any = None
        self.renews_credentials = False
        """Whether the server refused the credentials, so that they have to be renewed before the next attempt."""
        self._peer, self._request = peer, request
        self._each = request.timeout or answer_seconds
        self.seconds = request.timeout or answer_seconds * WHOLE_FACTOR
        """The time for the whole request."""
        self._end = time.monotonic() + self.seconds
        self._attempt = 0
        self._reached = False
        self._renewed = False

    @property
    def left(self) -> float:
        """Seconds that are left for the whole request; never 0, which some libraries read as "no limit"."""
        return max(self._end - time.monotonic(), 0.001)

    def begin(self) -> float:
        """Count an attempt and return how many seconds it may take."""
        self._attempt += 1
        return min(self._each, self.left)

    def failed(self, error: BaseException, trouble: Trouble) -> float:
        """Return the pause after a failed attempt.

        Raises:
            Unreachable: it was the last attempt.
        """
        self._reached = self._reached or not trouble.unsent
        # If the connection broke before the answer, the server may have carried out the request. All verbs except POST
        # can be repeated even then.
        again = trouble.passes and (trouble.unsent or self._request.method != "POST")
        pause = back_off(self._attempt)
        if again and self._attempt < ATTEMPTS and pause < self.left:
            return pause
        found = self._peer.unreachable(self._request.doing, error)
        found.nothing_done = not self._reached
        raise found from None

    def answered(self, answer: Answer, *, renewable: bool = False) -> float | None:
        """Return the pause before the next attempt; None if the answer is final, and `value` is set.

        Raises:
            ApiError: the server refused the request, or something other than an API server answered.
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
    """Refuse an answer that is too large.

    Raises:
        Late: `size` is above the limit.
    """
    if size > LARGEST_ANSWER:
        raise Late(f"an answer of more than {LARGEST_ANSWER // 2**20} MiB")
