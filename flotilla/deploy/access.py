"""Connections to the clusters of a deployed stack."""

from __future__ import annotations

from flotilla.deploy.declared import CONTROL_PLANE, Declared, declared
from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.deploy.stack_file import fleet_of
from flotilla.errors import FlotillaError
from flotilla.kube.connection import Connection, connect
from flotilla.observe.access import FleetAccess
from flotilla.stack.files import kubeconfig_text

_NAME = "Karmada"


def access_of(setting: Setting, engine: EngineName) -> FleetAccess:
    """Return the access to a stack's clusters; the members' credentials come from its state.

    Raises:
        FlotillaError: the stack neither names a kubeconfig file nor has anything deployed.
    """
    return FleetAccess(control_plane_of(setting, engine), lambda: deployed_kubeconfigs(setting, engine))


def deployed_kubeconfigs(setting: Setting, engine: EngineName) -> dict[str, str]:
    """Return the kubeconfigs of a stack's members from its state, by the member's name."""
    found = _deployed(setting, engine)
    return {name: found.kubeconfigs[name] for name in found.members if name in found.kubeconfigs}


def control_plane_of(setting: Setting, engine: EngineName) -> Connection:
    """Return the connection to a stack's Karmada: by the kubeconfig file that it names, otherwise by its state.

    Raises:
        FlotillaError: the stack neither names a kubeconfig file nor has anything deployed.
    """
    source = fleet_of(setting, files=False).control_plane.kubeconfig
    if source is not None and source.path is not None:
        return connect(kubeconfig_text(source, setting.project), name=_NAME)
    text = _deployed(setting, engine).kubeconfigs.get(CONTROL_PLANE)
    if text is None:
        raise FlotillaError(f"stack {setting.stack} has nothing deployed", hint="run `flotilla up` first")
    return connect(text, name=_NAME)


def _deployed(setting: Setting, engine: EngineName) -> Declared:
    return declared(open_stack(engine, setting).snapshot())
