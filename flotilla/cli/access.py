"""The options that choose the fleet which a verb reads: a stack's, or that of a given kubeconfig."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotilla.cli.completion import completed, member_names
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import engine_options, stack_options
from flotilla.kube.connection import Connection
from flotilla.observe.access import FleetAccess

_NAME = "Karmada"


def access_options() -> list[argparse.ArgumentParser]:
    """Return parsers with the options that name a fleet."""
    parser = argparse.ArgumentParser(add_help=False)
    where = parser.add_argument_group("the fleet (by default the stack's)")
    where.add_argument("--kubeconfig", type=Path, metavar="FILE", help="Karmada's kubeconfig, instead of a stack")
    where.add_argument("--context", help="the context of the kubeconfig (default: the current one)")
    return [stack_options(), engine_options(), parser]


def cluster_options() -> argparse.ArgumentParser:
    """Return a parser with the options that choose members."""
    parser = argparse.ArgumentParser(add_help=False)
    choice = parser.add_argument_group("which members")
    named = choice.add_argument(
        "--cluster",
        action="append",
        default=[],
        metavar="NAME",
        help="only this member; may have *, as in edge-*; may be repeated",
    )
    completed(named, member_names)
    choice.add_argument("--cluster-labels", default="", metavar="SELECTOR", help="only members with these labels")
    return parser


def open_access(options: argparse.Namespace) -> FleetAccess:
    """Return access to the fleet that the options name.

    Raises:
        FlotillaError: the stack has nothing deployed, or the kubeconfig is not usable.
    """
    if options.kubeconfig or options.context:
        from flotilla.karmada.client.sources import of_file

        return FleetAccess(Connection(of_file(options.kubeconfig, options.context), name=_NAME))
    from flotilla.deploy.quick_access import quick_access

    setting = setting_of(options)

    def deployed() -> dict[str, str]:
        from flotilla.deploy.access import deployed_kubeconfigs

        return deployed_kubeconfigs(setting, options.engine)

    quick = quick_access(setting, deployed)
    if quick is not None:
        return quick
    from flotilla.deploy.access import access_of  # loads all models of the stack file, and the engines

    return access_of(setting, options.engine)
