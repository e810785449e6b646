"""The division of clusters into waves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flotilla.karmada.waves.strategy import Approval, Strategy, WaveRule, count_of


@dataclass(frozen=True)
class Wave:
    """Clusters that get a change together."""

    number: int
    """The number of the wave in the stack file, counted from 1; the remaining clusters form a further wave."""
    clusters: tuple[str, ...]
    """The clusters, sorted by name."""
    batches: tuple[tuple[str, ...], ...]
    """The same clusters in groups: each group gets the change after the one before is healthy."""
    approve: tuple[Approval, ...] = ()
    rest: bool = False
    """Whether this is the further wave: the clusters that no wave of the stack file selects."""


def divide(strategy: Strategy, clusters: Mapping[str, Mapping[str, str]]) -> tuple[Wave, ...]:
    """Divide clusters into waves; waves without clusters are left out.

    A percentage takes no cluster that a later wave selects by name or labels: such a cluster has its explicit place.

    Args:
        strategy: how changes reach clusters.
        clusters: the labels of each cluster that may get a copy, by cluster.
    """
    waves: list[Wave] = []
    left = sorted(clusters)
    for number, rule in enumerate(strategy.waves, 1):
        chosen = _chosen(rule, left, clusters, strategy.waves[number:])
        left = [name for name in left if name not in chosen]
        if chosen:
            waves.append(Wave(number, tuple(chosen), _batches(rule, chosen), rule.approve))
    if left:
        waves.append(Wave(len(strategy.waves) + 1, tuple(left), (tuple(left),), rest=True))
    return tuple(waves)


def _chosen(
    rule: WaveRule, left: Sequence[str], clusters: Mapping[str, Mapping[str, str]], later: Sequence[WaveRule]
) -> list[str]:
    if rule.percent is not None:
        reached = len(clusters) - len(left)
        free = [name for name in left if not any(_has(one, name, clusters[name]) for one in later)]
        return free[: max(0, math.ceil(len(clusters) * rule.percent / 100) - reached)]
    return [name for name in left if _has(rule, name, clusters[name])]


def _has(rule: WaveRule, name: str, labels: Mapping[str, str]) -> bool:
    """Return whether a wave selects a cluster by its name or its labels."""
    if rule.clusters:
        return name in rule.clusters
    return bool(rule.labels) and all(labels.get(key) == value for key, value in rule.labels.items())


def _batches(rule: WaveRule, chosen: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    size = max(1, count_of(rule.max_concurrent, len(chosen), up=False)) if rule.max_concurrent else len(chosen)
    return tuple(tuple(chosen[first : first + size]) for first in range(0, len(chosen), size))
