"""Options and questions that verbs on a stack share."""

from __future__ import annotations

import argparse
import os
import sys

from flotilla.cli.completion import completed, stack_names
from flotilla.config.fleet import Fleet
from flotilla.deploy.access import fleet_of
from flotilla.deploy.interface import EngineName, Setting

DEFAULT_STACK = "sandbox"


def stack_options() -> argparse.ArgumentParser:
    """Return the option that names the stack."""
    parser = argparse.ArgumentParser(add_help=False)
    stack = parser.add_argument(
        "-s", "--stack", default=os.environ.get("FLOTILLA_STACK", DEFAULT_STACK), help="the stack (FLOTILLA_STACK)"
    )
    completed(stack, stack_names)
    return parser


def engine_options() -> argparse.ArgumentParser:
    """Return the option that chooses the engine."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--engine",
        type=EngineName,
        choices=list(EngineName),
        default=EngineName(os.environ.get("FLOTILLA_ENGINE", "auto")),
        help="pulumi (the installed CLI), embedded, or auto (default)",
    )
    return parser


def load_fleet(options: argparse.Namespace, *, files: bool = True) -> Fleet:
    """Read the stack's file, with every problem of it in one go; `files`: those that it names have to be there."""
    return fleet_of(setting_of(options), files=files)


def setting_of(options: argparse.Namespace) -> Setting:
    """Return where the stack is that the options name."""
    return Setting(options.project.resolve(), options.stack)


def agreed(options: argparse.Namespace, what: str) -> bool:
    """Ask, where somebody can answer; without a terminal only --yes counts."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        sys.stderr.write(f"error: to {what} without a terminal, give --yes; nothing was changed\n")
        return False
    return input(f"\n{what}? [y/N] ").strip().lower() in ("y", "yes")
