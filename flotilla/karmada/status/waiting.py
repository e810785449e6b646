"""The wait for a rollout: it looks at all clusters until everything is done, a problem is final, or time is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from flotilla.karmada.status.rollout import Progress
from flotilla.karmada.status.texts import WaitTexts, waiting_text
from flotilla.kube.connection import ApiError
from flotilla.waiting import pause

POLL_SECONDS = 0.5
_LONGEST_POLL_SECONDS = 2.0
# Karmada needs a moment to pass a change from the template to the members' statuses, which may still report the earlier
# version as healthy. After two equal results in a row that moment is over.
_LOOKS = 2
GRACE_SECONDS = 10.0
"""How long the wait continues for clusters that don't answer, once all others are done.

A short silence is no failure, and a dead cluster doesn't make a run wait for the workload's whole timeout."""
UNSERVED_SECONDS = 30.0
"""How long the wait continues for what nothing seems to serve (such as the address of a load balancer), once all else
is done.

Controllers that exist need some seconds; where there are none, no wait would help (docs/decisions/readiness.md)."""
# The number of looks of a refresh, half a second apart, while something isn't done: the controllers of Karmada and of
# the members are still at work for a moment after a policy was deleted or a pod was replaced.
_SECOND_LOOKS = 6
_THROTTLED = (408, 429)
_SERVER_ERRORS = 500


def poll(
    look: Callable[[], list[Progress]],
    timeout: float,
    *,
    texts: WaitTexts | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], bool | None] = pause,
) -> tuple[list[Progress], str]:
    """Look until everything is done, and return the last result with its problem ('' for none).

    A `sleep` that returns True ends the wait: the process was asked to end.

    Clusters that don't answer delay neither the other clusters nor the run by the whole timeout. What nothing serves is
    no problem: if nothing else is missing, the wait continues for a while and then ends without it. A look that fails
    temporarily (no answer, throttled, an overloaded server) is repeated.

    Raises:
        ApiError: the control plane rejected the request.
    """
    began = clock()
    progress: list[Progress] = []
    done_looks, done_since, trouble = 0, began, ""
    while True:
        try:
            progress, trouble = look(), ""
        except ApiError as error:
            if error.status and error.status not in _THROTTLED and error.status < _SERVER_ERRORS:
                raise
            trouble = error.message
        now = clock()
        done_looks = done_looks + 1 if not trouble and all(p.done_where_answered for p in progress) else 0
        if done_looks >= _LOOKS:
            done_since = now if done_looks == _LOOKS else done_since
            ended = _ended(progress, now - done_since, out_of_time=now - began > timeout)
            if ended is not None:
                return progress, ended
        if now - began > timeout:
            late = [str(p) for p in progress if not p.done] + ([trouble] if trouble else [])
            return progress, f"is not healthy everywhere after {int(timeout)} s: {'; '.join(late)}"
        if texts:
            texts.waiting(trouble or waiting_text(progress), now - began)
        if sleep(max(POLL_SECONDS, min(_LONGEST_POLL_SECONDS, (now - began) / 30))):
            return progress, "was interrupted while waiting for its rollout"


def _ended(progress: list[Progress], seconds: float, *, out_of_time: bool) -> str | None:
    """Return the problem with which a wait ends ('' for none); None where it goes on.

    Args:
        progress: the last result; everything is done where clusters answer and something serves it.
        seconds: how long that has been the case.
        out_of_time: whether the workload's timeout is over.
    """
    if all(p.done for p in progress):
        return ""
    if any(p.unanswered for p in progress):
        return _unanswered(progress) if seconds >= GRACE_SECONDS else None
    return "" if seconds >= UNSERVED_SECONDS or out_of_time else None


def look_until_settled(
    look: Callable[[], list[Progress]], *, sleep: Callable[[float], bool | None] = pause
) -> list[Progress]:
    """Look once, and again for some seconds while not all is done: what a controller is about to finish is no drift."""
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
