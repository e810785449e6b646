"""From a stack to its clusters: connections to what it has deployed."""

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
    """Return the way to a stack's clusters: members by the credentials that its state holds.

    Raises:
        FlotillaError: the stack neither names a kubeconfig file nor has anything deployed.
    """
    return FleetAccess(control_plane_of(setting, engine), lambda: held_kubeconfigs(setting, engine))


def held_kubeconfigs(setting: Setting, engine: EngineName) -> dict[str, str]:
    """Return the kubeconfigs of a stack's members that its state holds, by their names."""
    held = _held(setting, engine)
    return {name: held.kubeconfigs[name] for name in held.members if name in held.kubeconfigs}


def control_plane_of(setting: Setting, engine: EngineName) -> Connection:
    """Return the connection to a stack's Karmada: by the file that it names, as it is now, else by its state.

    Raises:
        FlotillaError: the stack neither names a kubeconfig file nor has anything deployed.
    """
    source = fleet_of(setting, files=False).control_plane.kubeconfig
    if source is not None and source.path is not None:
        return connect(kubeconfig_text(source, setting.project), name=_NAME)
    text = _held(setting, engine).kubeconfigs.get(CONTROL_PLANE)
    if text is None:
        raise FlotillaError(f"stack {setting.stack} has nothing deployed", hint="run `flotilla up` first")
    return connect(text, name=_NAME)


def _held(setting: Setting, engine: EngineName) -> Declared:
    return declared(open_stack(engine, setting).snapshot())
