"""Which fleet a verb looks at: a stack's, or the one of a kubeconfig that is given."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotilla.cli.completion import completed, member_names
from flotilla.cli.stack_options import engine_options, load_fleet, stack_options
from flotilla.config.files import kubeconfig_text
from flotilla.deploy.interface import Setting, open_stack
from flotilla.drift.declared import CONTROL_PLANE, Declared, declared
from flotilla.errors import FlotillaError
from flotilla.karmada.client.sources import of_file
from flotilla.kube.connection import Connection, connect
from flotilla.observe.access import FleetAccess

_NAME = "Karmada"


def access_options() -> list[argparse.ArgumentParser]:
    """Return the options that name a fleet."""
    parser = argparse.ArgumentParser(add_help=False)
    where = parser.add_argument_group("the fleet (by default the stack's)")
    where.add_argument("--kubeconfig", type=Path, metavar="FILE", help="Karmada's kubeconfig; no stack is needed then")
    where.add_argument("--context", help="its context; the current one by default")
    return [stack_options(), engine_options(), parser]


def cluster_options() -> argparse.ArgumentParser:
    """Return the options that choose members."""
    parser = argparse.ArgumentParser(add_help=False)
    choice = parser.add_argument_group("which members")
    named = choice.add_argument(
        "--cluster", action="append", default=[], metavar="NAME", help="this member; edge-* matches; may be repeated"
    )
    completed(named, member_names)
    choice.add_argument("--cluster-labels", default="", metavar="SELECTOR", help="members with these labels")
    return parser


def open_access(options: argparse.Namespace) -> FleetAccess:
    """Return the way to the fleet that the options name.

    Raises:
        FlotillaError: the stack has nothing deployed, or the kubeconfig can't be used.
    """
    if options.kubeconfig or options.context:
        return FleetAccess(Connection(of_file(options.kubeconfig, options.context), name=_NAME))
    held = _held(options)
    members = {name: held.kubeconfigs[name] for name in held.members if name in held.kubeconfigs}
    return FleetAccess(_reached(options, held), members)


def control_plane(options: argparse.Namespace) -> Connection:
    """Return the connection to a stack's Karmada."""
    return _reached(options, None)


def _held(options: argparse.Namespace) -> Declared:
    setting = Setting(options.project.resolve(), options.stack)
    return declared(open_stack(options.engine, setting).snapshot())


def _reached(options: argparse.Namespace, held: Declared | None) -> Connection:
    """Return the control plane: the file that the stack names, as it is now, else what its state has."""
    source = load_fleet(options, files=False).control_plane.kubeconfig
    if source is not None and source.path is not None:
        return connect(kubeconfig_text(source, options.project.resolve()), name=_NAME)
    text = (held or _held(options)).kubeconfigs.get(CONTROL_PLANE)
    if text is None:
        raise FlotillaError(f"stack {options.stack} has nothing deployed", hint="run `flotilla up` first")
    return connect(text, name=_NAME)
