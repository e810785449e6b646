"""When Karmada schedules a template again (upstream: pkg/scheduler, scheduler.go and helper.go)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flotilla.karmada.scheduling.demand import Demand
from flotilla.karmada.scheduling.facts import ClusterFacts, Current, Object, Scheduler
from flotilla.karmada.scheduling.fitting import is_workload

_COMPARED = ("clusterAffinity", "clusterTolerations", "spreadConstraints", "replicaScheduling")


def schedules_again(
    placement: Object,
    demand: Demand,
    current: Current,
    clusters: Collection[ClusterFacts],
    scheduler: Scheduler,
) -> bool:
    """Return whether Karmada schedules a template again; otherwise the template keeps its clusters.

    Args:
        placement: the placement as the control plane stores it.
        demand: what the template needs.
        current: how it is scheduled now; without its placement, the answer is yes.
        clusters: every cluster.
        scheduler: the control plane's scheduler.
    """
    if current.placement is None or current.fresh or demand.interpreted:
        return True
    if _placement_changed(placement, current.placement, current.group):
        return True
    if _replicas_changed(placement, demand, current):
        return True
    scheduling = placement.get("replicaScheduling") or {}
    if scheduling.get("replicaSchedulingType", "Duplicated") == "Duplicated":
        return True
    if not (is_workload(demand, scheduler) if scheduler.since(16) else demand.count):
        return True
    return scheduler.since(14) and any(one.deleting and one.name in current.shares for one in clusters)


def _placement_changed(placement: Object, applied: Object, group: str) -> bool:
    now, before = _plain(placement), _plain(applied)
    if now == before:
        return False
    if any(now.get(key) != before.get(key) for key in _COMPARED):
        return True
    # Only the group in use counts: changes of other groups don't matter.
    term, term_before = (_term(one.get("clusterAffinities"), group) for one in (now, before))
    return not group or term is None or term_before is None or term != term_before


def _term(groups: Any, name: str) -> Any:
    return next((one for one in groups or [] if one.get("affinityName") == name), None)


def _plain(value: Any) -> Any:
    """Return a placement as Go represents it: without empty values."""
    if isinstance(value, dict):
        found = {key: _plain(entry) for key, entry in value.items()}
        return {key: entry for key, entry in found.items() if entry not in (None, "", 0)}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _replicas_changed(placement: Object, demand: Demand, current: Current) -> bool:
    scheduling = placement.get("replicaScheduling")
    if not scheduling:
        return False
    counts = [count or 0 for count in current.shares.values()]
    if scheduling.get("replicaSchedulingType") == "Divided":
        return sum(counts) != demand.count
    return any(count != demand.count for count in counts)
