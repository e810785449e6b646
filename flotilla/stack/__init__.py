"""The typed models of a stack's fleet: the only place where user input is validated.

The names of this package are imported lazily: a command that needs only a stack's name loads no models.
"""

from typing import TYPE_CHECKING

from flotilla.lazy import lazy_exports

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

__getattr__ = lazy_exports(
    __name__,
    {
        "credentials": ["Kubeconfig"],
        "fleet": ["ControlPlane", "Fleet"],
        "load": ["load_stack_file", "parse_fleet"],
        "members": ["Member", "Taint"],
        "overrides": ["Override"],
        "placement": ["Placement", "ReplicaStrategy"],
        "problems": ["ConfigError", "Problem"],
        "workloads": ["Workload"],
    },
)
