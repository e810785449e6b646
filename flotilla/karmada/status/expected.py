"""Whether Karmada has scheduled a template as planned: the clusters of its binding against those of the placement.

Karmada reports success for any schedule that it makes, even if it leaves out a cluster. The functions here are pure:
they work on objects that were read before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.counts import counted
from flotilla.karmada.scheduling import (
    ClusterFacts,
    Current,
    Scheduler,
    Shares,
    allows,
    choose,
    decide,
    demand_of,
    divides,
    first_of,
    replicas_of,
)
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, condition

_ABSENT = "chosen by the placement, not scheduled there"
_UNMATCHED = ": its Cluster doesn't match the placement"
_REMEDY = "Karmada doesn't divide again by itself: change the replicas or the placement, or apply a WorkloadRebalancer"


@dataclass(frozen=True)
class Fleet:
    """The Clusters of a control plane, as they were read."""

    facts: dict[str, ClusterFacts]
    """The facts by cluster, without Clusters that are being deleted."""
    unready: dict[str, str] = field(default_factory=dict)
    """Why Karmada can't use a Cluster now, by cluster; Clusters that are being deleted are included."""


@dataclass(frozen=True)
class Mismatch:
    """The differences between a schedule and the plan."""

    waiting: dict[str, str] = field(default_factory=dict)
    """The reason, by cluster, for clusters that didn't get the template or not their share of replicas."""
    unanswered: dict[str, str] = field(default_factory=dict)
    """The reason, by cluster, for clusters that didn't get the template because they don't answer."""
    refused: dict[str, str] = field(default_factory=dict)
    """The taint that excludes the workload, by cluster. This is as planned."""


def unready_reason(cluster: Object) -> str:
    """Return why Karmada can't use a Cluster now; empty where it can."""
    if cluster["metadata"].get("deletionTimestamp"):
        return "its Cluster is being deleted"
    ready = condition(cluster, "Ready") or {}
    if ready.get("status") == "True":
        return ""
    return f"its Cluster is not Ready: {ready.get('message') or ready.get('reason') or 'it has no status yet'}"


def compare(
    template: Object,
    targets: Mapping[str, int | None],
    placement: Object,
    members: Mapping[str, Mapping[str, Any]],
    fleet: Fleet,
    *,
    group: str = "",
    redivided: bool = False,
    version: Version | None = None,
) -> Mismatch:
    """Compare a schedule with the plan.

    Args:
        template: the declared template.
        targets: the binding's clusters, with their replicas.
        placement: the declared placement.
        members: the clusters that the stack's placement chooses; `unanswered` is the reason why a cluster doesn't
            answer.
        fleet: the Clusters.
        group: the affinity group that Karmada uses, where the placement has groups.
        redivided: whether Karmada has divided the replicas again for this declaration. Otherwise it may rightly have
            kept an earlier division, and any division with the right sum is accepted.
        version: Karmada's version; None where it isn't known: clusters are then chosen as by the newest version, and
            any division that a supported version makes is as planned.
    """
    scheduler = Scheduler.of(version)
    replicas = replicas_of(template, scheduler.version)
    if replicas == 0 and not targets:
        return Mismatch()  # copies without replicas go everywhere or nowhere, by Karmada's version
    choice = choose(list(fleet.facts.values()), placement, before=set(targets), group=group, scheduler=scheduler)
    chosen = [facts.name for facts in choice.chosen]
    shared = replicas is not None and replicas > 0 and divides(placement)
    wanted = _division(template, targets, placement, fleet, group, version) if shared and redivided else None
    found = Mismatch()
    for name, member in members.items():
        if placement.get("clusterAffinities") and name not in {*chosen, *choice.refused, *targets}:
            continue  # a cluster of a group that Karmada doesn't use
        silent = fleet.unready.get(name) or str(member.get("unanswered") or "")
        taint = choice.refused.get(name)
        if taint and not (silent and taint.of_condition):
            found.refused[name] = str(taint)
        elif name not in targets and silent:
            found.unanswered[name] = silent
        elif name not in targets and name not in fleet.facts:
            found.waiting[name] = "is chosen by the placement, and there is no Cluster of this name"
        else:
            reason = (
                _share(name, targets, chosen, wanted) if shared else _copy(name, targets, chosen, replicas, placement)
            )
            if reason:
                found.waiting[name] = reason
    total = sum(count or 0 for count in targets.values())
    if shared and total != replicas and not found.unanswered:
        text = f"{total} of {counted(replicas or 0, 'replica')} are scheduled"
        found.waiting.update({name: text for name in targets if name not in found.waiting})
    return found


def _copy(
    name: str, targets: Mapping[str, int | None], chosen: list[str], replicas: int | None, placement: Object
) -> str:
    """Return what is wrong with a cluster's copy where replicas aren't divided; empty where nothing is."""
    if name in targets:
        if replicas is None or (targets[name] or 0) == replicas:
            return ""  # replicas of a kind that has none here come from an interpreter of the control plane
        return f"has {counted(targets[name] or 0, 'replica')}, planned {replicas}"
    if _may_be_fewer(placement):
        return ""
    return _ABSENT + ("" if name in chosen else _UNMATCHED)


def _may_be_fewer(placement: Object) -> bool:
    """Return whether fewer clusters than those that match may be enough."""
    return bool(placement.get("spreadConstraints"))


def _division(
    template: Object, targets: Shares, placement: Object, fleet: Fleet, group: str, version: Version | None
) -> Shares | None:
    """Return the planned division, if it is certain and differs from the actual one; else None."""
    if _may_be_fewer(placement):
        return None
    found = [
        decide(
            list(fleet.facts.values()),
            placement,
            demand_of(template, scheduler),
            current=Current(targets, group),
            scheduler=scheduler,
        )
        for scheduler in (Scheduler(one) for one in ([version] if version else [SUPPORTED.newest, SUPPORTED.oldest]))
    ]
    return None if any(allows(one, targets) for one in found) else first_of(found[0])


def _share(name: str, targets: Mapping[str, int | None], chosen: list[str], wanted: Shares | None) -> str:
    """Return how a cluster's share differs from the planned one; empty where it doesn't, or the plan isn't certain."""
    if wanted is None or wanted.get(name, 0) == (targets.get(name) or 0):
        return ""
    if name in targets:
        return f"has {counted(targets[name] or 0, 'replica')}, planned {wanted.get(name, 0)}"
    if name not in chosen:
        return _ABSENT + _UNMATCHED
    return f"{_ABSENT} (planned {counted(wanted[name] or 0, 'replica')}). {_REMEDY}"
