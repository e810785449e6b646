"""What a simulation knows of a fleet, and what it assumes to happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flotilla.karmada.kinds import GroupKind
from flotilla.karmada.scheduling import ClusterFacts, Current, Scheduler, Taint
from flotilla.karmada.scheduling.facts import Object
from flotilla.karmada.simulation.failover import Failover
from flotilla.karmada.versions import SUPPORTED, Version


@dataclass(frozen=True)
class Placed:
    """A template, where it is to go, and where it is."""

    workload: str
    ref: str
    """The template's, as `ObjectRef` writes it."""
    template: Object = field(repr=False)
    """With its UID, where that is known."""
    placement: Object = field(repr=False)
    current: Current = field(default_factory=Current)
    groups: tuple[str, ...] = ()
    """The affinity groups that Karmada may have taken, where its binding isn't known."""
    suspended: bool = False
    """Its scheduling is suspended: it stays where it is."""
    seen: bool = True
    """`current` is its binding's; else what the stack's state says."""


@dataclass(frozen=True)
class World:
    """A fleet as it is."""

    clusters: tuple[ClusterFacts, ...]
    placed: tuple[Placed, ...]
    scheduler: Scheduler | None = None
    """None where Karmada's version isn't known."""
    failovers: tuple[Failover, ...] = (Failover(),)
    """What this Karmada does about failed clusters: more than one where that isn't known."""
    pull: frozenset[str] = frozenset()
    """Clusters in pull mode."""
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The conditions that Clusters report, by cluster and type."""
    taint_policies: tuple[Object, ...] = ()
    """ClusterTaintPolicies, oldest first."""
    interpreted: frozenset[GroupKind] = frozenset()
    """Kinds whose replicas an interpreter of the control plane says."""
    down: frozenset[str] = frozenset()
    """Clusters that aren't ready now, or not in the fleet: what is in them doesn't count as running."""

    @property
    def version(self) -> Version:
        """Karmada's version; the newest where it isn't known."""
        return self.scheduler.version if self.scheduler else SUPPORTED.newest

    @property
    def names(self) -> list[str]:
        """The clusters' names."""
        return [one.name for one in self.clusters]

    def blind(self) -> World:
        """Return the same fleet, whose free capacity nobody knows."""
        return replace(self, clusters=tuple(replace(one, capacity=None) for one in self.clusters))


@dataclass(frozen=True)
class Assumed:
    """What is assumed to happen, all of it together."""

    without: frozenset[str] = frozenset()
    """Clusters that stop answering and stay away."""
    cordoned: frozenset[str] = frozenset()
    taints: tuple[tuple[str, Taint], ...] = ()
    """Taints that are added, with the cluster."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Replicas by template: its reference, its name, or its workload's."""
    joins: tuple[ClusterFacts, ...] = ()
    """Clusters that join, and are ready."""
    scheduler: Scheduler | None = None
    """Another Karmada, with what it does about failed clusters."""
    failovers: tuple[Failover, ...] = ()

    @property
    def nothing(self) -> bool:
        """Nothing happens."""
        return self == Assumed()
