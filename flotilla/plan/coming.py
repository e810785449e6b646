"""Copies that a plan sends to clusters for the first time: the clusters may already have them, made by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from flotilla.karmada.kinds import goes_by_itself, identity
from flotilla.karmada.rendering.marks import conflict_resolution
from flotilla.karmada.status.judgements import suspends
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.copies import Copies
from flotilla.plan.followers import UNCERTAIN, Followed, Orders
from flotilla.plan.steps import Op, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import reveal

ABORT, OVERWRITE = "Abort", "Overwrite"
_ByCluster = Mapping[str, list[Object]]


@dataclass(frozen=True)
class Coming:
    """An object that Karmada will send to a cluster and, as far as the state knows, hasn't sent yet."""

    cluster: str
    workload: str
    urn: str
    """The URN of the workload."""
    item: Object = field(repr=False)
    """The object as the member gets it, with overrides and replicas applied; with its secrets."""
    resolution: str
    """What Karmada does if the cluster has the object: Abort, Overwrite, or `uncertain`; empty for a Namespace that
    goes there without a policy: the existing one stays, and nothing needs Karmada's."""


class Sending(NamedTuple):
    """The copies of all workloads, as far as they are known."""

    before: Iterable[_ByCluster]
    """The objects that clusters have of each workload, with its followers."""
    after: Mapping[str, Copies]
    """The objects that clusters will have, by workload."""
    followed: Mapping[str, Followed]
    """The followers, by workload."""
    following: Iterable[_ByCluster]
    """Copies of the followers."""


def coming_copies(rollouts: Iterable[Step], orders: Orders, sending: Sending) -> tuple[Coming, ...]:
    """Return the copies that are new to their clusters.

    This includes the copies of a workload whose last rollout did not end, or that begins to take over existing objects:
    Karmada may not have applied them.
    """
    there = {(cluster, identity(one)) for side in sending.before for cluster, ones in side.items() for one in ones}
    steps = {step.name.removesuffix("-rollout"): step for step in rollouts if step.after is not None}
    found = [
        one
        for name, copies in sending.after.items()
        if name in steps
        for one in _of_workload(name, steps[name], orders, copies)
        if _doubtful(steps[name], orders) or (one.cluster, identity(one.item)) not in there
    ]
    known = there | {(one.cluster, identity(one.item)) for one in found}
    users = {
        follower.object: (name, follower.conflict_resolution or UNCERTAIN)
        for name, one in sending.followed.items()
        for follower in one.followers
    }
    for side in sending.following:
        for cluster, items in side.items():
            for item in items:
                name, resolution = users.get(str(ref_of(item)), ("", UNCERTAIN))
                if (cluster, identity(item)) not in known and name in steps:
                    known.add((cluster, identity(item)))
                    found.append(Coming(cluster, name, _urn(steps[name]), item, resolution))
    return tuple(sorted(found, key=lambda one: (one.cluster, one.workload, str(ref_of(one.item)))))


def _of_workload(name: str, step: Step, orders: Orders, copies: Copies) -> Iterator[Coming]:
    spec = orders.get(_urn(step), ({}, {}))[1]
    suspension = (step.after.plain.get("suspension") or {}) if step.after else {}
    for cluster, items in copies.objects.items():
        if not suspends(suspension, cluster):
            yield from (Coming(cluster, name, _urn(step), item, _resolution(item, spec)) for item in items)


def _resolution(item: Object, spec: Object) -> str:
    """Return the effect of a conflict: the template's own annotation comes first; a Namespace may have no policy."""
    alone = goes_by_itself(item)
    if conflict_resolution(reveal(item), {"spec": {} if alone else spec}) == "overwrite":
        return OVERWRITE
    return "" if alone else ABORT


def _doubtful(step: Step, orders: Orders) -> bool:
    """Return whether copies that the state knows may never have been applied."""
    old: ResourceState | None = step.before
    if old is None or step.op is Op.SAME:
        return False
    was, now = orders.get(_urn(step), ({}, {}))
    overwrites = now.get("conflictResolution") == OVERWRITE != was.get("conflictResolution")
    return overwrites or reveal(old.outputs).get("settled") is False


def _urn(step: Step) -> str:
    state = step.new or step.old
    return state.parent if state else ""
