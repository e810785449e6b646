"""What a Work has to hold to be as declared: what is certain of it, and of the rest what the Work says.

A control plane's own interpreters aren't known to a rollout, and Karmada's version may not be: where they decide, any
number that some Karmada writes is as declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import Targets, possible_completions, revises
from flotilla.karmada.scheduling import ClusterFacts, divides, replicas_field
from flotilla.karmada.versions import SUPPORTED, Version

Object = dict[str, Any]
_POD = ("v1", "Pod")


class Expectation:
    """What the Works of one template have to hold, cluster by cluster."""

    def __init__(
        self, declared: Object, rules: Sequence[Object], placement: Object, version: Version | None = None
    ) -> None:
        """Take what is declared: the template, its override rules and its placement.

        Args:
            declared: the template.
            rules: its override rules.
            placement: its placement.
            version: Karmada's; None where it isn't known: overrides are rendered as by the newest then.
        """
        self._declared = declared
        self._rules = rules
        self._divided = divides(placement)
        self._known = version
        self._version = version or SUPPORTED.newest
        self._completions: dict[str, list[int]] = {}
        self._interpreted = False

    def scheduled(self, targets: Targets, *, uid: str | None, replicas: int | None) -> Expectation:
        """Note what Karmada has decided: the binding's clusters and replicas, and the template's UID.

        Replicas of a kind that has none for us come from an interpreter, which may revise any whole number of its spec.
        """
        if self._divided:
            self._completions = possible_completions(self._declared, targets, uid=uid, version=self._known)
        kind = (self._declared.get("apiVersion"), self._declared["kind"])
        self._interpreted = bool(replicas) and kind != _POD and replicas_field(self._declared, self._version) is None
        return self

    def of(self, cluster: ClusterFacts, replicas: int | None, sent: Object | None) -> Object:
        """Return what a cluster's Work has to hold.

        Args:
            cluster: its facts.
            replicas: its share.
            sent: what its Work holds now; None where there is none.

        Raises:
            OverrideError: Karmada fails on an override, and sends nothing.
        """
        field = replicas_field(self._declared, self._version)
        whole = (self._declared.get("spec") or {}).get(field) if field else None
        if self._keeps_the_templates(((sent or {}).get("spec") or {}).get(field) if field else None, whole):
            replicas = whole
        possible = self._completions.get(cluster.name) or []
        now = ((sent or {}).get("spec") or {}).get("completions") if possible else None
        share = now if now in possible else next(iter(possible), None)
        wanted = render(
            self._declared, cluster, replicas=replicas, rules=self._rules, completions=share, version=self._version
        )
        if self._interpreted and sent and isinstance(wanted.get("spec"), dict):
            return {**wanted, "spec": _with_numbers(wanted["spec"], sent.get("spec"))}
        return wanted

    def _keeps_the_templates(self, sent: Any, whole: Any) -> bool:
        """Return whether a copy keeps the template's number: before 1.15 one that isn't divided does."""
        if self._divided or whole is None:
            return False
        return sent == whole if self._known is None else not revises(divided=False, version=self._known)


def _with_numbers(wanted: Any, sent: Any) -> Any:
    """Return a value with the whole numbers that were sent."""
    if isinstance(wanted, dict) and isinstance(sent, dict):
        return {key: _with_numbers(value, sent.get(key)) for key, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(sent, list) and len(wanted) == len(sent):
        return [_with_numbers(one, other) for one, other in zip(wanted, sent, strict=True)]
    return sent if _is_whole(wanted) and _is_whole(sent) else wanted


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
