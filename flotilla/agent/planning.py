"""A change before it is made: its plan, what policies say of it, and the digest that stands for exactly this plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property

from flotilla.agent.edits import Back, Move, Scale, edited
from flotilla.agent.tool import Refused
from flotilla.agent.workplace import Workplace
from flotilla.counts import counted
from flotilla.deploy.going_back import NoWayBack
from flotilla.deploy.in_members import previewed
from flotilla.deploy.interface import Setting
from flotilla.deploy.policies import judge
from flotilla.deploy.rollback import earlier
from flotilla.deploy.stack_file import fleet_of
from flotilla.files import temporary_copy
from flotilla.karmada.status.judgements import REMEDY
from flotilla.kube import yaml
from flotilla.plan.fleet import FleetPlan, fleet_plan
from flotilla.plan.steps import Result
from flotilla.policy.evaluate import Status, Verdict
from flotilla.stack.problems import ConfigError


@dataclass(frozen=True)
class Planned:
    """A plan."""

    result: Result
    verdicts: list[Verdict]
    text: str
    """The stack file, with the change in it."""
    read: FleetPlan | None = None
    """The plan in the fleet's words, where it was read already: with what members have of it."""
    allow_guarded: bool = False
    """What guards refuse may be done by its digest."""
    verb: str = "up"
    """The verb by which a person does the same."""

    @property
    def digest(self) -> str:
        """What stands for exactly this plan: the engine's digest over all checked inputs of every step."""
        return self.result.digest

    @cached_property
    def plan(self) -> FleetPlan:
        """The plan in the fleet's words."""
        return self.read or fleet_plan(self.result)

    @property
    def refusals(self) -> list[str]:
        """What speaks against the plan: the plan itself, and what policies refuse, each with its remedy."""
        return [*self._against(), *(v.sentence for v in self.verdicts if v.stops(confirmed=self.allow_guarded))]

    @property
    def needs_a_person(self) -> bool:
        """Tell whether only guards refuse the plan, so that a person may confirm it by its digest."""
        refusing = [v for v in self.verdicts if v.refuses]
        return not self._against() and bool(self.refusals) and all(v.confirmable for v in refusing)

    def _against(self) -> list[str]:
        """Return what speaks against the plan whatever policies say."""
        left = (f"{why}: {REMEDY}, and that is a person's decision" for _, why in sorted(self.result.stopped.items()))
        return [*self.plan.refusals, *self._there(), *left]

    def _there(self) -> list[str]:
        """Say that objects exist already: whether they become the stack's is a person's decision."""
        there = self.result.there
        if not there:
            return []
        first = f"{there[0].object} in {there[0].cluster}"
        counts = f"{counted(len(there), 'object')} that the stack would create exist already, the first is {first}"
        return [f"{counts}: a person decides with `flotilla up --adopt`"]

    @property
    def advice(self) -> list[str]:
        """What policies advise against."""
        failed = [v for v in self.verdicts if v.status is Status.FAIL]
        return [v.sentence for v in failed if not v.stops(confirmed=self.allow_guarded)]


def planned(workplace: Workplace, edit: Move | Scale | Back | None, *, applying: bool = False) -> Planned:
    """Preview a stack as it is declared, or as it would be after a change of its file; nothing is changed.

    Args:
        workplace: the stack's.
        edit: the change.
        applying: the plan is to be carried out now.

    Raises:
        Refused: the changed file is not valid, there is no way back, or the preview fails.
    """
    text = proposed(workplace, edit)
    with shown_stack(workplace, text, edit) as setting:
        try:
            fleet = fleet_of(setting)
        except ConfigError as error:
            listed = "; ".join(str(problem) for problem in error.problems)
            raise Refused(f"the stack file would not be valid, so nothing was changed: {listed}") from None
        result = workplace.open(setting).preview()
        if result.failures:
            raise failing(result)
        plan = previewed(result, setting, version=fleet.control_plane.version)
        if result.failures:
            raise failing(result)
        verdicts = judge(result, setting.project, setting.stack_file, plan, applying=applying)
    verb = "rollback" if isinstance(edit, Back) else "up"
    return Planned(result, verdicts, text, plan, workplace.allow_guarded, verb)


def failing(result: Result) -> Refused:
    """Return the refusal of what needs a preview that has failed."""
    return Refused(f"the preview fails: {'; '.join(result.failures)}", hint="nothing was changed")


def meaning(text: str) -> str:
    """Return what a stack file says, however it is laid out.

    Pulumi's CLI lays it out anew when it first sees a stack, and adds the salt of its secrets: no change of a plan.
    """
    document = yaml.load(text) or {}
    return json.dumps({key: value for key, value in document.items() if key != "encryptionsalt"}, sort_keys=True)


def proposed(workplace: Workplace, edit: Move | Scale | Back | None) -> str:
    """Return the stack file's text as it is now, with a change in it.

    Raises:
        Refused: the file has no such workload, or one that can't be changed so.
    """
    file = workplace.setting().stack_file
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError):
        raise Refused(f"the stack file {file.name} can't be read", hint="a person has to look at it") from None
    return edited(text, edit) if isinstance(edit, Move | Scale) else text


@contextmanager
def shown_stack(workplace: Workplace, text: str, edit: Move | Scale | Back | None) -> Iterator[Setting]:
    """Give the stack to plan and to run: as it is, with a changed copy of its file, or as an earlier update had it.

    Raises:
        Refused: there is no way back.
    """
    if isinstance(edit, Back):
        try:
            with earlier(workplace.setting(), workplace.engine, edit.to) as found:
                yield found.setting
        except NoWayBack as error:
            raise Refused(error.message, hint=error.hint) from None
        return
    with nullcontext() if edit is None else temporary_copy(workplace.setting().stack_file, text) as changed:
        yield workplace.setting(changed)
