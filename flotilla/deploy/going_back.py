"""Chooses the update that a rollback goes back to: the named one, or the newest successful one before the current."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flotilla.errors import FlotillaError
from flotilla.state.history import SUCCEEDED, BrokenOff, Update

_DESTROY = "destroy"
_NOTHING = "nothing was changed"
NO_HISTORY = "the stack has no history: no update of it has ended yet"
SHOW = "`flotilla history` lists the updates"


class NoWayBack(FlotillaError):
    """There is no update to go back to, or its declaration isn't stored; nothing was changed."""

    def __init__(self, message: str, *, hint: str = SHOW) -> None:
        """Add to the message that nothing was changed."""
        super().__init__(f"{message}; {_NOTHING}", hint=hint)


def named(history: Sequence[Update], number: int) -> Update:
    """Return the update with a number.

    Raises:
        NoWayBack: the update does not exist, can't be read, declared nothing, or failed.
    """
    if not 1 <= number <= len(history):
        raise NoWayBack(f"there is no update {number}: the history has the updates 1 to {len(history)}")
    update = _readable(history[number - 1])
    if not update.declares:
        raise NoWayBack(f"entry {number} is not an update but a {update.kind}, which declares nothing")
    if not update.good:
        raise NoWayBack(
            f"update {number} ended as {update.result}: its declaration was never carried out completely",
            hint=f"choose one that succeeded: {SHOW}",
        )
    return update


def newest_good(
    history: Sequence[Update], same: Callable[[Update, Update], bool], broken: BrokenOff | None = None
) -> Update:
    """Return the update to go back to if the user names none.

    It is the newest update before the current one that succeeded and has another declaration. A successful rollback
    counts as the update that it went back to, so that the next rollback goes further back. After a rollback that failed
    or was killed, the next one continues with the same update. After an update that was killed, which has no entry, it
    is the newest successful one. A destroy counts as the current update, and has no declaration to compare with.

    Args:
        history: the entries, the oldest first.
        same: returns whether two updates have the same declaration.
        broken: the run that broke off after the newest entry.

    Raises:
        NoWayBack: there is no such update, or an entry that decides can't be read.
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
    raise NoWayBack(f"no update before update {before} succeeded with another declaration")


def _decides(update: Update) -> bool:
    return bool(update.problem) or update.declares or update.kind == _DESTROY


def _readable(update: Update) -> Update:
    if update.problem:
        raise NoWayBack(
            f"entry {update.number} of the history can't be used: {update.file} {update.problem}",
            hint=f"`--to` names another update: {SHOW}",
        )
    return update
