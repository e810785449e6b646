"""`flotilla adopt OBJECT`: takes over only this object, which the stack declares and which exists in a cluster."""

from __future__ import annotations

import argparse

from flotilla.cli.adopt_member import named
from flotilla.cli.completion import completed, object_names
from flotilla.cli.ending import CommandError, Kind, UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.setting import load_fleet, setting_of
from flotilla.deploy.engines import open_stack
from flotilla.plan.single import Match, Wanted, blocking_step, matches, with_dependencies
from flotilla.plan.steps import Op, Result

_WRITING = ("karmada_kubeconfig", "context", "karmada_version", "member_kubeconfig", "member_context", "namespace")
_SELECTING = ("selector", "policy", "member", "members_from", "from_member", "object", "workload", "dry_run")


def add_object_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run with objects to the verb's parser."""
    add = parser.add_argument
    objects = add(
        "objects", nargs="*", type=_wanted, metavar="OBJECT", help="a declared object: Kind/name or Kind/namespace/name"
    )
    completed(objects, object_names)
    add("--cluster", metavar="NAME", help="with OBJECT: the cluster that has it; `karmada` is the control plane")
    add("--preview-only", action="store_true", help="with OBJECT: show the plan, change nothing")
    add("--plan", metavar="DIGEST", help="with OBJECT: apply exactly the plan with this digest, without a question")
    add("--detail", action="store_true", help="with OBJECT: show every resource and property, as Pulumi reports them")
    add("-y", "--yes", action="store_true", help="with OBJECT: apply without a question")


def takes_objects(options: argparse.Namespace) -> bool:
    """Return whether the run takes over objects; otherwise it writes a stack file.

    Raises:
        UsageError: the options ask for both, or have options of the one without the other's arguments.
    """
    given = [name for name in (*_WRITING, *_SELECTING) if getattr(options, name, None)]
    if options.objects:
        if given:
            option = f"--{given[0].replace('_', '-')}"
            raise UsageError(
                f"{option} and OBJECT exclude each other: {option} is for writing a new stack file, and an OBJECT is "
                "taken over into a stack that exists",
                hint="leave one of them out: `flotilla adopt --help` has an example of each",
            )
        return True
    only = [name for name in ("cluster", "preview_only", "plan", "detail", "yes") if getattr(options, name, None)]
    if only:
        raise UsageError(f"--{only[0].replace('_', '-')} needs an OBJECT", hint="flotilla adopt Deployment/shop/web")
    return False


def adopt_objects(options: argparse.Namespace) -> ExitCode:
    """Take over the objects that the options name. Plan, question, document and exit codes are those of `up`."""
    from flotilla.cli.fleet import preview_verb, up_verb  # loads all clients; a run that writes a stack needs none

    load_fleet(options)
    options.adopt = [[]]
    whole = open_stack(options.engine, setting_of(options)).preview()
    urns = [_declared(options, whole, wanted).step.urn for wanted in options.objects]
    along = with_dependencies(whole.steps, urns)
    blocking = blocking_step(along, urns)
    if blocking is not None:
        raise CommandError(
            f"it can't be adopted alone: it is made of {blocking.name}, which the stack would {blocking.op} first; "
            "nothing was changed",
            kind=Kind.FAILED,
            code=ExitCode.FAILED,
            hint="take over what it belongs to: `flotilla up --adopt NAME`, with a member's or a workload's name",
        )
    options.target = [step.urn for step in along]
    options.refresh = options.rendered = options.diff = options.expect_no_changes = False
    return preview_verb(options) if options.preview_only else up_verb(options)


def _declared(options: argparse.Namespace, whole: Result, wanted: Wanted) -> Match:
    """Return the declared object that an argument means.

    Raises:
        CommandError: the stack declares no such object, or several, or the object does not exist in its cluster.
    """
    name = "/".join(filter(None, (wanted.kind, wanted.namespace, wanted.name)))
    found = matches(whole.steps, wanted)
    chosen = [one for one in found if options.cluster in (None, one.cluster)]
    if not found and whole.failures:
        raise CommandError(
            f"the stack's plan can't be made: {whole.failures[0]}", kind=Kind.FAILED, code=ExitCode.FAILED
        )
    if not chosen:
        where = f" in cluster {options.cluster}" if options.cluster else ""
        raise UsageError(
            f"nothing in stack {options.stack} declares {name}{where}, so it can't become the stack's",
            hint="add it to a workload's `manifests` or to `objects`; "
            "`flotilla adopt --karmada-kubeconfig FILE` writes a stack that declares what is there",
        )
    if len(chosen) > 1:
        raise UsageError(
            f"{name} may be {', '.join(map(str, chosen))}", hint="name one: Kind/namespace/name, and --cluster NAME"
        )
    if chosen[0].cluster in whole.unknown:
        raise CommandError(
            f"{whole.unknown[chosen[0].cluster]}; nothing was changed", kind=Kind.FAILED, code=ExitCode.FAILED
        )
    if chosen[0].step.op is Op.CREATE:
        raise CommandError(
            f"{chosen[0]} does not exist, so there is nothing to adopt; nothing was changed",
            kind=Kind.FAILED,
            code=ExitCode.FAILED,
            hint="`flotilla up` creates it",
        )
    return chosen[0]


def _wanted(text: str) -> Wanted:
    kind, namespace, name = named(text)
    return Wanted(kind, name, namespace or None)
