"""Notices about workloads that the user should read before an `up`, although nothing is certainly wrong."""

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
    """Return the notices, a line each; `today` replaces the present day."""
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
        f"member {member.name}: its maintenance ({member.maintenance.text}) should have ended on "
        f"{member.maintenance.until}: `flotilla uncordon {member.name}` ends it"
        for member in fleet.members
        if member.maintenance and member.maintenance.until and member.maintenance.until < today
    ]


def kept_out(fleet: Fleet) -> list[str]:
    """Return a line for each member that a placement chooses, but whose declared taint it doesn't tolerate.

    This can be intended: copies that already run there stay under NoSchedule. Plans report it for each cluster. Members
    under maintenance are left out: they are meant to get nothing.
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
        f"workload {workload.name}: {place} has an expression over the member, and is sent unevaluated: add "
        "`evaluate: true` to the override"
        for place in unevaluated(workload)
    ]


def _suspended(workload: Workload) -> list[str]:
    suspend = workload.suspend
    where = "any cluster" if suspend and suspend.everywhere else ", ".join(suspend.clusters) if suspend else ""
    if not where:
        return []
    stays = "copies that are there stay as they are, and no run waits for them"
    found = [f"workload {workload.name}: `suspend` keeps Karmada from sending anything to {where}: {stays}"]
    if workload.on_removal is OnRemoval.KEEP:
        found.append(
            f"workload {workload.name}: `onRemoval: keep` with `suspend`: in a member to which it was never sent, "
            "Karmada doesn't finish the removal (`up` does when it removes the workload), and the member can't leave "
            "before that; resume the workload once before the member leaves, or remove `onRemoval: keep`"
        )
    return found


def _spread(workload: Workload) -> list[str]:
    return [
        f"workload {workload.name}: Karmada up to 1.18 chooses by cluster and region only; `spread` by "
        f"{one.by.value if one.by else 'label ' + str(one.label)} "
        + ("only excludes members without that field" if one.by else "has no effect")
        for one in workload.placement.spread
        if one.by not in _SELECTED_BY
    ]
