"""Which stack the options of a command mean, and the fleet in its stack file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from flotilla.deploy.interface import Setting
from flotilla.engine.adoption import NOTHING, Adoption
from flotilla.errors import FlotillaError

if TYPE_CHECKING:
    from flotilla.cli.output import Output
    from flotilla.stack.files import ManifestFiles
    from flotilla.stack.fleet import Fleet


def load_fleet(options: argparse.Namespace, *, files: bool = True, manifests: ManifestFiles | None = None) -> Fleet:
    """Return the fleet in the stack file; an error has all problems of the file. The arguments are `fleet_of`'s."""
    from flotilla.deploy.stack_file import fleet_of

    return fleet_of(setting_of(options), files=files, manifests=manifests)


def karmada_version(options: argparse.Namespace) -> str | None:
    """Return the version of Karmada in the stack file; None if the file has none, or can't be read any more."""
    from flotilla.stack.load import karmada_version as stack_file_version

    setting = setting_of(options)
    try:
        return stack_file_version(setting.stack_file, setting.project)
    except FlotillaError:
        return None


def setting_of(options: argparse.Namespace, output: Output | None = None) -> Setting:
    """Return the setting of the stack that the options name.

    A rollback sets `back` among the options: the setting of the stack as an earlier update declared it.

    Args:
        options: the command's.
        output: prints the steps and messages of a run; None prints nothing.
    """
    project, stack = options.project.resolve(), options.stack
    adopt, changed = adoption_of(options), getattr(options, "config_file", None)
    back: Setting | None = getattr(options, "back", None)
    setting = back or Setting(project, stack, config_file=changed, adopt=adopt)
    return setting if output is None else replace(setting, listener=output.on_step, report=output.say)


def adoption_of(options: argparse.Namespace) -> Adoption:
    """Return what `--adopt` names: nothing if the option is missing, everything if it has no names."""
    given = getattr(options, "adopt", None)
    if given is None:
        return NOTHING
    return Adoption(True) if any(not names for names in given) else Adoption(True, tuple(chain.from_iterable(given)))
