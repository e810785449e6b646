"""The fleet that a stack's file describes."""

from __future__ import annotations

from flotilla.deploy.interface import Setting
from flotilla.errors import FlotillaError
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet
from flotilla.stack.load import load_stack_file


def fleet_of(setting: Setting, *, files: bool = True, manifests: ManifestFiles | None = None) -> Fleet:
    """Read a stack file, and check all of it.

    Args:
        setting: the stack's setting.
        files: whether the files that it names have to exist.
        manifests: the reader of manifests, which callers can reuse.

    Raises:
        ConfigError: the file is invalid; the error lists all problems.
        FlotillaError: the file is missing or isn't YAML, or an override's patch doesn't fit.
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
