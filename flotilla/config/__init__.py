"""The stack's fleet, typed: the only place where user input is validated."""

from flotilla.config.credentials import Kubeconfig
from flotilla.config.fleet import ControlPlane, Fleet
from flotilla.config.load import load_stack_file, parse_fleet
from flotilla.config.members import Member, Taint
from flotilla.config.problems import ConfigError, Problem
from flotilla.config.workloads import Override, Placement, ReplicaStrategy, Workload

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
