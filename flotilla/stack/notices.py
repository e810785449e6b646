"""What the user should know of the workloads before an `up`, where nothing is wrong for certain."""

from __future__ import annotations

import datetime as dt

from flotilla.karmada.cordons import CORDON
from flotilla.stack.evaluation import unevaluated
from flotilla.stack.features import doubtful_gates
from flotilla.stack.fleet import Fleet
from flotilla.stack.placement import SpreadField
from flotilla.stack.reach import passed_over
from flotilla.stack.workloads import OnRemoval, Workload

# Karmada's scheduler selects by these (pkg/scheduler/core/spreadconstraint/select_clusters.go, 1.10 to 1.18).
_SELECTED_BY = (SpreadField.CLUSTER, SpreadField.REGION)


def notices(fleet: Fleet, *, today: dt.date | None = None) -> list[str]:
    """Return what the user should know, a line each; `today` is another day than the present one."""
    found = [*fleet.staying, *_overdue(fleet, today or dt.datetime.now(dt.UTC).date())]
    for workload in fleet.workloads:
        if not fleet.gates_known:
            found += doubtful_gates(workload)
        found += _spread(workload) + _suspended(workload) + _unevaluated(workload)
        said = list(workload.given.messages) if workload.given else []
        said += passed_over(workload, fleet.placeable, fleet.karmada)
        found += [f"workload {workload.name}: {one}" for one in said]
    return found


def _overdue(fleet: Fleet, today: dt.date) -> list[str]:
    return [
        f"member {member.name}: its maintenance ({member.maintenance.text}) was to end on {member.maintenance.until}: "
        f"`flotilla uncordon {member.name}` ends it"
        for member in fleet.members
        if member.maintenance and member.maintenance.until and member.maintenance.until < today
    ]


def kept_out(fleet: Fleet) -> list[str]:
    """Return the members that placements choose and whose declared taints they don't tolerate, a line each.

    That may be meant: what runs there already stays there under NoSchedule. Plans say it for each cluster. A member
    under maintenance is meant to take nothing.
    """
    cordoned = {member.name for member in fleet.placeable if member.maintenance}
    return [
        f"workload {workload.name}: {name} has {taint}, which the placement doesn't tolerate: no new copy is scheduled "
        "there; add `tolerations`, or leave the member out"
        for workload in fleet.workloads
        for name, taint in fleet.choice(workload.placement).refused.items()
        if not (name in cordoned and taint == CORDON)
    ]


def _unevaluated(workload: Workload) -> list[str]:
    return [
        f"workload {workload.name}: {place} has an expression over the member, and is sent as it stands: add "
        "`evaluate: true` to the override"
        for place in unevaluated(workload)
    ]


def _suspended(workload: Workload) -> list[str]:
    suspend = workload.suspend
    where = "any cluster" if suspend and suspend.everywhere else ", ".join(suspend.clusters) if suspend else ""
    if not where:
        return []
    stays = "what is there stays as it is, and no run waits for it"
    found = [f"workload {workload.name}: `suspend` keeps Karmada from sending anything to {where}: {stays}"]
    if workload.on_removal is OnRemoval.KEEP:
        found.append(
            f"workload {workload.name}: `onRemoval: keep` with `suspend`: in a member that it was never sent to, "
            "Karmada doesn't finish taking it away (`up` does where the workload goes), and that member can't leave "
            "before; resume it once before the member goes, or drop `onRemoval: keep`"
        )
    return found


def _spread(workload: Workload) -> list[str]:
    return [
        f"workload {workload.name}: Karmada up to 1.18 chooses by cluster and region alone; `spread` by "
        f"{one.by.value if one.by else 'label ' + str(one.label)} "
        + ("only leaves out members without that field" if one.by else "does nothing")
        for one in workload.placement.spread
        if one.by not in _SELECTED_BY
    ]
