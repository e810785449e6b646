"""Which stack a command is about, and its fleet."""

from __future__ import annotations

import argparse

from flotilla.deploy.access import fleet_of
from flotilla.deploy.interface import Setting
from flotilla.stack.fleet import Fleet


def load_fleet(options: argparse.Namespace, *, files: bool = True) -> Fleet:
    """Read the stack's file, with every problem of it in one go; `files`: those that it names have to be there."""
    return fleet_of(setting_of(options), files=files)


def setting_of(options: argparse.Namespace) -> Setting:
    """Return where the stack is that the options name."""
    return Setting(options.project.resolve(), options.stack)
