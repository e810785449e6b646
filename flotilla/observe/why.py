"""Why copies aren't well, asked in the members that have them."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.karmada.status.reasons import reasons
from flotilla.observe.access import FleetAccess
from flotilla.observe.across import ask_members
from flotilla.observe.workloads import CopyStatus


def ask_why(access: FleetAccess, copies: Iterable[CopyStatus], *, seconds: float) -> dict[CopyStatus, list[str]]:
    """Ask the members about their unhealthy copies, side by side; those that don't answer are reported, too."""
    ailing: dict[str, list[CopyStatus]] = {}
    for copy in copies:
        if copy.health == "Unhealthy":
            ailing.setdefault(copy.cluster, []).append(copy)
    answers = ask_members(
        access, ailing, lambda member: [reasons(member, copy.ref) for copy in ailing[member.name]], seconds=seconds
    )
    reasons_of = {
        copy: texts for name, found in answers.found.items() for copy, texts in zip(ailing[name], found, strict=True)
    }
    return reasons_of | {c: [f"not known: {reason}"] for name, reason in answers.unknown.items() for c in ailing[name]}
