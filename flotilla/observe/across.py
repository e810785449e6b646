"""Asks many members the same question in parallel and within a time bound; a member without an answer is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from flotilla.errors import FlotillaError
from flotilla.kube.connection import Connection
from flotilla.observe.access import FleetAccess
from flotilla.observe.members import MemberStatus

T = TypeVar("T")

MEMBERS_AT_ONCE = 32


@dataclass(frozen=True)
class Answers(Generic[T]):
    """The answers of members by name, and for the other members the reason."""

    found: dict[str, T] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


def ask_members(
    access: FleetAccess, names: Iterable[str], question: Callable[[Connection], T], *, seconds: float
) -> Answers[T]:
    """Ask every named member: at most `MEMBERS_AT_ONCE` in parallel, and within `seconds` for all together."""

    def ask(name: str) -> T:
        return question(access.member(name))

    pool = ThreadPoolExecutor(max_workers=MEMBERS_AT_ONCE, thread_name_prefix="member")
    futures = {pool.submit(ask, name): name for name in names}
    done, late = wait(futures, timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    found: dict[str, T] = {}
    unknown = {futures[future]: f"not done within {seconds:.0f} s" for future in late}
    for future in done:
        try:
            found[futures[future]] = future.result()
        except FlotillaError as error:
            unknown[futures[future]] = error.message
        except Exception as error:  # noqa: BLE001 - an error in one member must not end the others
            unknown[futures[future]] = f"a value there has a form that is not expected ({type(error).__name__})"
    return Answers(dict(sorted(found.items())), dict(sorted(unknown.items())))


def chosen(members: Iterable[MemberStatus], patterns: Iterable[str]) -> list[MemberStatus]:
    """Return the members whose names match any pattern (`edge-*`); all of them if there is no pattern.

    Raises:
        FlotillaError: a pattern matches no member.
    """
    found, wanted = list(members), list(patterns)
    for pattern in wanted:
        if not any(fnmatchcase(member.name, pattern) for member in found):
            known = ", ".join(sorted(member.name for member in found)[:10]) or "no members"
            raise FlotillaError(f"no member is called {pattern!r}", hint=f"there are {known}")
    return [m for m in found if not wanted or any(fnmatchcase(m.name, pattern) for pattern in wanted)]
