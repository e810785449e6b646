"""From a stack to its clusters: the fleet that its file describes, and connections to what it has deployed."""

from __future__ import annotations

from flotilla.deploy.declared import CONTROL_PLANE, Declared, declared
from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.errors import FlotillaError
from flotilla.kube.connection import Connection, connect
from flotilla.observe.access import FleetAccess
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles, kubeconfig_text
from flotilla.stack.fleet import Fleet
from flotilla.stack.load import load_stack_file

_NAME = "Karmada"


def fleet_of(setting: Setting, *, files: bool = True, manifests: ManifestFiles | None = None) -> Fleet:
    """Read a stack's file, with every problem of it in one go.

    Args:
        setting: where the stack is.
        files: those that it names have to be there.
        manifests: where manifests are read, for those who read them later.

    Raises:
        ConfigError: with all problems.
        FlotillaError: the file is missing, not YAML, or an override's patch doesn't fit.
    """
    manifests = manifests or ManifestFiles(setting.project)
    fleet = load_stack_file(setting.stack_file, base=setting.project, files=files, manifests=manifests)
    if not files:
        return fleet
    try:
        rendered(fleet, manifests)
    except ValueError as error:
        raise FlotillaError(
            f"{setting.stack_file}: {error}", hint="correct the manifest or the override's patch"
        ) from None
    return fleet


def access_of(setting: Setting, engine: EngineName) -> FleetAccess:
    """Return the way to a stack's clusters: members by the credentials that its state holds.

    Raises:
        FlotillaError: the stack neither names a kubeconfig file nor has anything deployed.
    """

    def members() -> dict[str, str]:
        held = _held(setting, engine)
        return {name: held.kubeconfigs[name] for name in held.members if name in held.kubeconfigs}

    return FleetAccess(control_plane_of(setting, engine), members)


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
