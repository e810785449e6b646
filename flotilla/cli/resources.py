"""The verbs `get`, `events` and `logs`: objects, events and logs of all members, each with its cluster."""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import asdict
from functools import partial
from typing import Any

from rich.console import Console
from rich.text import Text

from flotilla.cli.access import access_options, cluster_options, open_access
from flotilla.cli.completion import completed, workload_names
from flotilla.cli.documents import complain, write_document
from flotilla.cli.ending import UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.stack_options import seconds, whole_number
from flotilla.cli.tables import age, print_table
from flotilla.cli.verbs import HELP
from flotilla.cli.views import show, view_options
from flotilla.counts import counted
from flotilla.errors import ClusterError, FlotillaError
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.operations import Scope
from flotilla.observe.access import FleetAccess
from flotilla.observe.across import Answers, ask_members, chosen
from flotilla.observe.events import FleetEvent, events
from flotilla.observe.logs import LogOptions, LogSource, follow_log, read_log, sources
from flotilla.observe.members import members_of
from flotilla.observe.resources import Rows, objects, rows
from flotilla.untrusted import one_line

_DEFAULT_KIND = "deployment"


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    members = argparse.ArgumentParser(add_help=False)
    members.add_argument(
        "--timeout",
        type=seconds,
        default=15.0,
        metavar="SECONDS",
        help="seconds to wait for all members together (default 15)",
    )
    parents = [common, *access_options(), cluster_options(), members]

    get = verbs.add_parser("get", parents=[*parents, view_options()], help=HELP["get"])
    get.add_argument("kind", help="the kind, as kubectl takes it: pods, deploy, cronjobs.batch")
    completed(get.add_argument("name", nargs="?", default="", help="list only objects of this name"), workload_names)
    get.add_argument("-n", "--namespace", default="", help="list only this namespace (default: all)")
    get.add_argument("-l", "--labels", default="", metavar="SELECTOR", help="list only objects with these labels")
    get.set_defaults(verb=_get)

    events_verb = verbs.add_parser("events", parents=[*parents, view_options()], help=HELP["events"])
    events_verb.add_argument(
        "name", nargs="?", default="", help="list only events about objects whose name starts with this"
    )
    events_verb.add_argument("-n", "--namespace", default="", help="list only this namespace (default: all)")
    events_verb.add_argument("--warnings", action="store_true", help="leave out normal events")
    events_verb.add_argument(
        "--last",
        type=whole_number(0, 1_000_000),
        default=50,
        metavar="N",
        help="list the newest N events; 0 for all (default 50)",
    )
    events_verb.set_defaults(verb=_events)

    logs = verbs.add_parser("logs", parents=parents, help=HELP["logs"])
    completed(
        logs.add_argument(
            "workload", help="the name of a Deployment, such as nginx, or a kind and a name: pod/nginx-0"
        ),
        workload_names,
    )
    logs.add_argument("-n", "--namespace", default="default", help="the namespace (default: default)")
    logs.add_argument("-c", "--container", default="", help="print only this container")
    logs.add_argument("-f", "--follow", action="store_true", help="print new lines until Ctrl-C")
    logs.add_argument(
        "--tail",
        type=whole_number(-1, 10_000_000),
        default=20,
        metavar="N",
        help="print the last N lines of each container; -1 for all (default 20)",
    )
    logs.add_argument(
        "--since",
        type=whole_number(1, 10_000_000),
        metavar="SECONDS",
        help="print only lines that are not older than this",
    )
    logs.add_argument("--previous", action="store_true", help="print the log of the container before its last restart")
    logs.set_defaults(verb=_logs)


def _names(options: argparse.Namespace, access: FleetAccess) -> list[str]:
    """Return the members to ask. If Karmada does not answer, these are the members whose credentials the stack has."""
    try:
        members = members_of(access.control_plane, labels=options.cluster_labels)
    except ClusterError as error:
        if not access.known or options.cluster_labels:
            raise
        complain(f"{error.message}; asking the members that the stack knows", kind="warning")
        return access.matching(options.cluster)
    return [member.name for member in chosen(members, options.cluster)]


def _warn_of_unknown(answers: Answers[Any]) -> None:
    for name, reason in answers.unknown.items():
        complain(f"{name} is not shown: {reason}", kind="warning")


def _refuse_no_answer(answers: Answers[Any]) -> None:
    """Raise an error if no member answered: an empty table would mean that there are no objects."""
    if answers.unknown and not answers.found:
        first = next(iter(answers.unknown.values()))
        raise FlotillaError(f"none of {counted(len(answers.unknown), 'member')} answered: {first}")


# -- get ------------------------------------------------------------------------------------------


def _get(options: argparse.Namespace) -> ExitCode:
    access = open_access(options)
    scope = Scope(options.namespace, options.labels)
    if options.json or options.yaml:
        return show(options, partial(_look, options, access, objects, scope), _objects_document, _no_paint)
    return show(options, partial(_look, options, access, rows, scope), dict, partial(_paint_rows, options))


def _look(options: argparse.Namespace, access: FleetAccess, how: Any, scope: Scope) -> Answers[Any]:
    answers: Answers[Any] = ask_members(
        access,
        _names(options, access),
        lambda member: how(member, options.kind, scope, options.name),
        seconds=options.timeout,
    )
    _refuse_no_answer(answers)
    _warn_of_unknown(answers)
    return answers


def _objects_document(answers: Answers[list[Object]]) -> dict[str, Any]:
    items = [{"cluster": name, "object": item} for name, found in answers.found.items() for item in found]
    return {"items": items, "unknown": answers.unknown}


def _no_paint(console: Console, seen: object) -> None:
    """Print nothing: with --json and --yaml, `show` writes a document instead."""


def _paint_rows(options: argparse.Namespace, console: Console, answers: Answers[Rows]) -> None:
    headings = list(dict.fromkeys(column for found in answers.found.values() for column in found.columns))
    lines = []
    for name, found in answers.found.items():
        for cells in found.cells:
            values = dict(zip(found.columns, cells, strict=True))
            lines.append((name, *(values.get(heading, "") for heading in headings)))
        if found.cut:
            complain(f"{name} has more objects than are shown; narrow the search with -n, -l or a name", kind="warning")
    if not lines:
        sys.stderr.write(f"no {options.kind} in {counted(len(answers.found), 'cluster')}\n")
        return
    print_table(console, ("CLUSTER", *(heading.upper() for heading in headings)), lines, everything=options.all)


# -- events ---------------------------------------------------------------------------------------


def _events(options: argparse.Namespace) -> ExitCode:
    access = open_access(options)

    def look() -> tuple[list[FleetEvent], dict[str, str]]:
        ask = partial(events, namespace=options.namespace, warnings=options.warnings, about=options.name)
        answers = ask_members(access, _names(options, access), ask, seconds=options.timeout)
        _refuse_no_answer(answers)
        _warn_of_unknown(answers)
        found = sorted((one for seen_there in answers.found.values() for one in seen_there), key=lambda one: one.time)
        return found[-options.last :] if options.last > 0 else found, answers.unknown

    def document(seen: tuple[list[FleetEvent], dict[str, str]]) -> dict[str, Any]:
        return {"events": [asdict(one) for one in seen[0]], "unknown": seen[1]}

    def paint(console: Console, seen: tuple[list[FleetEvent], dict[str, str]]) -> None:
        headings = ("LAST SEEN", "CLUSTER", "TYPE", "NAMESPACE", "OBJECT", "REASON", "MESSAGE")
        lines = [
            (age(e.time), e.cluster, _event_type(e), e.namespace, e.object, e.reason, _counted(e)) for e in seen[0]
        ]
        print_table(console, headings, lines, everything=True)

    return show(options, look, document, paint)


def _event_type(event: FleetEvent) -> Text:
    return Text(event.type, style="yellow" if event.type == "Warning" else "")


def _counted(event: FleetEvent) -> str:
    return f"{event.message} (x{event.count})" if event.count > 1 else event.message


# -- logs -----------------------------------------------------------------------------------------


def _logs(options: argparse.Namespace) -> ExitCode:
    if options.follow and options.json:
        raise UsageError(
            "--follow never ends, so its output can't be one JSON document", hint="leave out --follow or --json"
        )
    access = open_access(options)
    wish = LogOptions(options.tail, options.container, options.since, options.previous, options.follow)
    kind, _, name = options.workload.rpartition("/")

    def find(member: Any) -> list[LogSource]:
        resource = member.named(kind or _DEFAULT_KIND)
        ref = ObjectRef(resource.api_version, resource.kind, name, options.namespace)
        return sources(member, ref, wish)

    answers = ask_members(access, _names(options, access), find, seconds=options.timeout)
    _refuse_no_answer(answers)
    _warn_of_unknown(answers)
    found = [(cluster, source) for cluster, in_member in answers.found.items() for source in in_member]
    if not found:
        raise FlotillaError(
            f"no pods of {options.workload} in namespace {options.namespace} of "
            f"{counted(len(answers.found), 'cluster')}",
            hint="`flotilla workloads` shows what runs where",
        )
    if options.follow:
        return _follow(access, found, wish)
    return _print_logs(options, access, found, wish, answers.unknown)


def _print_logs(
    options: argparse.Namespace,
    access: FleetAccess,
    found: list[tuple[str, LogSource]],
    wish: LogOptions,
    unknown: dict[str, str],
) -> ExitCode:
    failed = 0
    entries = []
    silent = dict(unknown)
    for cluster, source in found:
        if cluster in silent:  # it stopped answering: each further request would only wait for the timeout again
            failed += 1
            continue
        try:
            text = read_log(access.member(cluster), source, wish)
        except ClusterError as error:
            failed += 1
            if error.whole_cluster:
                silent[cluster] = error.message
            complain(error.message, kind="warning")
            continue
        lines = text.splitlines()
        entries.append({"cluster": cluster, "pod": source.pod, "container": source.container, "lines": lines})
        if not options.json:
            sys.stdout.writelines(f"{_prefix(cluster, source)}{one_line(line)}\n" for line in lines)
    if options.json:
        write_document({"logs": entries, "unknown": silent})
    return ExitCode.FAILED if failed == len(found) else ExitCode.DONE


def _follow(access: FleetAccess, found: list[tuple[str, LogSource]], wish: LogOptions) -> ExitCode:
    """Print the new lines of all containers as they arrive; a lock keeps each line whole."""
    lock = threading.Lock()

    def pump(cluster: str, source: LogSource) -> None:
        try:
            for line in follow_log(access.member(cluster), source, wish):
                with lock:
                    sys.stdout.write(f"{_prefix(cluster, source)}{one_line(line)}\n")
                    sys.stdout.flush()
        except ClusterError as error:
            complain(error.message, kind="warning")

    threads = [threading.Thread(target=pump, args=one, daemon=True) for one in found]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        pass
    return ExitCode.DONE


def _prefix(cluster: str, source: LogSource) -> str:
    return f"{cluster} {source.pod}/{source.container} | "
