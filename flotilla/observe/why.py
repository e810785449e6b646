"""Asks members for the reasons why their copies are unhealthy."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.karmada.status.reasons import reasons
from flotilla.observe.access import FleetAccess
from flotilla.observe.across import ask_members
from flotilla.observe.workloads import CopyStatus


def ask_why(access: FleetAccess, copies: Iterable[CopyStatus], *, seconds: float) -> dict[CopyStatus, list[str]]:
    """Ask the members in parallel about their unhealthy copies; members that don't answer are reported too."""
    unhealthy: dict[str, list[CopyStatus]] = {}
    for copy in copies:
        if copy.health == "Unhealthy":
            unhealthy.setdefault(copy.cluster, []).append(copy)
    answers = ask_members(
        access,
        unhealthy,
        lambda member: [reasons(member, copy.ref) for copy in unhealthy[member.name]],
        seconds=seconds,
    )
    reasons_of = {
        copy: texts for name, found in answers.found.items() for copy, texts in zip(unhealthy[name], found, strict=True)
    }
    unknown = {copy: [f"not known: {why}"] for name, why in answers.unknown.items() for copy in unhealthy[name]}
    return reasons_of | unknown
