"""The stack's fleet, typed: the only place where user input is validated.

What the package offers is imported when it is asked for: a verb that only needs a stack's name loads no models.
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
_MODULES = {
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


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
