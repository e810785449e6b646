"""`adopt --from-member`: writes what runs in a member without Karmada as workloads of a new or an existing stack."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from flotilla.adopt.adding import declared, entries_text, text_with, valid_with
from flotilla.adopt.compose import Adopted, Wanted, adopt
from flotilla.adopt.judging import RESERVED
from flotilla.adopt.model import MemberFacts, Report, Seal, Selection
from flotilla.adopt.promoting import Named, Promotion, missing, promoted
from flotilla.adopt.reading import read_control_plane
from flotilla.adopt.running import read_running, read_there
from flotilla.adopt.served import Served, served
from flotilla.adopt.version import version_of
from flotilla.adopt.workloads import Draft
from flotilla.adopt.writing import add, existing, texts_of, write
from flotilla.cli.ending import UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.counts import counted
from flotilla.deploy.access import control_plane_of
from flotilla.deploy.interface import EngineName, Setting
from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.kinds import DEFINITION, Identity
from flotilla.karmada.names import is_dns_label
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.kube.reading import read_text
from flotilla.stack.files import kubeconfig_text
from flotilla.stack.fleet import Fleet
from flotilla.stack.load import karmada_version
from flotilla.stack.stackfile import fleet_sections, read_stack_file
from flotilla.state.crypto import PassphraseCrypter, passphrase, passphrase_is_named

_DEFINITIONS = "apiextensions.k8s.io/v1"
_PASSPHRASE = "passphrase"  # noqa: S105 - a file's name, and a provider's


@dataclass(frozen=True)
class Target:
    """The stack that gets the workloads."""

    setting: Setting
    folder: str
    """The folder for manifests, relative to the project's folder."""
    fleet: Fleet | None = None
    """The fleet in the stack file; None if there is no file yet."""

    @property
    def exists(self) -> bool:
        """Whether the stack has a file."""
        return self.fleet is not None


def named(text: str) -> tuple[str, str, str]:
    """Return kind, namespace and name from `KIND/NAME` or `KIND/NAMESPACE/NAME`; the namespace may be empty."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: write KIND/NAME or KIND/NAMESPACE/NAME")
    return parts[0], parts[1] if len(parts) == 3 else "", parts[-1]  # noqa: PLR2004 - the parts of the form


def adopt_from_member(
    options: argparse.Namespace,
    target: Target,
    facts: Callable[[dict[str, Object]], dict[str, MemberFacts]],
    karmada: Wanted | None,
    say: Callable[[Output, Report], None],
) -> ExitCode:
    """Write what runs in a member as workloads of a stack.

    Args:
        options: the command's.
        target: the stack.
        facts: for a new stack, reads facts from the members themselves; its argument are the Cluster objects by name.
        karmada: the options of `adopt` for a new stack; None if the stack exists.
        say: prints the report.
    """
    output = Output(as_json=options.json)
    project, report = target.setting.project, Report()
    part = _part(options)
    output.say(f"reading {options.from_member}")
    control_plane = _control_plane(options, target, report)
    known = _served(control_plane, report)
    document = _member(options, target)
    running = read_running(Connection(document, name=options.from_member), part.namespaces, known)
    if lacking := missing(part, running):
        raise UsageError(f"{options.from_member} has no {lacking[0]}; nothing was written")
    crypter, salt = _crypter(target)
    new = _new(options, control_plane, facts, karmada, project) if karmada and control_plane else None
    sections = new.sections if new else fleet_sections(target.setting.stack_file)
    named_version = _named_version(target, sections)
    version = options.karmada_version or named_version or _shown_version(control_plane)
    taken = frozenset(str(one.get("name")) for one in sections.get("workloads") or [] if isinstance(one, dict))
    part = replace(part, folder=target.folder, version=version, stated=bool(named_version), taken=taken, seal=crypter)
    own = declared(target.fleet, project) if target.fleet else frozenset()
    drafts = promoted(running, lambda objs: own | _there(control_plane, objs, report), part, report)
    drafts = valid_with(sections, drafts, report, project=project)
    report = _joined(new.report, report) if new else report
    return _written(options, target, new, drafts, report, salt, output, say)


def _part(options: argparse.Namespace) -> Promotion:
    for name in ("policy", "member"):
        if getattr(options, name):
            raise UsageError(
                f"--{name} and --from-member exclude each other: --{name} selects from the control plane, and "
                "--from-member reads a member"
            )
    spaces = list(dict.fromkeys(options.namespace))
    default = spaces[0] if len(spaces) == 1 else "default"
    chosen = tuple(Named(kind, space or default, name) for kind, space, name in options.object)
    if not (spaces or chosen):
        raise UsageError(
            "--from-member needs --namespace or --object",
            hint="such as `--namespace shop`, or `--object Deployment/shop/web` for single objects",
        )
    named_spaces = [*spaces, *(one.namespace for one in chosen)]
    if wrong := next(([name] for name in named_spaces if not is_dns_label(name)), None):
        raise UsageError(
            f"{wrong[0][:60]!r} is not a namespace: lower-case letters, digits, '-'; nothing was read",
            hint="such as `--namespace shop`; an empty name may come from a variable that is not set",
        )
    if reserved := next((name for name in named_spaces if name.startswith(RESERVED)), None):
        raise UsageError(
            f"namespace {reserved!r} is reserved by Kubernetes or Karmada: Karmada sends nothing there",
            hint="leave it out",
        )
    part = Selection(frozenset(spaces), options.selector)
    return Promotion(options.from_member, "", part, chosen, options.workload or "")


# -- requests to clusters ---------------------------------------------------------------------------------------------


def _control_plane(options: argparse.Namespace, target: Target, report: Report) -> Connection | None:
    """Return the connection to Karmada; None, with a note in the report, if an existing stack has none yet."""
    if options.karmada_kubeconfig:
        return Connection(selected(options.karmada_kubeconfig, options.context), name="karmada")
    if not target.exists:
        raise UsageError(
            f"there is no stack file {target.setting.stack_file}, and a new one needs --karmada-kubeconfig",
            hint="give the kubeconfig of the control plane, or name a stack that has a file with -s",
        )
    try:
        return control_plane_of(target.setting, EngineName.EMBEDDED)
    except FlotillaError as error:
        report.notes.append(_unasked(error))
        return None


def _unasked(error: FlotillaError) -> str:
    return f"the control plane was not asked which objects it has already: {error.message}"


def _served(control_plane: Connection | None, report: Report) -> Served | None:
    if control_plane is None:
        return None
    try:
        return served(control_plane)
    except ClusterError as error:
        report.notes.append(_unasked(error))
        return None


def _there(control_plane: Connection | None, objects: Iterable[Object], report: Report) -> frozenset[Identity]:
    if control_plane is None:
        return frozenset()
    try:
        return read_there(control_plane, objects)
    except ClusterError as error:
        report.notes.append(_unasked(error))
        return frozenset()


def _member(options: argparse.Namespace, target: Target) -> Object:
    """Return the member's kubeconfig: the one from --member-kubeconfig, or else the one in the stack file."""
    name = options.from_member
    files, contexts = dict(options.member_kubeconfig), dict(options.member_context)
    if name in files:
        return selected(Path(files[name]), contexts.get(name, ""))
    if target.fleet is None:
        raise UsageError(f"--from-member {name} needs its kubeconfig", hint=f"add --member-kubeconfig {name}=FILE")
    member = next((one for one in target.fleet.members if one.name == name), None)
    if member is None and name not in {one.name for one in target.fleet.placeable}:
        listed = ", ".join(sorted(one.name for one in target.fleet.placeable)) or "none"
        raise UsageError(f"stack {target.setting.stack} has no member {name!r}", hint=f"it has {listed}")
    if member is None or member.kubeconfig.path is None:
        raise UsageError(
            f"the stack file has no kubeconfig file for {name}", hint=f"add --member-kubeconfig {name}=FILE"
        )
    return kubeconfigs.select(kubeconfigs.load(kubeconfig_text(member.kubeconfig, target.setting.project)))


def no_such_cluster(option: str, name: str, clusters: Collection[str]) -> UsageError:
    """Return the error for a name for which the control plane has no Cluster object."""
    return UsageError(
        f"{option} names {name!r}, but the control plane has no such Cluster",
        hint=f"it has {', '.join(sorted(clusters)) or 'none'}",
    )


def selected(file: Path, context: str) -> Object:
    """Return a kubeconfig with only one context: the named one, or the current one if the name is empty."""
    place = file.expanduser()
    return kubeconfigs.checked(kubeconfigs.select(kubeconfigs.read(place), context or None, base=place.parent))


def _crypter(target: Target) -> tuple[Seal | None, str]:
    """Return a function that encrypts values for the stack, and the salt to add to the stack file, if it has none.

    Raises:
        EngineError: the passphrase is not the stack's.
    """
    file = target.setting.state_folder / _PASSPHRASE
    if not (passphrase_is_named() or file.is_file()):
        return None, ""
    document = read_stack_file(target.setting.stack_file) if target.exists else {}
    if document.get("secretsprovider") not in (None, "", _PASSPHRASE):
        return None, ""
    salt = document.get("encryptionsalt")
    crypter = PassphraseCrypter(passphrase(file), salt)
    return crypter.encrypt, "" if salt else crypter.state


def _named_version(target: Target, sections: dict[str, Any]) -> str:
    """Return the version of Karmada in the stack file; empty if it has none."""
    if target.exists:
        return str(karmada_version(target.setting.stack_file, target.setting.project) or "")
    return str(sections["controlPlane"].get("version") or "")


def _shown_version(control_plane: Connection | None) -> str:
    """Return Karmada's version as found from the fields of its API; empty if the fields don't show it."""
    try:
        return str(version_of(control_plane.list(_DEFINITIONS, DEFINITION[1])) or "") if control_plane else ""
    except ClusterError:
        return ""


# -- files and output -------------------------------------------------------------------------------------------------


def _new(
    options: argparse.Namespace,
    control_plane: Connection,
    facts: Callable[[dict[str, Object]], dict[str, MemberFacts]],
    wanted: Wanted,
    project: Path,
) -> Adopted:
    """Return a new stack with the control plane and its members, without workloads and objects."""
    found = read_control_plane(control_plane)
    clusters = {str(one["metadata"]["name"]): one for one in found.clusters}
    if options.from_member not in clusters:
        raise no_such_cluster("--from-member", options.from_member, clusters)
    without_objects = replace(found, policies=(), templates=(), bindings=(), objects=())
    return adopt(without_objects, facts(clusters), wanted, project=project)


def _joined(one: Report, other: Report) -> Report:
    return Report(one.left_out + other.left_out, one.findings + other.findings, one.notes + other.notes)


def _written(
    options: argparse.Namespace,
    target: Target,
    new: Adopted | None,
    drafts: tuple[Draft, ...],
    report: Report,
    salt: str,
    output: Output,
    say: Callable[[Output, Report], None],
) -> ExitCode:
    project, stack_file = target.setting.project, target.setting.stack_file
    files = texts_of({path: objects for draft in drafts for path, objects in draft.files.items()})
    salt = salt if any(draft.secrets for draft in drafts) else ""
    if new:
        entries = [draft.entry for draft in drafts]
        whole = replace(new, sections={**new.sections, **({"workloads": entries} if entries else {})})
        text: str | None = whole.stack_text(salt=salt)
    else:
        text = text_with(read_text(stack_file), drafts, salt) if drafts else None
    for draft in drafts:
        if (there := existing(project / draft.folder)) is not None:
            raise UsageError(
                f"{there} exists already, and adopt overwrites no file; nothing was written",
                hint="choose another name with --workload, or remove the folder first",
            )
    added = bool(drafts or new) and text is not None
    if not options.dry_run:
        if new:
            write(project, stack_file, text or "", target.folder, files)
        elif drafts:
            add(project, stack_file, text, [draft.folder for draft in drafts], files)
    entry = entries_text(drafts) if drafts else ""
    salt_line = f"encryptionsalt: {salt}\n" if salt and not new else ""
    if options.json:
        output.json(
            {
                "stack": options.stack,
                "written": not options.dry_run and bool(drafts or new),
                "stackFile": str(stack_file),
                "folder": str(project / target.folder),
                "files": sorted(files),
                "added": added,
                "counts": _counts(drafts, new),
                "text": text if new and options.dry_run else f"{salt_line}{entry}",
                **report.to_json(),
            }
        )
        return ExitCode.DONE
    if options.dry_run or (drafts and not added):
        sys.stdout.write(text if new and text else f"{salt_line}{entry}")
    _say(options, target, drafts, Output(as_json=False) if not options.dry_run else output, added, new)
    say(output, report)
    return ExitCode.DONE


def _counts(drafts: tuple[Draft, ...], new: Adopted | None) -> dict[str, int]:
    return {
        "members": new.counts["members"] if new else 0,
        "workloads": len(drafts),
        "templates": sum(draft.objects for draft in drafts),
        "controlPlaneObjects": 0,
    }


def _say(
    options: argparse.Namespace,
    target: Target,
    drafts: tuple[Draft, ...],
    output: Output,
    added: bool,
    new: Adopted | None,
) -> None:
    print_ = output.progress_console.print if options.dry_run else output.console.print
    counts = _counts(drafts, new)
    what = f"{counted(counts['workloads'], 'workload')} with {counted(counts['templates'], 'object')}"
    what += f" of {options.from_member}"
    file = target.setting.stack_file
    if not drafts:
        print_(Text(f"there is nothing in {options.from_member} to add to {file}", style="bold"))
    elif options.dry_run:
        print_(Text(f"{file} would {'declare' if new else 'have'} {what}", style="bold"))
    elif added:
        print_(Text(f"{file} {'declares' if new else 'has'} {what}{'' if new else ' more'}", style="bold"))
    else:
        where = "add the entries above to its `flotilla:workloads`"
        print_(Text(f"{file} has a form that can't be edited, so it was not changed: {where} ({what})", style="bold"))
    for draft in drafts:
        print_(Text(f"  workload {draft.name}: {counted(draft.objects, 'object')} in {draft.folder}"))
