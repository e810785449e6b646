"""Plans a change without making it: the plan, the verdicts of policies on it, and the digest that identifies it."""

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
    """A plan with its verdicts."""

    result: Result
    verdicts: list[Verdict]
    text: str
    """The text of the stack file with the change."""
    fleet_plan: FleetPlan | None = None
    """What the plan means for the fleet, with the objects that members have already; None if not computed yet."""
    allow_guarded: bool = False
    """A plan that guards refuse may be applied by its digest."""
    verb: str = "up"
    """The verb with which a person applies the same plan."""

    @property
    def digest(self) -> str:
        """The engine's digest of the checked inputs of all steps, which identifies exactly this plan."""
        return self.result.digest

    @cached_property
    def plan(self) -> FleetPlan:
        """What the plan means for the fleet."""
        return self.fleet_plan or fleet_plan(self.result)

    @property
    def refusals(self) -> list[str]:
        """The reasons against the plan: its own and those of policies, each with its remedy."""
        return [*self._own_refusals(), *(v.sentence for v in self.verdicts if v.stops(confirmed=self.allow_guarded))]

    @property
    def needs_a_person(self) -> bool:
        """Whether only guards refuse the plan, so that a person may confirm it by its digest."""
        refusing = [v for v in self.verdicts if v.refuses]
        return not self._own_refusals() and bool(self.refusals) and all(v.confirmable for v in refusing)

    def _own_refusals(self) -> list[str]:
        """Return the reasons against the plan that don't come from policies."""
        left = (f"{why}: {REMEDY}, and that is a person's decision" for _, why in sorted(self.result.stopped.items()))
        return [*self.plan.refusals, *self._existing(), *left]

    def _existing(self) -> list[str]:
        """Return a refusal if objects exist already: a person decides whether the stack takes them over."""
        there = self.result.there
        if not there:
            return []
        first = f"{there[0].object} in {there[0].cluster}"
        counts = f"{counted(len(there), 'object')} that the stack would create exist already, the first is {first}"
        return [f"{counts}: a person decides with `flotilla up --adopt`"]

    @property
    def advice(self) -> list[str]:
        """The texts of policies that advise against the plan but don't stop it."""
        failed = [v for v in self.verdicts if v.status is Status.FAIL]
        return [v.sentence for v in failed if not v.stops(confirmed=self.allow_guarded)]


def planned(workplace: Workplace, edit: Move | Scale | Back | None, *, applying: bool = False) -> Planned:
    """Return the plan of a stack as it is declared, or with a change. Nothing is changed.

    Args:
        workplace: the workplace of the stack.
        edit: the change; None for the stack file as it is.
        applying: the plan is applied after this.

    Raises:
        Refused: the changed file is not valid, a rollback is not possible, or the preview fails.
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
    """Return the error for a preview that has failed."""
    return Refused(f"the preview fails: {'; '.join(result.failures)}", hint="nothing was changed")


def meaning(text: str) -> str:
    """Return the content of a stack file, independent of its layout.

    Pulumi's CLI formats the file again when it first sees a stack, and adds the salt of its secrets. Neither changes a
    plan.
    """
    document = yaml.load(text) or {}
    return json.dumps({key: value for key, value in document.items() if key != "encryptionsalt"}, sort_keys=True)


def proposed(workplace: Workplace, edit: Move | Scale | Back | None) -> str:
    """Return the current text of the stack file, with a change in it.

    Raises:
        Refused: the file has no such workload, or the workload can't be changed in this way.
    """
    file = workplace.setting().stack_file
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError):
        raise Refused(f"the stack file {file.name} can't be read", hint="a person has to look at it") from None
    return edited(text, edit) if isinstance(edit, Move | Scale) else text


@contextmanager
def shown_stack(workplace: Workplace, text: str, edit: Move | Scale | Back | None) -> Iterator[Setting]:
    """Yield the setting to plan and to run: the stack as it is, with a changed stack file, or of an earlier update.

    Raises:
        Refused: a rollback is not possible.
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
