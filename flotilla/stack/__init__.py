"""The stack's fleet, typed: the only place where user input is validated.

A name is imported when it is first asked for: a module of this package needs none of the others only because it is in
it, so that any module can be the first that a program imports.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flotilla.stack.credentials import Kubeconfig
    from flotilla.stack.fleet import ControlPlane, Fleet
    from flotilla.stack.load import load_stack_file, parse_fleet
    from flotilla.stack.members import Member, Taint
    from flotilla.stack.overrides import Override
    from flotilla.stack.placement import Placement, ReplicaStrategy
    from flotilla.stack.problems import ConfigError, Problem
    from flotilla.stack.workloads import Workload

_FROM = {
    "ConfigError": "problems",
    "ControlPlane": "fleet",
    "Fleet": "fleet",
    "Kubeconfig": "credentials",
    "Member": "members",
    "Override": "overrides",
    "Placement": "placement",
    "Problem": "problems",
    "ReplicaStrategy": "placement",
    "Taint": "members",
    "Workload": "workloads",
    "load_stack_file": "load",
    "parse_fleet": "load",
}

__all__ = [
    "ConfigError",
    "ControlPlane",
    "Fleet",
    "Kubeconfig",
    "Member",
    "Override",
    "Placement",
    "Problem",
    "ReplicaStrategy",
    "Taint",
    "Workload",
    "load_stack_file",
    "parse_fleet",
]


def __getattr__(name: str) -> Any:
    """Import one of the names; raises AttributeError for others."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
