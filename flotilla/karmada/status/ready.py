"""The goal of a template, where a stack declares one (`ready` of a workload): plain data, matched and judged.

The key of a rule selects objects: `Kind`, `Kind.group`, `Kind/name` or `Kind/namespace/name`. Its value is the state
that they have to reach in every chosen cluster: `applied`, `healthy`, a condition of the object, or a JSONPath with its
expected value. If several rules select an object, the most exact one applies.

Conditions and values come from the status that Karmada collects from the members (`aggregatedStatus` of a
ResourceBinding). Karmada collects only parts of the status of some kinds: `collected` returns them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flotilla.karmada.kinds import GroupKind, kind_of
from flotilla.karmada.status.health import health_ignored
from flotilla.kube.jsonpath import JsonPath, value_text
from flotilla.kube.objects import Object

_SELECTOR = re.compile(
    r"(?P<kind>[A-Z][A-Za-z0-9]*)(?:\.(?P<group>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?))?"
    r"(?:/(?:(?P<namespace>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)/)?(?P<name>[^/\s]+))?"
)
_SHOWN = 80


class Until(StrEnum):
    """A goal without parameters."""

    APPLIED = "applied"
    """The member has applied the object; its health doesn't matter."""
    HEALTHY = "healthy"
    """Karmada reports the object healthy, however long that takes."""


@dataclass(frozen=True)
class Selector:
    """Which objects a rule selects."""

    kind: str
    group: str | None = None
    """None: a kind of this name in any group."""
    namespace: str = ""
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read `Kind`, `Kind.group`, `Kind/name` or `Kind/namespace/name`.

        Raises:
            ValueError: the text has none of these forms.
        """
        found = _SELECTOR.fullmatch(text)
        if found is None:
            raise ValueError("is not Kind, Kind.group, Kind/name or Kind/namespace/name")
        return cls(found["kind"], found["group"], found["namespace"] or "", found["name"] or "")

    def matches(self, template: Object) -> bool:
        """Return whether this selector selects an object."""
        group, kind = kind_of(template)
        meta = template["metadata"]
        return (
            kind == self.kind
            and self.group in (None, group)
            and self.name in ("", meta.get("name"))
            and self.namespace in ("", meta.get("namespace") or "")
        )

    @property
    def exactness(self) -> tuple[bool, bool, bool]:
        """The sort key of rules for the same object: the greatest one applies."""
        return bool(self.name), bool(self.namespace), self.group is not None


@dataclass(frozen=True)
class Goal:
    """The state that an object has to reach."""

    until: Until | None = None
    """None where the goal is a condition or a value."""
    condition: str = ""
    """The type of a condition of the object's status."""
    status: str = "True"
    """The expected status of the condition."""
    path: JsonPath | None = None
    """The path of a value; it begins with `.status`."""
    value: str | None = None
    """The expected value; None: any value that isn't empty."""

    @classmethod
    def of(cls, data: Any) -> Goal:
        """Return a goal from its form in a Rollout's inputs: a word, or a mapping.

        Raises:
            ValueError: the data is not a goal.
        """
        if isinstance(data, str):
            return cls(Until(data))
        if data.get("condition"):
            return cls(condition=str(data["condition"]), status=str(data.get("status") or "True"))
        value = data.get("value")
        return cls(path=JsonPath.parse(str(data["jsonPath"])), value=None if value is None else str(value))

    def __str__(self) -> str:
        if self.until:
            return self.until.value
        if self.path:
            return self.path.text + ("" if self.value is None else f" = {self.value}")
        return f"condition {self.condition}" + ("" if self.status == "True" else f" = {self.status}")

    def missing(self, status: Object) -> str:
        """Return what the collected status lacks of the expected condition or value; empty where nothing is missing."""
        return self._value({"status": status}) if self.path else self._condition(status)

    def _condition(self, status: Object) -> str:
        listed = status.get("conditions")
        found = next((c for c in listed if c.get("type") == self.condition), None) if isinstance(listed, list) else None
        if found is None:
            return f"no condition {self.condition} yet"
        if str(found.get("status")) == self.status:
            return ""
        why = ": ".join(str(part) for part in (found.get("reason"), found.get("message")) if part)
        return f"condition {self.condition} is {_short(found.get('status'))}" + (f": {_short(why)}" if why else "")

    def _value(self, obj: Object) -> str:
        path = self.path
        values = [value for value in path.values(obj) if value not in (None, "", [], {})] if path else []
        text = path.text if path else ""
        if not values:
            return f"no {text} yet"
        if self.value is None:
            return ""
        other = next((value for value in values if value_text(value) != self.value), None)
        if other is None:
            return ""
        shown = value_text(other)
        return f"{text} is {'a map or a list' if shown is None else _short(shown)}, wanted {self.value}"


ReadyRules = Mapping[str, Any]
"""The goals by selector, as plain data: `applied`, `healthy`, `{condition, status}` or `{jsonPath, value}`."""


def goal_of(rules: ReadyRules, template: Object) -> Goal | None:
    """Return the goal of a template; None where none is declared.

    A mark on the object itself (`pulumi.com/skipAwait` in its manifest) ranks below a rule that names the object, and
    above a rule for its kind.
    """
    found = [(selector, data) for text, data in rules.items() if (selector := Selector.parse(text)).matches(template)]
    exact = max(found, key=lambda one: one[0].exactness, default=None)
    if health_ignored(template) and not (exact and exact[0].name):
        return Goal(Until.APPLIED)
    return Goal.of(exact[1]) if exact else None


_COLLECTED: Mapping[GroupKind, frozenset[str]] = {
    ("apps", "Deployment"): frozenset(
        {
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "observedGeneration",
        }
    ),
    ("apps", "ReplicaSet"): frozenset({"replicas", "readyReplicas", "availableReplicas", "observedGeneration"}),
    ("apps", "StatefulSet"): frozenset(
        {"availableReplicas", "currentReplicas", "readyReplicas", "replicas", "updatedReplicas"}
    ),
    ("apps", "DaemonSet"): frozenset(
        {
            "currentNumberScheduled",
            "desiredNumberScheduled",
            "numberAvailable",
            "numberMisscheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberUnavailable",
            "observedGeneration",
        }
    ),
    ("", "Service"): frozenset({"loadBalancer"}),
    ("batch", "Job"): frozenset({"active", "succeeded", "failed", "conditions", "startTime", "completionTime"}),
    ("policy", "PodDisruptionBudget"): frozenset(
        {"disruptionsAllowed", "expectedPods", "desiredHealthy", "currentHealthy", "disruptedPods"}
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): frozenset({"currentReplicas", "desiredReplicas"}),
}
"""Kinds of whose status every supported Karmada collects only these fields; of other kinds it collects all fields.

Source: pkg/resourceinterpreter/default/native/reflectstatus.go of 1.10 and 1.18. An interpreter of the control plane
(ResourceInterpreterCustomization) may collect others.
"""


def collected(kind: GroupKind) -> frozenset[str] | None:
    """Return the fields of the status that Karmada collects of a kind; None for all fields."""
    return _COLLECTED.get(kind)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
