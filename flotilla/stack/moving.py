"""Determines what a stack's Karmada does about failed clusters, from what the stack declares."""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.karmada.simulation.failover import Failover, gate_by_default
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.stack.features import CONTROLLERS, FAILOVER, gates_of
from flotilla.stack.fleet import ControlPlane

_FLAG = "enable-no-execute-taint-eviction"


@dataclass(frozen=True)
class KnownFailover:
    """Whether a Karmada's failover is on, as far as it is known."""

    ways: tuple[Failover, ...]
    """The possible settings; more than one where the setting isn't known."""
    text: str
    """The assumed setting and its reason, in a line."""


def failover_of(control_plane: ControlPlane, *, release: str = "", given: bool | None = None) -> KnownFailover:
    """Return what the Karmada of a stack does about failed clusters.

    Args:
        control_plane: the stack's control plane, with its installation (`Fleet.installed`).
        release: a version to use instead of the stack's.
        given: the setting, if the user gives it; None if not.
    """
    named = release or control_plane.release
    version = Version.parse(named) if named else None
    if given is not None:
        return KnownFailover(_ways(version, (given,)), f"failover is {_word(given)}, as given")
    helm = control_plane.helm
    gate = gates_of(helm).get(CONTROLLERS, {}).get(FAILOVER.name) if helm else None
    if helm and gate is not None:
        values = helm.values.get(CONTROLLERS)
        arguments = values.get("extraCommandArgs") if isinstance(values, dict) else None
        flag = arguments.get(_FLAG) if isinstance(arguments, dict) else None
        on = _true(gate)
        stack = f"stack {control_plane.stack}" if control_plane.stack else "the stack"
        return KnownFailover(
            _ways(version, (on,), no_execute=_true(flag)),
            f"failover is {_word(on)}: {stack} sets the feature gate {FAILOVER.name}"
            + (f", and --{_FLAG} is {'on' if _true(flag) else 'off'}" if on else ""),
        )
    default = gate_by_default(named) if named else None
    if default is None:
        which = named or "the stack doesn't give its version"
        return KnownFailover(
            _ways(version, (False, True)), f"it isn't known whether failover of this Karmada is on ({which})"
        )
    return KnownFailover(
        _ways(version, (default,), no_execute=False),
        f"failover is assumed to be {_word(default)}, the default of Karmada {named}",
    )


def _ways(version: Version | None, gates: tuple[bool, ...], *, no_execute: bool | None = None) -> tuple[Failover, ...]:
    versions = (version,) if version else (SUPPORTED.oldest, SUPPORTED.newest)
    found = [Failover.of(one, gate=gate, no_execute=no_execute) for one in versions for gate in gates]
    return tuple(dict.fromkeys(found))


def _word(on: bool) -> str:
    return "on" if on else "off"


def _true(value: object) -> bool:
    return value is True or str(value).lower() == "true"
