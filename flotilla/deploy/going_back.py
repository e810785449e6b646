"""Which update a rollback goes back to: the one that is named, else the newest good one before what there is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flotilla.errors import FlotillaError
from flotilla.state.history import SUCCEEDED, BrokenOff, Update

_DESTROY = "destroy"
_NOTHING = "nothing was changed"
NO_HISTORY = "the stack has no history: no update of it has ended yet"
SHOW = "`flotilla history` lists the updates"


class NoWayBack(FlotillaError):
    """There is no update to go back to, or it doesn't say what it declared; nothing was changed."""

    def __init__(self, message: str, *, hint: str = SHOW) -> None:
        """Say that nothing was changed."""
        super().__init__(f"{message}; {_NOTHING}", hint=hint)


def named(history: Sequence[Update], number: int) -> Update:
    """Return the update with a number.

    Raises:
        NoWayBack: there is none, it can't be read, it declared nothing, or it failed.
    """
    if not 1 <= number <= len(history):
        raise NoWayBack(f"there is no update {number}: the history has the updates 1 to {len(history)}")
    update = _readable(history[number - 1])
    if not update.declares:
        raise NoWayBack(f"{number} is no update but a {update.kind}, which declares nothing")
    if not update.good:
        raise NoWayBack(
            f"update {number} ended as {update.result}: what it declared never ran as a whole",
            hint=f"choose one that ended well: {SHOW}",
        )
    return update


def newest_good(
    history: Sequence[Update], same: Callable[[Update, Update], bool], broken: BrokenOff | None = None
) -> Update:
    """Return the update to go back to where none is named.

    It is the newest one before the current one that ended well and declared something else. A rollback that has ended
    well counts as what it went back to, so that the next one goes further back. After one that failed or was killed the
    next one goes on with it. After an update that was killed, which has no entry, it is the newest one that ended well.
    A destroy counts as the current one, and has nothing to compare with.

    Args:
        history: the oldest entry first.
        same: tells whether two updates declared the same.
        broken: what broke off after the newest entry.

    Raises:
        NoWayBack: there is none, or an entry that would decide can't be read.
    """
    current = next((one for one in reversed(history) if _decides(one)), None)
    if current is None:
        raise NoWayBack(NO_HISTORY, hint="run `flotilla up` first")
    _readable(current)
    if broken and broken.back_to:
        return named(history, broken.back_to)
    if broken and current.good:
        return current
    before = current.number
    if current.back_to:
        if current.result != SUCCEEDED:
            return named(history, current.back_to)
        before = min(before, current.back_to)
    for update in reversed(history[: before - 1]):
        if not _decides(update):
            continue
        if _readable(update).good and not (current.declares and same(update, current)):
            return update
    raise NoWayBack(f"no update before update {before} ended well and declared something else")


def _decides(update: Update) -> bool:
    return bool(update.problem) or update.declares or update.kind == _DESTROY


def _readable(update: Update) -> Update:
    if update.problem:
        raise NoWayBack(
            f"entry {update.number} of the history can't be used: {update.file} {update.problem}",
            hint=f"`--to` names another update: {SHOW}",
        )
    return update
