"""How a workload's changes reach its clusters, as its Rollout has it: plain data, and the same as objects.

The plain form, which is an input of the resources `Hold` and `Rollout`:

    waves: [{clusters: [NAME], labels: {KEY: VALUE}, percent: 1-100, maxConcurrent: COUNT, approve: [before, after]}]
    gate: {healthySeconds: 60, maxUnavailable: COUNT, checks: [CHECK]}
    onFailure: stop | revert

COUNT is a whole number, or a text such as `25%` of a wave's clusters. Each wave has one of `clusters`, `labels` and
`percent`. CHECK is one of {command: [WORD], timeoutSeconds: 60}, {prometheus: URL, query: TEXT} and
{condition: TYPE, status: "True", of: Kind/name}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class OnFailure(StrEnum):
    """What follows a wave that doesn't pass its gate."""

    STOP = "stop"
    """Clusters of later waves keep what they run, those of this one keep the change."""
    REVERT = "revert"
    """Clusters that have got the change get back what they ran before."""


class Approval(StrEnum):
    """When a person has to approve of a wave."""

    BEFORE = "before"
    AFTER = "after"


Count = int | str
"""A whole number, or a share such as `25%`."""


def count_of(count: Count, total: int, *, up: bool) -> int:
    """Return how many of `total` a count means.

    Args:
        count: a whole number, or a share such as `25%`.
        total: of how many.
        up: a share of a cluster counts as one.
    """
    if not isinstance(count, str):
        return int(count)
    share = total * int(count.removesuffix("%")) / 100
    return math.ceil(share) if up else math.floor(share)


@dataclass(frozen=True)
class WaveRule:
    """Which clusters a wave has; exactly one of the first three says it."""

    clusters: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    percent: int | None = None
    """How many percent of the workload's clusters have the change after this wave."""
    max_concurrent: Count | None = None
    """How many of its clusters get the change at the same time; None for all."""
    approve: tuple[Approval, ...] = ()


@dataclass(frozen=True)
class Gate:
    """What has to be true before the next wave begins."""

    healthy_seconds: float = 0.0
    """How long every cluster has to be healthy without a break."""
    max_unavailable: Count = 0
    """How many clusters of a wave may not be healthy."""
    checks: tuple[Mapping[str, Any], ...] = ()
    """Further checks, in their plain form."""


@dataclass(frozen=True)
class Strategy:
    """How changes reach the clusters of a workload."""

    waves: tuple[WaveRule, ...]
    gate: Gate = Gate()
    on_failure: OnFailure = OnFailure.STOP

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Strategy:
        """Return what the plain form says."""
        gate = plain.get("gate") or {}
        return cls(
            tuple(
                WaveRule(
                    tuple(wave.get("clusters") or ()),
                    dict(wave.get("labels") or {}),
                    wave.get("percent"),
                    wave.get("maxConcurrent"),
                    tuple(Approval(one) for one in wave.get("approve") or ()),
                )
                for wave in plain["waves"]
            ),
            Gate(
                float(gate.get("healthySeconds") or 0),
                gate.get("maxUnavailable") or 0,
                tuple(gate.get("checks") or ()),
            ),
            OnFailure(plain.get("onFailure") or OnFailure.STOP),
        )
