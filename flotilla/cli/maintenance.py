"""The verbs `cordon`, `drain` and `uncordon`: change a member's `maintenance` in the stack file, and apply the change.

The plan is made from the changed text before the stack file is written. If the user says no, or the plan is refused,
the file is unchanged.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flotilla.cli.completion import completed, member_names
from flotilla.cli.ending import UsageError
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.fleet import Manner, carry_out, preview_verb
from flotilla.cli.output import Output
from flotilla.cli.setting import load_fleet, setting_of
from flotilla.cli.stack_options import engine_options, preview_options, showing_options, stack_options, sure_options
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.deploy.access import control_plane_of
from flotilla.deploy.rebalance import rebalance
from flotilla.errors import FlotillaError
from flotilla.files import temporary_copy, write_whole
from flotilla.karmada.cordons import is_cordoned
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.objects import ObjectRef
from flotilla.kube.reading import read_text
from flotilla.plan.fleet import FleetPlan
from flotilla.stack.editing import with_maintenance
from flotilla.stack.fleet import Fleet
from flotilla.stack.maintenance import LONGEST_REASON, Duplicated, Maintenance, MaintenanceMode
from flotilla.stack.members import Member
from flotilla.stack.problems import ConfigError

_VERBS = ("cordon", "drain", "uncordon")


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verbs to the command's parser."""
    parents = [
        common,
        stack_options(),
        engine_options(),
        showing_options(),
        preview_options(),
        sure_options(),
    ]
    for verb in _VERBS:
        parser = verbs.add_parser(verb, parents=parents, help=HELP[verb])
        completed(parser.add_argument("member", metavar="MEMBER", help="the member's name"), member_names)
        parser.add_argument(
            "--plan", metavar="DIGEST", help="apply exactly the plan with this digest, without a question"
        )
        parser.set_defaults(
            verb=_uncordon if verb == "uncordon" else _begin,
            mode=verb,
            target=[],
            refresh=False,
            expect_no_changes=False,
        )
        if verb == "uncordon":
            parser.add_argument(
                "--rebalance",
                action="store_true",
                help="also make Karmada divide the replicas again (with a WorkloadRebalancer)",
            )
            continue
        parser.add_argument("--reason", type=_reason, default="", help="the reason; plans and views show it")
        parser.add_argument(
            "--until", type=_day, metavar="YYYY-MM-DD", help="the last day; plans warn when it has passed"
        )
        if verb == "drain":
            parser.add_argument(
                "--remove-duplicated",
                action="store_true",
                help="also remove the copies of workloads that run in every cluster of their placement",
            )


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not a day: write YYYY-MM-DD") from None


def _reason(text: str) -> str:
    if not text.isprintable() or len(text) > LONGEST_REASON:
        most = counted(LONGEST_REASON, "character")
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r}: plans show it in one line: give at most {most}, all of them printable"
        )
    return text.strip()


def _begin(options: argparse.Namespace) -> ExitCode:
    fleet = load_fleet(options)
    member = _member(options, fleet)
    asked = _asked(options, member)
    if member.maintenance == asked:
        return _nothing(options, f"{member.name} has this maintenance in the stack file already ({asked.text})")
    value = {"mode": asked.mode.value}
    value |= {"reason": asked.reason} if asked.reason else {}
    value |= {"until": asked.until.isoformat()} if asked.until else {}
    value |= {"duplicated": asked.duplicated.value} if asked.duplicated is Duplicated.REMOVE else {}
    return _carry_out(options, member, value)


def _asked(options: argparse.Namespace, member: Member) -> Maintenance:
    """Return the maintenance that the options ask for. Within the same mode, options that are not given stay as is."""
    mode, present = MaintenanceMode(options.mode), member.maintenance
    same = present if present and present.mode is mode else None
    removing = getattr(options, "remove_duplicated", False) or bool(same and same.duplicated is Duplicated.REMOVE)
    return Maintenance(
        mode=mode,
        reason=options.reason or (same.reason if same else ""),
        until=options.until or (same.until if same else None),
        duplicated=Duplicated.REMOVE if removing else Duplicated.KEEP,
    )


def _uncordon(options: argparse.Namespace) -> ExitCode:
    member = _member(options, load_fleet(options))
    if member.maintenance is None:
        text = f"{member.name} is not under maintenance in the stack file"
        if _is_cordoned(options, member.name):
            text += f"; its Cluster was cordoned outside the stack file: `karmadactl uncordon {member.name}` ends that"
        return _nothing(options, text)
    plans: list[FleetPlan] = []
    code = _carry_out(options, member, None, plans.append)
    away = [name for plan in plans for one in plan.maintenance if one.member == member.name for name in one.away]
    if options.rebalance and away:
        output = Output(as_json=options.json)
        setting = setting_of(options, output)
        for line in rebalance(setting, options.engine, member.name, away):
            output.say(line)
    return code


def _member(options: argparse.Namespace, fleet: Fleet) -> Member:
    for member in fleet.members:
        if member.name == options.member:
            return member
    if any(member.name == options.member for member in fleet.placeable):
        raise UsageError(
            f"{options.member} is a member of stack {fleet.members_from}; nothing was changed",
            hint=f"flotilla {options.mode} {options.member} -s {fleet.members_from}",
        )
    listed = ", ".join(sorted(member.name for member in fleet.members)) or "none"
    raise UsageError(
        f"stack {options.stack} has no member {options.member[:60]!r}; nothing was changed", hint=f"it has {listed}"
    )


def _nothing(options: argparse.Namespace, text: str) -> ExitCode:
    output = Output(as_json=options.json)
    if options.json:
        output.json({"stack": options.stack, "member": options.member, "done": False, "note": text})
    else:
        output.console.print(f"{text}; nothing was changed", markup=False)
    return ExitCode.DONE


def _is_cordoned(options: argparse.Namespace, name: str) -> bool:
    """Return whether a member's Cluster is cordoned; False if the control plane can't be asked."""
    try:
        connection = control_plane_of(setting_of(options), options.engine)
        cluster = connection.find(ObjectRef(CLUSTER_API, "Cluster", name))
    except FlotillaError:
        return False
    return cluster is not None and is_cordoned(cluster)


def _carry_out(
    options: argparse.Namespace,
    member: Member,
    value: dict[str, str] | None,
    planned: Callable[[FleetPlan], None] = lambda _: None,
) -> ExitCode:
    """Show the plan of the changed stack file; then write the file and apply the plan.

    Args:
        options: the command's.
        member: the member whose maintenance changes.
        value: the new value of its `maintenance`; None removes the key.
        planned: is called with the plan before it is applied.

    Raises:
        UsageError: Flotilla can't change the file's text, or somebody else changed it in the meantime.
        ConfigError: the stack would not be valid.
        CommandError: the errors of `up`.
    """
    file = setting_of(options).stack_file
    before = read_text(file)
    text = with_maintenance(before, member.name, value)
    if text is None:
        raise UsageError(
            f"{file.name} is written in a form in which Flotilla can't set `maintenance` of {member.name}; nothing was "
            "changed",
            hint="edit the file yourself (docs/reference/stack-file.md), then run `flotilla up`",
        )

    def begin(plan: FleetPlan) -> None:
        if read_text(file) != before:
            raise UsageError(f"{file.name} was changed just now; nothing was done", hint="run the command again")
        write_whole(file, text, mode=file.stat().st_mode & 0o777)
        options.config_file = None
        planned(plan)

    options.command = _command(options)
    with temporary_copy(file, text) as changed:
        options.config_file = changed
        try:
            return preview_verb(options) if options.preview_only else carry_out(options, Manner(begin=begin))
        except ConfigError as error:
            raise ConfigError(error.problems, origin=f"{_shown(file)} with this change") from None
        finally:
            options.config_file = None


def _shown(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _command(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the verb with its arguments as they were given, for the command that confirms a plan."""
    given = [options.mode, options.member]
    given += ["--reason", options.reason] if getattr(options, "reason", "") else []
    given += ["--until", options.until.isoformat()] if getattr(options, "until", None) else []
    given += ["--remove-duplicated"] if getattr(options, "remove_duplicated", False) else []
    given += ["--rebalance"] if getattr(options, "rebalance", False) else []
    return tuple(given)
