"""The verb `kubeconfig`: writes the credentials of a stack's cluster, for kubectl and other programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from flotilla.cli.documents import write_document
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import engine_options, stack_options
from flotilla.cli.verbs import HELP
from flotilla.deploy.declared import CONTROL_PLANE, declared
from flotilla.deploy.engines import open_stack
from flotilla.errors import FlotillaError
from flotilla.kube import kubeconfig as kubeconfigs


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    parser = verbs.add_parser(
        "kubeconfig",
        parents=[common, stack_options(), engine_options()],
        help=HELP["kubeconfig"],
    )
    parser.add_argument(
        "--cluster", default=CONTROL_PLANE, help="the cluster: karmada (the default), or a member's name"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", type=Path, metavar="FILE", help="write this file, with mode 0600; - prints it")
    where.add_argument(
        "--merge",
        type=Path,
        nargs="?",
        const=Path("~/.kube/config"),
        metavar="FILE",
        help="add a context to this kubeconfig (default: ~/.kube/config)",
    )
    parser.add_argument("--context", help="the name of the context (default: STACK-CLUSTER)")
    parser.set_defaults(verb=_kubeconfig)


def _kubeconfig(options: argparse.Namespace) -> ExitCode:
    snapshot = open_stack(options.engine, setting_of(options)).snapshot()
    known = declared(snapshot).kubeconfigs
    if options.cluster not in known:
        raise FlotillaError(
            f"stack {options.stack} has no credentials of {options.cluster}",
            hint=f"it has {', '.join(sorted(known))}" if known else "run `flotilla up` first",
        )
    name = options.context or f"{options.stack}-{options.cluster}"
    document = kubeconfigs.renamed(kubeconfigs.select(kubeconfigs.load(known[options.cluster])), name)
    if options.output and str(options.output) == "-":
        if options.json:
            write_document({"context": name, "kubeconfig": document})
        else:
            sys.stdout.write(kubeconfigs.dump(document))
        return ExitCode.DONE
    file = (options.output or options.merge).expanduser()
    kubeconfigs.write(file, document if options.output else kubeconfigs.merged(file, document))
    output = Output(as_json=options.json)
    if options.json:
        output.json({"file": str(file), "context": name})
    else:
        output.console.print(f"wrote {file}; use it with: kubectl --kubeconfig {file} --context {name} get clusters")
    return ExitCode.DONE
