"""The verb `adopt`: reads a fleet that exists and writes a stack file that declares it. It changes no cluster."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.text import Text

from flotilla.adopt.compose import Adopted, Wanted, adopt
from flotilla.adopt.model import MemberFacts, Report, Selection
from flotilla.adopt.reading import read_control_plane, read_member
from flotilla.adopt.writing import existing, write
from flotilla.cli.adopt_member import Target, adopt_from_member, named, no_such_cluster, selected
from flotilla.cli.adopt_object import add_object_options, adopt_objects, takes_objects
from flotilla.cli.completion import completed, member_names
from flotilla.cli.ending import UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import engine_options, stack_options
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.deploy.interface import Setting
from flotilla.deploy.stack_file import fleet_of
from flotilla.karmada.names import is_dns_label
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.stack.stack_names import is_stack_name
from flotilla.state.crypto import PassphraseCrypter, passphrase, passphrase_is_named
from flotilla.untrusted import one_line

_FOLDER = "adopted"
_AT_ONCE = 16
_TERM = re.compile(r"(?P<not>!?)(?P<key>[^!=\s]+?)(?:\s*(?P<operator>==?|!=)\s*(?P<value>[^!=\s]*))?")


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    parser = verbs.add_parser(
        "adopt",
        parents=[common, stack_options(), engine_options()],
        help=HELP["adopt"],
    )
    add_object_options(parser)
    add = parser.add_argument
    add("--karmada-kubeconfig", type=Path, metavar="FILE", help="an administrator's kubeconfig of the control plane")
    add("--context", default="", help="the context of --karmada-kubeconfig (default: the current one)")
    add(
        "--karmada-version",
        type=_version,
        metavar="VERSION",
        help="Karmada's version, such as 1.18.2 (default: read from its API)",
    )
    add(
        "--member-kubeconfig",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="the kubeconfig of a member; may be repeated; without it the stack file gets a placeholder",
    )
    add(
        "--member-context",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=CONTEXT",
        help="the context of a member's kubeconfig; may be repeated",
    )
    add("-n", "--namespace", action="append", default=[], help="read only this namespace; may be repeated")
    add(
        "--selector",
        type=_selector,
        default={},
        metavar="LABELS",
        help="read only objects with these labels: a=b,c!=d,e,!f",
    )
    add(
        "--policy",
        action="append",
        default=[],
        metavar="NAME",
        help="read only what this policy sends; may be repeated",
    )
    add("--member", action="append", default=[], metavar="NAME", help="read only this member; may be repeated")
    add("--members-from", type=_stack, metavar="STACK", help="declare no members, and use those of another stack")
    from_member = add(
        "--from-member",
        metavar="NAME",
        help="write what runs in this member without Karmada as workloads, into a new or an existing stack file; needs "
        "--namespace or --object",
    )
    completed(from_member, member_names)
    add(
        "--object",
        type=named,
        action="append",
        default=[],
        metavar="KIND/[NAMESPACE/]NAME",
        help="with --from-member: only this object and what it needs; may be repeated",
    )
    add("--workload", type=_workload, metavar="NAME", help="with --from-member: the name of the workload")
    add("--dry-run", action="store_true", help="write no file; print the stack file, or what would be added to it")
    parser.set_defaults(verb=_adopt)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name and value):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: write NAME=VALUE, with a member's name")
    return name, value


def _version(text: str) -> str:
    version = known_version(text)
    if version is None or not SUPPORTED.covers(version):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: give a version between {SUPPORTED}, such as 1.18.2")
    return text.removeprefix("v")


def _stack(text: str) -> str:
    if not is_stack_name(text):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a stack name: letters, digits, '_', '.', '-'")
    return text


def _selector(text: str) -> Object:
    """Return a LabelSelector from a selector in the form of kubectl's `-l`, without its expressions with sets."""
    expressions: list[Object] = []
    for term in text.split(","):
        found = _TERM.fullmatch(term.strip())
        if not found or (found["not"] and found["operator"]):
            raise argparse.ArgumentTypeError(f"{text[:60]!r}: write labels as `a=b,c!=d,e,!f`")
        key, value = found["key"], found["value"] or ""
        if not found["operator"]:
            expressions.append({"key": key, "operator": "DoesNotExist" if found["not"] else "Exists"})
        else:
            expressions.append(
                {"key": key, "operator": "NotIn" if found["operator"] == "!=" else "In", "values": [value]}
            )
    return {"matchExpressions": expressions}


def _workload(text: str) -> str:
    if not is_dns_label(text):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a workload's name: lower-case letters, digits, '-'")
    return text


def _adopt(options: argparse.Namespace) -> ExitCode:
    if takes_objects(options):
        return adopt_objects(options)
    output = Output(as_json=options.json)
    setting = setting_of(options)
    project, stack_file = setting.project, setting.stack_file
    folder = f"{_FOLDER}/{options.stack}"
    if options.from_member:
        return _from_member(options, setting, folder)
    for name in ("object", "workload"):
        if getattr(options, name):
            raise UsageError(f"--{name} is only for what runs in a member: give --from-member as well")
    if options.karmada_kubeconfig is None:
        raise UsageError(
            "adopt needs --karmada-kubeconfig, or an OBJECT to take over",
            hint="give an administrator's kubeconfig of the control plane, or an object such as Deployment/shop/web",
        )
    if not options.dry_run:
        _refuse_existing(stack_file, project / folder)
    document = selected(options.karmada_kubeconfig, options.context)
    output.say("reading the control plane")
    found = read_control_plane(Connection(document, name="karmada"))
    clusters = {str(one["metadata"]["name"]): one for one in found.clusters}
    facts = _facts(options, project, clusters, found.unfinished)
    crypter = _crypter(setting.state_folder / "passphrase")
    wanted = Wanted(
        folder=folder,
        kubeconfig=_named(_path(options.karmada_kubeconfig, project), options.context),
        selection=Selection(
            frozenset(options.namespace), options.selector, frozenset(options.policy), frozenset(options.member)
        ),
        version=options.karmada_version or "",
        seal=crypter.encrypt if crypter else None,
        members_from=options.members_from or "",
    )
    adopted = adopt(found, facts, wanted, project=project)
    text = adopted.stack_text(salt=crypter.state if crypter else "")
    if not options.dry_run:
        write(project, stack_file, text, folder, adopted.files)
    if options.json:
        written = {"stackFile": str(stack_file), "folder": str(project / folder), "files": sorted(adopted.files)}
        output.json(
            {
                "stack": options.stack,
                "written": not options.dry_run,
                **written,
                "counts": dict(adopted.counts),
                **({"text": text} if options.dry_run else {}),
                **adopted.report.to_json(),
            }
        )
    else:
        if options.dry_run:
            sys.stdout.write(text)
        _print(Output(as_json=False) if not options.dry_run else output, adopted, options, stack_file)
    return ExitCode.DONE


def _from_member(options: argparse.Namespace, setting: Setting, folder: str) -> ExitCode:
    project = setting.project
    if os.path.lexists(setting.stack_file):
        target, wanted = Target(setting, folder, fleet_of(setting, files=False)), None
    else:
        target = Target(setting, folder)
        if not options.dry_run:
            _refuse_existing(setting.stack_file, project / folder)
        wanted = Wanted(
            folder=folder,
            kubeconfig=_named(_path(options.karmada_kubeconfig or Path(), project), options.context),
            version=options.karmada_version or "",
            members_from=options.members_from or "",
        )

    def facts(clusters: dict[str, Object]) -> dict[str, MemberFacts]:
        return _facts(options, project, clusters)

    def say(output: Output, report: Report) -> None:
        _print_report((output.progress_console if options.dry_run else output.console).print, report.to_json())
        if not options.dry_run:
            output.console.print(
                Text(f"\nnext: flotilla validate -s {options.stack}; flotilla preview -s {options.stack}")
            )

    return adopt_from_member(options, target, facts, wanted, say)


def _refuse_existing(stack_file: Path, folder: Path) -> None:
    there = existing(stack_file, folder)
    if there is not None:
        raise UsageError(
            f"{there} exists already, and adopt overwrites no file; nothing was written",
            hint="choose another stack with -s, remove the file first, or use --dry-run",
        )


def _crypter(file: Path) -> PassphraseCrypter | None:
    """Return the crypter for the stack's secrets; None if neither the user nor the project gives a passphrase."""
    return PassphraseCrypter(passphrase(file)) if passphrase_is_named() or file.is_file() else None


def _facts(
    options: argparse.Namespace, project: Path, clusters: dict[str, Object], unfinished: frozenset[str] = frozenset()
) -> dict[str, MemberFacts]:
    files, contexts = (
        _by_member("--member-kubeconfig", options.member_kubeconfig),
        _by_member("--member-context", options.member_context),
    )
    for option, names in (
        ("--member-kubeconfig", files),
        ("--member-context", contexts),
        ("--member", dict.fromkeys(options.member, "")),
    ):
        # A member without a Cluster object may be in the middle of a join: if it has a kubeconfig, it is asked.
        asked = {name for name, file in files.items() if Path(file).expanduser().is_file()}
        if unknown := sorted(set(names) - set(clusters) - asked - unfinished):
            raise no_such_cluster(option, unknown[0], clusters)
    if missing := sorted(set(contexts) - set(files)):
        raise UsageError(f"--member-context names {missing[0]!r}, which has no --member-kubeconfig")

    def read(name: str) -> MemberFacts:
        file, context = Path(files[name]), contexts.get(name, "")
        identifier = str((clusters.get(name, {}).get("spec") or {}).get("id") or "")
        document = selected(file, context)
        facts = read_member(document, name=name, path=_path(file, project), context=context, identifier=identifier)
        if name not in clusters and name not in unfinished and not facts.joining:
            raise no_such_cluster("--member-kubeconfig", name, clusters)
        return facts

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="adopt") as pool:
        return dict(zip(files, pool.map(read, files), strict=True))


def _by_member(option: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise UsageError(f"{option} names {name!r} twice", hint="keep one of them")
    return found


def _path(file: Path, project: Path) -> str:
    """Return a file's path for the stack file: relative to the project's folder, or `~/...`, or else absolute."""
    place = Path(os.path.abspath(file.expanduser()))  # noqa: PTH100 - links stay as they are
    if place.is_relative_to(project):
        return str(place.relative_to(project))
    return f"~/{place.relative_to(Path.home())}" if place.is_relative_to(Path.home()) else str(place)


def _named(path: str, context: str) -> Any:
    return {"path": path, "context": context} if context else path


# -- output -----------------------------------------------------------------------------------------------------------


def _print(output: Output, adopted: Adopted, options: argparse.Namespace, stack_file: Path) -> None:
    say: Callable[[Any], None] = output.progress_console.print if options.dry_run else output.console.print
    counts, report = adopted.counts, adopted.report.to_json()
    parts = (
        counted(counts["members"], "member"),
        f"{counted(counts['workloads'], 'workload')} with {counted(counts['templates'], 'object')}",
        f"{counted(counts['controlPlaneObjects'], 'object')} of the control plane",
    )
    verb = "would declare" if options.dry_run else "declares"
    say(Text(f"{stack_file} {verb} {', '.join(parts)}", style="bold"))
    _print_report(say, report)
    if not options.dry_run:
        say(Text(f"\nnext: flotilla validate -s {options.stack}; flotilla preview -s {options.stack} --adopt"))


def _print_report(say: Callable[[Any], None], report: dict[str, Any]) -> None:
    for note in report["notes"]:
        say(Text(f"  {one_line(note)}"))
    if report["findings"]:
        say(Text("\nlooks wrong", style="bold"))
        for one in report["findings"]:
            say(Text(f"  ! {one_line(one['object'])}: {one_line(one['message'])} ({one['rule']})", style="yellow"))
    if report["leftOut"]:
        say(Text("\nleft out", style="bold"))
        for one in report["leftOut"]:
            say(Text(f"  - {one_line(one['object'])}: {one_line(one['reason'])}"))
