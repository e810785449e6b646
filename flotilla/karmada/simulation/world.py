"""The fleet that a simulation starts from, and the events that it assumes."""

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
    """A template, its placement, and where it is."""

    workload: str
    ref: str
    """The template's reference, as `ObjectRef` writes it."""
    template: Object = field(repr=False)
    """The template, with its UID where that is known."""
    placement: Object = field(repr=False)
    current: Current = field(default_factory=Current)
    groups: tuple[str, ...] = ()
    """The affinity groups that Karmada may use, where the binding isn't known."""
    suspended: bool = False
    """Scheduling is suspended: the template stays where it is."""
    seen: bool = True
    """Whether `current` comes from its binding; otherwise it comes from the stack's state."""


@dataclass(frozen=True)
class World:
    """A fleet in its current state."""

    clusters: tuple[ClusterFacts, ...]
    placed: tuple[Placed, ...]
    scheduler: Scheduler | None = None
    """None where Karmada's version isn't known."""
    failovers: tuple[Failover, ...] = (Failover(),)
    """How this control plane handles failed clusters; several possibilities where that isn't known."""
    pull: frozenset[str] = frozenset()
    """Clusters in pull mode."""
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The conditions that Clusters report, by cluster and type."""
    taint_policies: tuple[Object, ...] = ()
    """ClusterTaintPolicies, oldest first."""
    interpreted: frozenset[GroupKind] = frozenset()
    """Kinds whose replicas an interpreter of the control plane computes."""
    down: frozenset[str] = frozenset()
    """Clusters that aren't ready now, or not in the fleet: their copies don't count as running."""

    @property
    def version(self) -> Version:
        """Karmada's version; the newest one where it isn't known."""
        return self.scheduler.version if self.scheduler else SUPPORTED.newest

    @property
    def names(self) -> list[str]:
        """The names of the clusters."""
        return [one.name for one in self.clusters]

    def blind(self) -> World:
        """Return the same fleet without its free capacity."""
        return replace(self, clusters=tuple(replace(one, capacity=None) for one in self.clusters))


@dataclass(frozen=True)
class Assumed:
    """The assumed events; they all happen together."""

    without: frozenset[str] = frozenset()
    """Clusters that stop answering, permanently."""
    cordoned: frozenset[str] = frozenset()
    taints: tuple[tuple[str, Taint], ...] = ()
    """Taints that are added, each with its cluster."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Replicas by template; the key is its reference, its name, or its workload's name."""
    joins: tuple[ClusterFacts, ...] = ()
    """Clusters that join and are ready."""
    scheduler: Scheduler | None = None
    """Another version of Karmada; `failovers` is how it handles failed clusters."""
    failovers: tuple[Failover, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing is assumed."""
        return self == Assumed()
