"""The verbs that only read a stack file: `validate` and `env`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable
from typing import Any

from flotilla.cli.documents import write_document
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.setting import load_fleet, setting_of
from flotilla.cli.stack_options import stack_options
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.karmada.propagation import template
from flotilla.plan.notices import owner_notes
from flotilla.stack.clear_secrets import in_clear
from flotilla.stack.files import ManifestFiles
from flotilla.stack.notices import kept_out
from flotilla.untrusted import printable
from flotilla.workloads.needs import known_kinds
from flotilla.workloads.notices import fleet_notices, unopened
from flotilla.workloads.objects import manifests_of


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    validate = verbs.add_parser("validate", parents=[common, stack_options()], help=HELP["validate"])
    validate.set_defaults(verb=_validate)
    environment = verbs.add_parser("env", parents=[common, stack_options()], help=HELP["env"])
    environment.set_defaults(verb=_environment)


def _validate(options: argparse.Namespace) -> ExitCode:
    manifests = ManifestFiles(options.project.resolve())
    fleet = load_fleet(options, manifests=manifests)
    kinds = known_kinds(fleet, manifests, None)
    templates = {
        workload.name: [template(one) for one in manifests_of(workload, manifests)] for workload in fleet.workloads
    }
    notes = (
        *kinds.messages,
        *fleet_notices(fleet, manifests),
        *in_clear(fleet, manifests),
        *kept_out(fleet),
        *unopened(fleet, manifests),
        *owner_notes(templates),
    )
    if options.json:
        write_document({"stack": options.stack, "valid": True, **({"notes": list(notes)} if notes else {})})
    else:
        _print(
            notes,
            f"stack {options.stack} is valid: {counted(len(fleet.members), 'member')}, "
            f"{counted(len(fleet.workloads), 'workload')}",
        )
    return ExitCode.DONE


def _print(notes: Iterable[str], end: str) -> None:
    """Print the notes and the result for people. Colours need rich, which is only loaded if there are notes."""
    noted = list(notes)
    if noted:
        from flotilla.cli.consoles import printer

        console = printer()
        for note in noted:
            console.print(note, style="yellow", markup=False)
    sys.stdout.write(printable(end) + "\n")


def _environment(options: argparse.Namespace) -> ExitCode:
    """Print `export` commands. They have the path of the passphrase's file, never the passphrase itself."""
    from flotilla.deploy.pulumi_cli import cli_environment  # the Automation API takes a while to load

    values = cli_environment(setting_of(options))
    if options.json:
        write_document({"environment": values})
    else:
        sys.stdout.write("".join(f"export {key}={shlex.quote(value)}\n" for key, value in sorted(values.items())))
    return ExitCode.DONE
