"""Which stack a command is about, and its fleet."""

from __future__ import annotations

import argparse

from flotilla.deploy.access import fleet_of
from flotilla.deploy.interface import Setting
from flotilla.errors import FlotillaError
from flotilla.stack.fleet import Fleet


def load_fleet(options: argparse.Namespace, *, files: bool = True) -> Fleet:
    """Read the stack's file, with every problem of it in one go; `files`: those that it names have to be there."""
    return fleet_of(setting_of(options), files=files)


def karmada_version(options: argparse.Namespace) -> str | None:
    """Return Karmada's version as the stack's file names it; None where it names none, or can't be read any more."""
    try:
        return load_fleet(options, files=False).control_plane.version
    except FlotillaError:
        return None


def setting_of(options: argparse.Namespace) -> Setting:
    """Return where the stack is that the options name."""
    return Setting(options.project.resolve(), options.stack)
