"""The values that shells complete, and the verb `completion`, which prints the script for a shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.verbs import HELP
from flotilla.errors import FlotillaError

Completer = Callable[..., list[str]]
_SHELLS = ("bash", "zsh", "fish")


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    parser = verbs.add_parser("completion", parents=[common], help=HELP["completion"])
    parser.add_argument("shell", choices=_SHELLS, help='the shell; in bash: eval "$(flotilla completion bash)"')
    parser.set_defaults(verb=_completion)


def completed(action: argparse.Action, completer: Completer) -> None:
    """Set the completer of an argument's values."""
    action.completer = completer  # type: ignore[attr-defined]  # argcomplete's own convention


def stack_names(*, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Return the names of the stacks that have a file."""
    from flotilla.deploy.interface import Setting, load_project

    try:
        folder = load_project(Setting(parsed_args.project.resolve(), "any")).stack_file("any").parent
    except FlotillaError:
        return []  # no project here
    return sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in folder.glob("Pulumi.*.yaml"))


def member_names(*, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Return the members in the stack file. The running fleet is not asked, because a completion must be quick."""
    fleet = _fleet(parsed_args)
    return sorted(member.name for member in fleet.members) if fleet else []


def workload_names(*, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Return the workloads in the stack file."""
    fleet = _fleet(parsed_args)
    return sorted(workload.name for workload in fleet.workloads) if fleet else []


def object_names(*, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Return the objects of workloads with an image or manifests; rendering charts would take too long."""
    from flotilla.stack.files import ManifestFiles
    from flotilla.workloads.objects import readable_objects

    fleet = _fleet(parsed_args)
    files = ManifestFiles(parsed_args.project.resolve())
    found = [
        obj
        for workload in (fleet.workloads if fleet else ())
        if workload.source_key in ("image", "manifests")
        for obj in readable_objects(workload, files)
    ]
    places = ((obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]) for obj in found)
    return sorted("/".join(filter(None, place)) for place in places)


def _fleet(parsed_args: argparse.Namespace) -> Any:
    from flotilla.cli.setting import load_fleet

    try:
        return load_fleet(parsed_args, files=False)
    except FlotillaError:
        return None  # nothing to complete; the command itself reports the error


def _completion(options: argparse.Namespace) -> ExitCode:
    from argcomplete.shell_integration import shellcode

    script = shellcode(["flotilla"], shell=options.shell)
    if options.json:
        from flotilla.cli.documents import write_document

        write_document({"shell": options.shell, "script": script})
    else:
        sys.stdout.write(script)
    return ExitCode.DONE
