"""The fleet that a stack's file describes."""

from __future__ import annotations

from flotilla.deploy.interface import Setting
from flotilla.errors import FlotillaError
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet
from flotilla.stack.load import load_stack_file


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
