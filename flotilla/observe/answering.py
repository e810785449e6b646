"""Finds the members that don't answer now. In Karmada, a member that hangs stays Ready for minutes."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.errors import FlotillaError
from flotilla.kube.connection import ApiError, Connection
from flotilla.observe.access import FleetAccess
from flotilla.observe.across import ask_members

PROBE_SECONDS = 5.0
"""The time for all members together; each is asked for its version."""
_ALLOWED = frozenset({403, 404})


def unanswered(access: FleetAccess, names: Iterable[str], *, seconds: float | None = None) -> dict[str, str]:
    """Ask the members whose credentials are available; return those that don't answer, with the reason.

    Members without credentials are not asked; only Karmada's status of them is known.
    """
    bound = PROBE_SECONDS if seconds is None else seconds
    try:
        known = set(access.known)
    except FlotillaError:  # the state can't be read, which says nothing about the members
        return {}

    def probe(member: Connection) -> None:
        try:
            member.request("GET", "/version", doing="asking for its version", timeout=bound)
        except ApiError as error:
            if error.status not in _ALLOWED:
                raise

    asked = [name for name in names if name in known]
    return ask_members(access, asked, probe, seconds=bound + 1.0).unknown
