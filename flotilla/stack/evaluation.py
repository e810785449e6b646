"""Evaluates overrides with expressions for the members of a stack: the results are plain overrides.

Karmada's override policies have no expressions. This module turns them into rules for clusters by name. It runs before
anything is checked against the objects, declared or planned (docs/decisions/values-per-cluster.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from flotilla.counts import names_of
from flotilla.karmada.scheduling import matches
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.secrecy import HIDDEN
from flotilla.stack.expressions import OPENING, ExpressionError, Lacking, Path, Template, parse
from flotilla.stack.fleet import facts, may_run_in
from flotilla.stack.members import Member
from flotilla.stack.overrides import Override
from flotilla.stack.problems import Problem, path_of, problems_of
from flotilla.stack.specs import affinity_of, override_rule
from flotilla.stack.workloads import Workload

MOST_BYTES = 2**20
"""Limit for the evaluated rules of a workload as JSON: etcd accepts no request above 1.5 MiB. The API server adds
little: the list of rules has one entry in the managed fields."""
MOST_WORK = 2**24
"""Limit for the characters of all results, over all members of a workload; each result counts 16 characters more."""
_COST = 16
_SHOWN = 60
_NAMED = 3
_NO_VALUE = "there would be no value for it"


def evaluated(
    path: str, workload: Workload, members: Sequence[Member] | None, version: Version | None = None
) -> tuple[Workload, list[Problem]]:
    """Return a workload with its overrides evaluated, and what is wrong with their expressions.

    An override is evaluated for each member that the workload's placement may choose (in any group, whatever the
    taints) and that the override targets. Members with the same result share a rule. Rules keep the order of overrides.

    Args:
        path: the workload's place in the stack file.
        workload: the workload.
        members: every member that a placement may choose, in file order; None where some are invalid: then this
            function checks only the form of expressions.
        version: Karmada's version, which decides the meaning of `zones`; None (not known) means the newest.
    """
    if not any(override.evaluate for override in workload.overrides):
        return workload, []
    found = _Evaluation(path, [])
    chosen = None if members is None else _Chosen(workload, members, version or SUPPORTED.newest)
    for index, override in enumerate(workload.overrides):
        if not override.evaluate:
            found.plain.append((index, override))
            continue
        known = len(found.problems)
        slots = found.slots(index, override)
        if chosen is not None and len(found.problems) == known:
            found.expand(index, override, slots, chosen(override))
    if found.problems or members is None:
        return workload, found.problems
    return workload.with_evaluated(tuple(found.plain)), []


def properties(member: Member) -> dict[str, Any]:
    """Return what expressions can use of a member (`PROPERTIES` of `expressions`), without what the member lacks."""
    return {
        "name": member.name,
        **({"provider": member.provider} if member.provider else {}),
        **({"region": member.region} if member.region else {}),
        "zones": list(member.zones),
        "labels": dict(member.labels),
        "facts": dict(member.facts),
    }


def evaluates(override: Override, value: Any) -> bool:
    """Return whether a value of an override has expressions to evaluate."""
    return override.evaluate and any(OPENING in text for _, text in _texts(value, ()))


def unevaluated(workload: Workload) -> list[str]:
    """Return the places of overrides without `evaluate` whose values look like an expression; they aren't evaluated."""
    return [
        path_of(f"overrides[{index}]", place)
        for index, override in enumerate(workload.overrides)
        if not override.evaluate
        for place, text in _texts(_raw(override), ())
        if f"{OPENING}member." in text
    ]


class _Chosen:
    """The members in which a workload may run, from which overrides choose."""

    def __init__(self, workload: Workload, members: Sequence[Member], version: Version) -> None:
        clusters = ((member, facts(member)) for member in members)
        self._version = version
        self._members = [(m, c) for m, c in clusters if may_run_in(c, workload.placement, version)]

    def __call__(self, override: Override) -> list[Member]:
        affinity = affinity_of(override.affinity)
        return [member for member, cluster in self._members if matches(cluster, affinity, self._version)]


@dataclass(frozen=True)
class _Slot:
    """A value of an override that has expressions."""

    place: Path
    template: Template
    typed: bool


@dataclass
class _Evaluation:
    """The evaluation of a workload's overrides, with the results so far."""

    path: str
    plain: list[tuple[int, Override]]
    problems: list[Problem] = field(default_factory=list)
    work: int = 0
    size: int = 0

    def slots(self, index: int, override: Override) -> list[_Slot]:
        """Return the values of an override that have expressions; a malformed expression becomes a problem."""
        found: list[_Slot] = []
        known = len(self.problems)
        path = f"{self.path}.overrides[{index}]"
        texts = list(_texts(_raw(override), ()))
        for place, text in texts:
            if OPENING not in text:
                continue
            typed = _typed(place)
            shown = "" if typed else _quoted(text)
            if typed is None:
                self._refuse(
                    path, place, "has `${`, but this value is never evaluated", "write the value itself", shown
                )
                continue
            try:
                template = parse(text)
            except ExpressionError as error:
                self._refuse(path, place, error.rule, error.remedy, _quoted(error.expression) or shown)
                continue
            if template:
                found.append(_Slot(place, template, typed))
        if not found and known == len(self.problems) and not any(text == HIDDEN for _, text in texts):
            self.problems.append(
                Problem(
                    f"{path}.evaluate",
                    "there is no expression in the override",
                    "every member would get the same",
                    "write one, such as ${member.region}, or drop `evaluate`",
                    "true",
                )
            )
        return found

    def expand(self, index: int, override: Override, slots: list[_Slot], members: list[Member]) -> None:
        """Add an override for each different result of the expressions, for the members that have the result."""
        path = f"{self.path}.overrides[{index}]"
        groups: dict[str, tuple[list[Any], list[str]]] = {}
        failures: dict[tuple[Path, str, str], tuple[ExpressionError, list[str]]] = {}
        for member in members:
            known, values = properties(member), []
            for slot in slots:
                try:
                    values.append(slot.template.value(known, typed=slot.typed))
                except ExpressionError as error:
                    key = (slot.place, type(error).__name__, error.expression)
                    failures.setdefault(key, (error, []))[1].append(member.name)
            result = json.dumps(values)
            self.work += len(result) + _COST * len(slots)
            if self.work > MOST_WORK:
                self._too_much(f"have values of more than {MOST_WORK} characters for all members together")
                return
            groups.setdefault(result, (values, []))[1].append(member.name)
        for (place, _, _), (failure, names) in failures.items():
            self._refuse(path, place, _of_members(failure, names), failure.remedy, _quoted(failure.expression))
        if not failures:
            self._add(index, override, slots, list(groups.values()))

    def _add(
        self, index: int, override: Override, slots: list[_Slot], groups: list[tuple[list[Any], list[str]]]
    ) -> None:
        path = f"{self.path}.overrides[{index}]"
        for values, names in groups:
            raw = {**_filled(_raw(override), slots, values), "clusters": names}
            del raw["evaluate"]
            raw.pop("target", None)
            try:
                plain = Override.model_validate_json(json.dumps(raw))
            except ValidationError as invalid:
                wrong = problems_of(invalid, raw, prefix=path, model=Override)
                self.problems += [replace(one, rule=f"for {names_of(names, _NAMED)}: {one.rule}") for one in wrong]
                continue
            self.size += len(json.dumps(override_rule(plain, container="")).encode())
            if self.size > MOST_BYTES:
                self._too_much(f"come to more than {MOST_BYTES} bytes")
                return
            self.plain.append((index, plain))

    def _refuse(self, path: str, place: Path, rule: str, remedy: str, shown: str) -> None:
        self.problems.append(Problem(path_of(path, place), rule, _NO_VALUE, remedy, shown))

    def _too_much(self, rule: str) -> None:
        self.problems.append(
            Problem(
                f"{self.path}.overrides",
                f"{rule} after evaluation",
                "Karmada's API server would refuse the policy",
                "give more members the same values, or split the workload",
            )
        )


def _raw(override: Override) -> dict[str, Any]:
    """Return an override in the form of the stack file."""
    return override.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _texts(value: Any, place: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list):
        for step, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(entry, (*place, step))


def _typed(place: Path) -> bool | None:
    """Return whether an expression that is the whole value keeps its type; None where values aren't evaluated."""
    match place:
        case ("patches", _, "value", *_) | ("fields", _, "patches", _, "value", *_):
            return True
        case ("image", "registry" | "repository" | "tag") | ("image", "append", _):
            return False
        case ("command" | "args" | "removeCommand" | "removeArgs", _):
            return False
        case ("labels" | "replaceLabels" | "annotations" | "replaceAnnotations", _):
            return False
    return None


def _filled(raw: dict[str, Any], slots: list[_Slot], values: list[Any]) -> dict[str, Any]:
    for slot, value in zip(slots, values, strict=True):
        *steps, last = slot.place
        within: Any = raw
        for step in steps:
            within = within[step]
        within[last] = deepcopy(value)
    return raw


def _of_members(error: ExpressionError, names: list[str]) -> str:
    if isinstance(error, Lacking):
        return f"{names_of(names, _NAMED)} {'lacks' if len(names) == 1 else 'lack'} {error.expression[2:-1]}"
    return f"{error.rule} ({names_of(names, _NAMED)})"


def _quoted(text: str) -> str:
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return json.dumps(shown, ensure_ascii=False) if text else ""
