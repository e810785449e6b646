"""How a workload's changes reach its clusters: the plain form, as in the inputs of its Rollout, and as objects.

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
    """What happens if a wave doesn't pass its gate."""

    STOP = "stop"
    """Clusters of later waves keep what they run; those of this wave keep the change."""
    REVERT = "revert"
    """Clusters with the change get their former objects back."""


class Approval(StrEnum):
    """When a person has to approve a wave."""

    BEFORE = "before"
    AFTER = "after"


Count = int | str
"""A whole number, or a share such as `25%`."""


def count_of(count: Count, total: int, *, up: bool) -> int:
    """Return the number that a count stands for.

    Args:
        count: a whole number, or a share such as `25%`.
        total: the number of which it is a share.
        up: whether to round up.
    """
    if not isinstance(count, str):
        return int(count)
    share = total * int(count.removesuffix("%")) / 100
    return math.ceil(share) if up else math.floor(share)


@dataclass(frozen=True)
class WaveRule:
    """Which clusters a wave has; exactly one of the first three fields is set."""

    clusters: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    percent: int | None = None
    """The percentage of the workload's clusters that have the change after this wave."""
    max_concurrent: Count | None = None
    """The maximum number of its clusters that get the change at the same time; None for all."""
    approve: tuple[Approval, ...] = ()


@dataclass(frozen=True)
class Gate:
    """What has to be true before the next wave begins."""

    healthy_seconds: float = 0.0
    """How long every cluster has to be healthy without interruption."""
    max_unavailable: Count = 0
    """How many clusters of a wave may be unhealthy."""
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
        """Return the strategy for its plain form."""
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
