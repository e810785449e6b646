"""The blast radius of a plan: copies added, changed and removed, clusters touched, pods restarted.

It is computed from the plan alone. A copy is what one workload runs in one cluster. What only Karmada knows is a range
of a minimum and a maximum.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.counts import counted, range_text
from flotilla.plan.members import ClusterPlan
from flotilla.plan.workloads import WorkloadPlan

_CONTROL_PLANE = "karmada"
_UNKNOWN = "?"
Range = tuple[int, int]
"""Minimum and maximum."""


@dataclass(frozen=True)
class WorkloadRadius:
    """What a plan does to the copies of one workload; fields with clusters have their names."""

    name: str
    declared: bool = True
    """The stack still has the workload after the plan."""
    before: tuple[str, ...] = ()
    """Clusters in which it runs before."""
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Clusters in which its copy changes and loses nothing."""
    removed: tuple[str, ...] = ()
    """Clusters in which its copy is deleted."""
    reduced: tuple[str, ...] = ()
    """Clusters in which its copy stays, but is scaled to 0 or loses objects that run pods, keep data or own others."""
    kept: tuple[str, ...] = ()
    """Clusters in which its objects stay and Karmada stops managing them (`onRemoval: keep`)."""
    may_add: tuple[str, ...] = ()
    """Clusters for which only Karmada knows whether a copy is added."""
    may_remove: tuple[str, ...] = ()
    """Clusters for which only Karmada knows whether the copy stays."""
    drained: tuple[str, ...] = ()
    """Drained members, by name in the stack file, that it leaves while it keeps running elsewhere."""

    @property
    def unasked(self) -> tuple[str, ...]:
        """The clusters in which its copy is removed or reduced, without drained members."""
        return tuple(name for name in self.lost if name not in self.drained)

    @property
    def lost(self) -> tuple[str, ...]:
        """The clusters in which its copy is removed or reduced."""
        return tuple(sorted({*self.removed, *self.reduced}))


@dataclass(frozen=True)
class BlastRadius:
    """The blast radius of a plan."""

    workloads: tuple[WorkloadRadius, ...] = ()
    """The workloads with copies, before or after."""
    clusters: tuple[str, ...] = ()
    """The clusters in which anything changes, including the host cluster but not the control plane."""
    joining: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()
    """Members that are in the fleet before and after."""
    restarted: Range = (0, 0)
    """Pods that restart."""
    uncounted: int = 0
    """The number of objects that restart pods but don't declare how many, counted per cluster."""
    unread: tuple[str, ...] = ()
    """Workloads that change but aren't counted: hidden by the engine, or without copies that the plan could compute."""

    def total(self, what: str) -> int:
        """Return the number of copies of a kind: `added`, `changed`, `removed`, `reduced`, `kept`, ...."""
        return sum(len(getattr(one, what)) for one in self.workloads)

    def to_json(self) -> dict[str, Any]:
        """Return the blast radius in its JSON form."""
        kinds = ("added", "changed", "reduced", "removed", "kept")
        return {
            "copies": {
                **{kind: self.total(kind) for kind in kinds},
                "mayBeAdded": self.total("may_add"),
                "mayBeRemoved": self.total("may_remove"),
            },
            "clusters": list(self.clusters),
            "members": {"join": list(self.joining), "leave": list(self.leaving)},
            "podsRestarted": {"least": self.restarted[0], "most": self.restarted[1], "uncounted": self.uncounted},
            **({"notCounted": list(self.unread)} if self.unread else {}),
        }

    @property
    def text(self) -> str:
        """The blast radius in one line; empty if no cluster and no copy is touched, as far as that is known."""
        copies = [
            _counted(self.total("added"), self.total("may_add"), "added"),
            _counted(self.total("changed"), 0, "changed"),
            _counted(self.total("reduced"), 0, "reduced"),
            _counted(self.total("removed"), self.total("may_remove"), "removed"),
            _counted(self.total("kept"), 0, "let go of"),
        ]
        said = [text for text in copies if text]
        parts = [f"copies: {', '.join(said)}"] if said else []
        if self.leaving:
            parts.append(f"{counted(len(self.leaving), 'member')} of {len(self.leaving) + len(self.staying)} leaving")
        if self.clusters:
            parts.append(f"{counted(len(self.clusters), 'cluster')} touched")
        pods = self._pods()
        unread = f"not counted: {', '.join(self.unread)}" if self.unread else ""
        return "; ".join([*parts, *filter(None, (pods, unread))])

    def _pods(self) -> str:
        least, most = self.restarted
        if not most and not self.uncounted:
            return ""
        count = f"{_amount(least, most, 'pod')} restarted" if most else ""
        more = (
            f"those of {counted(self.uncounted, 'copy', 'copies')} that set their own number" if self.uncounted else ""
        )
        return f"{count}, and {more}" if count and more else count or f"pods restarted: {more}"


def blast_radius(
    workloads: Iterable[WorkloadPlan],
    members: Iterable[ClusterPlan],
    objects: Mapping[str, Mapping[str, int]],
    drained: Collection[str] = (),
) -> BlastRadius:
    """Return the blast radius of a plan.

    Args:
        workloads: the workloads' plans.
        members: the members' plans.
        objects: by cluster, how many objects the plan itself changes there.
        drained: members that are drained.
    """
    listed, joined = list(workloads), list(members)
    touched = {name for name, counts in objects.items() if any(counts.values())} - {_CONTROL_PLANE, _UNKNOWN}
    touched |= {member.name for member in joined if member.verb != "stays"}
    touched |= {copy.cluster for one in listed for copy in one.copies if copy.verb != "stays"}
    touched |= {name for one in listed for f in one.follows for name, verb in f.clusters.items() if verb in _MOVING}
    effects = [copy.effect for one in listed for copy in one.copies]
    radii = [_of(one, drained) for one in listed]
    return BlastRadius(
        tuple(one for one in radii if one.before or one.added or one.may_add),
        tuple(sorted(touched)),
        _named(joined, "joins"),
        _named(joined, "leaves"),
        tuple(sorted({*_named(joined, "stays"), *_named(joined, "changes"), *_named(joined, "adopted")})),
        (sum(one.restarted[0] for one in effects), sum(one.restarted[1] for one in effects)),
        sum(one.uncounted for one in effects),
        _sorted(one.name for one in listed if one.problem or _hidden(one)),
    )


def _hidden(plan: WorkloadPlan) -> bool:
    """Return whether a workload changes although its copies aren't shown."""
    return plan.verb != "stays" and not (plan.copies or plan.undecided or plan.unplaced or plan.unscheduled)


_MOVING = ("new", "gone")


def _of(plan: WorkloadPlan, drained: Collection[str]) -> WorkloadRadius:
    by = {copy.cluster: copy for copy in plan.copies}
    reduced = {
        name for name, copy in by.items() if copy.verb == "changes" and (copy.effect.lost or copy.effect.stopped)
    }
    open_ = {name for one in plan.undecided for name, (least, _) in one.candidates.items() if not least}
    stay = {name for name, copy in by.items() if copy.verb in ("changes", "stays")}
    elsewhere = (stay | {name for name, copy in by.items() if copy.verb == "new"}) - reduced - set(drained)
    return WorkloadRadius(
        plan.name,
        plan.declared,
        before=_sorted(name for name, copy in by.items() if copy.verb != "new"),
        added=_sorted(name for name, copy in by.items() if copy.verb == "new" and name not in open_),
        changed=_sorted(name for name, copy in by.items() if copy.verb == "changes" and name not in reduced),
        removed=_sorted(name for name, copy in by.items() if copy.verb == "gone" and not copy.kept),
        reduced=_sorted(reduced),
        kept=_sorted(name for name, copy in by.items() if copy.verb == "gone" and copy.kept),
        may_add=_sorted(open_ - stay - {name for name, copy in by.items() if copy.verb == "gone"}),
        may_remove=_sorted((open_ & stay) - reduced),
        drained=_sorted(set(drained) & set(by)) if elsewhere else (),
    )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _named(members: Iterable[ClusterPlan], verb: str) -> tuple[str, ...]:
    return _sorted(member.name for member in members if member.verb == verb)


def _amount(least: int, most: int, noun: str = "") -> str:
    if least == most:
        return counted(most, noun) if noun else str(most)
    if not least:
        return f"up to {counted(most, noun) if noun else most}"
    return range_text(least, most, noun)


def _counted(certain: int, maybe: int, verb: str) -> str:
    """Return a part of the line: `3 removed`, `3 to 5 removed`, `up to 2 removed`; empty for none."""
    return f"{_amount(certain, certain + maybe)} {verb}" if certain + maybe else ""
