"""The override policies of a whole plan, before and after: the actual rules that templates get from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from flotilla.karmada.propagation import CHANGES_NOTHING
from flotilla.karmada.rendering.policies import may_reach, rules_of_all, rules_of_template
from flotilla.karmada.selection import OVERRIDES
from flotilla.kube.objects import Object
from flotilla.plan.steps import CHANGING, GOING, Op, Step
from flotilla.plan.unfinished import object_of
from flotilla.state.values import Properties, Secret, reveal

_Key = tuple[str, str, str]


class _Policy(NamedTuple):
    """A policy before and after; None where it doesn't exist."""

    sides: tuple[Object | None, Object | None]
    changes: bool


class Overriding:
    """The override policies of a plan, indexed by the objects that they name."""

    def __init__(self, steps: Iterable[Step]) -> None:
        """Index the steps of a plan, in which a replacement is one step."""
        self._named: dict[_Key, list[int]] = defaultdict(list)
        self._unnamed: list[int] = []
        self._policies: list[_Policy] = []
        for step in steps:
            if step.type.startswith("kubernetes:") and step.type.rpartition(":")[2] in OVERRIDES:
                old = None if step.op is Op.CREATE else _open(object_of(step.old))
                new = None if step.op in GOING else _open(object_of(step.new or step.old))
                self._take(_Policy((old, new), step.op in CHANGING))

    def _take(self, policy: _Policy) -> None:
        number = len(self._policies)
        self._policies.append(policy)
        for side in filter(None, policy.sides):
            selectors = reveal(side.get("spec") or {}).get("resourceSelectors") or []
            if not selectors or not all(one.get("name") for one in selectors):
                self._unnamed.append(number)
            for one in selectors:
                key = (str(one.get("apiVersion")), str(one.get("kind")), str(one.get("name")))
                self._named[key].append(number)

    def of(self, inputs: Properties, templates: Sequence[Object], side: int) -> Properties:
        """Return a Rollout's inputs with the rules of the policies, if one changes and they differ from the inputs.

        Args:
            inputs: the inputs of the Rollout.
            templates: the templates on that side.
            side: 0 for before, 1 for after.
        """
        numbers = {number for template in templates for number in self._named.get(_key(template), ())}
        found = [self._policies[number] for number in sorted({*numbers, *self._unnamed})]
        if not any(_changes(found, templates, one) for one in (0, 1)):
            return inputs
        there = [obj for policy in found if (obj := policy.sides[side]) is not None]
        if any(not isinstance(obj.get("spec"), dict) for obj in there):
            return inputs  # an engine hides the spec
        rules = rules_of_all(there, templates)
        declared = reveal(inputs.get("overrideRules") or [])
        if isinstance(declared, list) and all(_of(declared, one) == _of(reveal(rules), one) for one in templates):
            return inputs
        return {**inputs, "overrideRules": rules}


def _changes(policies: Sequence[_Policy], templates: Sequence[Object], side: int) -> bool:
    """Return whether any of the policies that apply to the templates on one side changes."""
    there = [(policy, reveal(obj)) for policy in policies if (obj := policy.sides[side]) is not None]
    listed = [obj for _, obj in there if isinstance(obj.get("spec"), dict)]
    changing = [obj for policy, obj in there if policy.changes and obj in listed]
    return any(may_reach(obj, listed, template) for obj in changing for template in templates)


def _open(policy: Object | None) -> Object | None:
    """Return a policy whose spec isn't marked as a whole; the marks of secret values inside it stay."""
    if policy is None or not isinstance(policy.get("spec"), Secret):
        return policy
    return {**policy, "spec": policy["spec"].value}


def _key(template: Object) -> _Key:
    return str(template["apiVersion"]), str(template["kind"]), str(template["metadata"]["name"])


def _of(rules: Iterable[Object], template: Object) -> list[Object]:
    """Return the rules that apply to a template and change anything."""
    return [rule for rule in rules_of_template(rules, template) if rule != CHANGES_NOTHING]
