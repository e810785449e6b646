"""What a Work has to contain to match the declaration, as far as that is known.

A rollout doesn't know the control plane's own interpreters, and it may not know Karmada's version. Where a number
depends on these, every number that some supported Karmada may write counts as declared.
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
    """What the Works of one template have to contain, by cluster."""

    def __init__(
        self, declared: Object, rules: Sequence[Object], placement: Object, version: Version | None = None
    ) -> None:
        """Store what is declared: the template, its override rules and its placement.

        Args:
            declared: the template.
            rules: its override rules.
            placement: its placement.
            version: Karmada's version; None where it isn't known: overrides are then rendered as by the newest version.
        """
        self._declared = declared
        self._rules = rules
        self._divided = divides(placement)
        self._known = version
        self._version = version or SUPPORTED.newest
        self._completions: dict[str, list[int]] = {}
        self._interpreted = False

    def scheduled(self, targets: Targets, *, uid: str | None, replicas: int | None) -> Expectation:
        """Store Karmada's decision: the binding's clusters and replicas, and the template's UID.

        If a binding has replicas although its kind has none here, they come from an interpreter. Such an interpreter
        may change any whole number in the spec.
        """
        if self._divided:
            self._completions = possible_completions(self._declared, targets, uid=uid, version=self._known)
        kind = (self._declared.get("apiVersion"), self._declared["kind"])
        self._interpreted = bool(replicas) and kind != _POD and replicas_field(self._declared, self._version) is None
        return self

    def of(self, cluster: ClusterFacts, replicas: int | None, sent: Object | None) -> Object:
        """Return what a cluster's Work has to contain.

        Args:
            cluster: the facts of the cluster.
            replicas: its share of the replicas.
            sent: what its Work contains now; None where it has none.

        Raises:
            OverrideError: Karmada fails on an override, and sends nothing.
        """
        field = replicas_field(self._declared, self._version)
        whole = (self._declared.get("spec") or {}).get(field) if field else None
        if self._keeps_template_replicas(((sent or {}).get("spec") or {}).get(field) if field else None, whole):
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

    def _keeps_template_replicas(self, sent: Any, whole: Any) -> bool:
        """Return whether a copy keeps the template's replicas: before 1.15 it does, where they aren't divided."""
        if self._divided or whole is None:
            return False
        return sent == whole if self._known is None else not revises(divided=False, version=self._known)


def _with_numbers(wanted: Any, sent: Any) -> Any:
    """Return a value with its whole numbers replaced by those that were sent."""
    if isinstance(wanted, dict) and isinstance(sent, dict):
        return {key: _with_numbers(value, sent.get(key)) for key, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(sent, list) and len(wanted) == len(sent):
        return [_with_numbers(one, other) for one, other in zip(wanted, sent, strict=True)]
    return sent if _is_whole(wanted) and _is_whole(sent) else wanted


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
