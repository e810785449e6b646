"""Which stack a command is about, and its fleet."""

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
    """Read the stack's file, with every problem of it in one go; the arguments are those of `fleet_of`."""
    from flotilla.deploy.stack_file import fleet_of

    return fleet_of(setting_of(options), files=files, manifests=manifests)


def karmada_version(options: argparse.Namespace) -> str | None:
    """Return Karmada's version as the stack's file names it; None where it names none, or can't be read any more."""
    from flotilla.stack.load import karmada_version as stack_file_version

    setting = setting_of(options)
    try:
        return stack_file_version(setting.stack_file, setting.project)
    except FlotillaError:
        return None


def setting_of(options: argparse.Namespace, output: Output | None = None) -> Setting:
    """Return where the stack is that the options name; `output` shows the steps and messages of a run.

    A rollback has set `back` among the options: the stack as an earlier update declared it.
    """
    project, stack = options.project.resolve(), options.stack
    adopt, changed = adoption_of(options), getattr(options, "config_file", None)
    back: Setting | None = getattr(options, "back", None)
    where = back or Setting(project, stack, config_file=changed, adopt=adopt)
    return where if output is None else replace(where, listener=output.on_step, report=output.say)


def adoption_of(options: argparse.Namespace) -> Adoption:
    """Return what `--adopt` names: nothing without it, everything where it names nothing."""
    given = getattr(options, "adopt", None)
    if given is None:
        return NOTHING
    return Adoption(True) if any(not names for names in given) else Adoption(True, tuple(chain.from_iterable(given)))
