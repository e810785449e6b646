"""Evaluates rules on a plan; the results are verdicts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from flotilla.policy.model import Guard, Principle, Resource, Rule, StackView, Undecidable
from flotilla.stack.policies import Exemption, Level, PolicySettings
from flotilla.stack.problems import ConfigError, Problem


class Status(StrEnum):
    """The result of a rule for a resource."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    EXEMPT = "exempt"
    UNDECIDED = "undecided"
    """The rule needs a value that is known only after an `up`."""


@dataclass(frozen=True)
class Verdict:
    """The verdict of one rule on one resource."""

    rule: Principle
    level: Level
    resource: str
    status: Status
    message: str = ""

    @property
    def refuses(self) -> bool:
        """Whether the verdict refuses the plan."""
        return self.status is Status.FAIL and self.level is Level.MANDATORY

    @property
    def confirmable(self) -> bool:
        """Whether a person who gives the plan's digest may carry the plan out anyway."""
        return isinstance(self.rule, Guard)

    def stops(self, *, confirmed: bool) -> bool:
        """Return whether it refuses the plan; `confirmed`: the plan's digest was given, so guards are only advice."""
        return self.refuses and not (confirmed and self.confirmable)

    @property
    def sentence(self) -> str:
        """The verdict in one line, with its remedy."""
        return f"{self.rule.name}: {self.resource}: {self.message}; {self.rule.remedy}"

    def to_json(self) -> dict[str, Any]:
        """Return the verdict in its JSON form."""
        body = {
            "rule": self.rule.name,
            "level": str(self.level),
            "resource": self.resource,
            "status": str(self.status),
            "message": self.message,
        }
        more = {"confirmable": True} if self.confirmable else {}
        return {**body, "reason": self.rule.reason, "remedy": self.rule.remedy, **more}


def level_of(rule: Rule, view: StackView) -> Level:
    """Return a rule's level in a stack: the stack's setting; by default mandatory in production, else advisory."""
    given = view.settings.levels.get(rule.name)
    if given is not None:
        return given
    return Level.MANDATORY if rule.always or view.production else Level.ADVISORY


def check_settings(rules: Iterable[Principle], settings: PolicySettings, *, origin: str) -> None:
    """Refuse settings that name an unknown rule: such a typing error would otherwise have no effect, silently.

    Raises:
        ConfigError: the settings are invalid; the error has all problems.
    """
    known = {rule.name for rule in rules}
    named = [(f"policies.levels.{name}", name) for name in settings.levels]
    named += [(f"policies.exemptions[{i}].rule", one.rule) for i, one in enumerate(settings.exemptions)]
    problems = [
        Problem(
            path,
            "is not a rule of this pack",
            "it would have no effect",
            f"rules: {', '.join(sorted(known))}",
            f'"{name}"',
        )
        for path, name in named
        if name not in known
    ]
    if problems:
        raise ConfigError(problems, origin=origin)


def evaluate(rules: Iterable[Rule], view: StackView, *, today: dt.date | None = None) -> list[Verdict]:
    """Evaluate every rule on each of its resources; a rule that doesn't apply has no verdict.

    Args:
        rules: the rules of the pack.
        view: the plan.
        today: a day to use instead of the present one, for exemptions that expire.
    """
    day = today or dt.datetime.now(dt.UTC).date()
    verdicts = []
    for rule in rules:
        level = level_of(rule, view)
        if level is Level.DISABLED or (rule.production_only and not view.production):
            continue
        try:
            subjects = sorted(rule.subjects(view), key=lambda resource: resource.name)
        except Undecidable as unknown:
            verdicts.append(Verdict(rule, level, "stack", Status.UNDECIDED, _not_known(unknown)))
            continue
        for resource in subjects:
            verdicts += _judge(rule, level, resource, view, day)
    return verdicts


def _judge(rule: Rule, level: Level, resource: Resource, view: StackView, day: dt.date) -> list[Verdict]:
    try:
        messages = list(rule.judge(resource, view))
    except Undecidable as unknown:
        return [Verdict(rule, level, resource.name, Status.UNDECIDED, _not_known(unknown))]
    return verdicts_on(rule, level, resource.name, messages, view.settings, day)


def verdicts_on(
    rule: Principle, level: Level, resource: str, messages: list[str], settings: PolicySettings, day: dt.date
) -> list[Verdict]:
    """Return the verdicts for a rule's messages on a resource, with the exemptions that are valid on a day."""
    if not messages:
        return [Verdict(rule, level, resource, Status.PASS)]
    exemption = exemption_for(rule, resource, settings)
    if exemption and day <= exemption.expires:
        text = f"{'; '.join(messages)} (exempt until {exemption.expires}: {exemption.reason})"
        return [Verdict(rule, level, resource, Status.EXEMPT, text)]
    expired = f" (its exemption ended on {exemption.expires})" if exemption else ""
    return [Verdict(rule, level, resource, Status.FAIL, message + expired) for message in messages]


def exemption_for(rule: Principle, resource: str, settings: PolicySettings) -> Exemption | None:
    """Return the exemption that is valid longest."""
    fitting = [one for one in settings.exemptions if one.rule == rule.name and fnmatchcase(resource, one.resource)]
    return max(fitting, key=lambda one: one.expires, default=None)


def _not_known(unknown: Undecidable) -> str:
    return f"{unknown} is not known before an `up`"
