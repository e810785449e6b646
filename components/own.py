"""The project's own components that a stack's workloads use: found by entry points, declared after the workload."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import pulumi

from flotilla.errors import FlotillaError
from flotilla.plugins import Group, Plugin, plugins
from flotilla.stack.fleet import Fleet
from flotilla.stack.workloads import Workload

from .karmada_control_plane import KarmadaControlPlane
from .propagated_workload import PropagatedWorkload


class OwnComponentArgs(TypedDict):
    """The `args` of a project's own component."""

    args: dict[str, Any]
    """The content of `args` in the stack file."""
    workload: Workload
    """The workload that uses the component, as in the stack file."""
    declared: PropagatedWorkload
    """The declared workload: its templates can be used as dependencies."""
    control_plane: KarmadaControlPlane
    """The control plane: `provider` declares objects in it, `kubeconfig` is a secret output."""


def declare_own(
    fleet: Fleet, workloads: dict[str, PropagatedWorkload], control_plane: KarmadaControlPlane, project: Path
) -> None:
    """Declare the components that workloads use, each after its workload is healthy; a destroy has the reverse order.

    A component is a subclass of `pulumi.ComponentResource` with the parameters `(name, args, opts)`. Its resource name
    consists of the workload's name and its own: `shop-dashboards`.

    Args:
        fleet: the stack.
        workloads: the declared workloads, by name.
        control_plane: Karmada.
        project: the project's folder.

    Raises:
        PluginError: a component can't be imported, isn't a component, or failed.
    """
    if not any(workload.components for workload in fleet.workloads):
        return
    known = plugins(Group.COMPONENTS, project)
    for workload in fleet.workloads:
        for used in workload.components:
            args: OwnComponentArgs = {
                "args": dict(used.args),
                "workload": workload,
                "declared": workloads[workload.name],
                "control_plane": control_plane,
            }
            former = workload.formerly
            aliases = [pulumi.Alias(name=f"{former}-{used.use}")] if former else None
            opts = pulumi.ResourceOptions(depends_on=[workloads[workload.name]], aliases=aliases)
            _declare(known[used.use], f"{workload.name}-{used.use}", args, opts)


def _declare(plugin: Plugin, name: str, args: OwnComponentArgs, opts: pulumi.ResourceOptions) -> None:
    component = plugin.load()
    if not (isinstance(component, type) and issubclass(component, pulumi.ComponentResource)):
        raise plugin.unusable("is not a subclass of pulumi.ComponentResource")
    make: Any = component  # its constructor differs from that of its base class
    try:
        make(name, args, opts)
    except FlotillaError:
        raise
    except Exception as error:
        raise plugin.unusable(f"failed as {name}: {type(error).__name__}: {error}") from error
