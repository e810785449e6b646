"""Waits for a rollout: looks at all clusters until everything is done, something is in the way, or time is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from flotilla.karmada.status.rollout import Progress
from flotilla.karmada.status.words import Words, waiting_text
from flotilla.kube.connection import ApiError
from flotilla.waiting import pause

POLL_SECONDS = 0.5
_LONGEST_POLL_SECONDS = 2.0
# Karmada needs a moment to carry a change from the template to the members' statuses, which may say "healthy" about
# the version before. Two looks in a row that agree are past that.
_LOOKS = 2
GRACE_SECONDS = 10.0
"""How long clusters that don't answer are waited for once all others are done: a moment's silence is no failure, and a
dead cluster doesn't keep a run for the workload's whole timeout."""
UNSERVED_SECONDS = 30.0
"""How long what nobody seems to serve (a load balancer's address, say) is waited for once all else is done: controllers
that are there need some seconds; where there are none, no wait would help (docs/decisions/readiness.md)."""
# Looks of a refresh at half a second each, where something isn't done: Karmada's controllers, and those of the members,
# work on for a moment after a policy has gone or a pod was replaced.
_SECOND_LOOKS = 6
_THROTTLED = (408, 429)
_SERVER_ERRORS = 500


def poll(
    look: Callable[[], list[Progress]],
    timeout: float,
    *,
    words: Words | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], bool | None] = pause,
) -> tuple[list[Progress], str]:
    """Look until all is done, and return the last look with what is wrong with it ('' for nothing).

    A `sleep` that returns True ends the wait: the process was asked to end.

    Clusters that don't answer don't keep the others waiting, nor the run for the whole timeout. What nobody serves is
    no problem: where nothing else is left, it is waited for a while and then left as it is. A look that fails for the
    moment (no answer, throttled, an overloaded server) is made again.

    Raises:
        ApiError: the control plane refused to be asked.
    """
    began = clock()
    progress: list[Progress] = []
    agreeing, agreeing_since, trouble = 0, began, ""
    while True:
        try:
            progress, trouble = look(), ""
        except ApiError as error:
            if error.status and error.status not in _THROTTLED and error.status < _SERVER_ERRORS:
                raise
            trouble = error.message
        now = clock()
        agreeing = agreeing + 1 if not trouble and all(p.done_where_answered for p in progress) else 0
        if agreeing >= _LOOKS:
            agreeing_since = now if agreeing == _LOOKS else agreeing_since
            ended = _ended(progress, now - agreeing_since, out_of_time=now - began > timeout)
            if ended is not None:
                return progress, ended
        if now - began > timeout:
            late = [str(p) for p in progress if not p.done] + ([trouble] if trouble else [])
            return progress, f"is not healthy everywhere after {int(timeout)} s: {'; '.join(late)}"
        if words:
            words.waiting(trouble or waiting_text(progress), now - began)
        if sleep(max(POLL_SECONDS, min(_LONGEST_POLL_SECONDS, (now - began) / 30))):
            return progress, "was interrupted while waiting for its rollout"


def _ended(progress: list[Progress], seconds: float, *, out_of_time: bool) -> str | None:
    """Say with which problem a wait is over ('' for none); None where it goes on.

    Args:
        progress: the last look, by which everything is done where clusters answer and somebody serves it.
        seconds: how long that has been so.
        out_of_time: the workload's timeout is over.
    """
    if all(p.done for p in progress):
        return ""
    if any(p.unanswered for p in progress):
        return _unanswered(progress) if seconds >= GRACE_SECONDS else None
    return "" if seconds >= UNSERVED_SECONDS or out_of_time else None


def calm(look: Callable[[], list[Progress]], *, sleep: Callable[[float], bool | None] = pause) -> list[Progress]:
    """Look, and again for some seconds where not all is done: what a controller is about to finish is no drift."""
    progress = look()
    for _ in range(_SECOND_LOOKS):
        if all(one.settled for one in progress) or sleep(POLL_SECONDS):
            break
        progress = look()
    return progress


def _unanswered(progress: list[Progress]) -> str:
    silent = {name: reason for one in progress for name, reason in one.unanswered.items()}
    texts = [f"{name} doesn't answer: {reason}" for name, reason in sorted(silent.items())]
    done = {cluster.cluster for one in progress for cluster in one.clusters} - set(silent)
    others = "the others are as declared" if done else "no other cluster was chosen"
    return f"is not done: {'; '.join(texts)}; {others}"
