"""Copies of objects that no policy selects and that follow the templates of a workload with user-written policies."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla.karmada.dependencies import refers_to
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.copies import Surroundings, copy_of
from flotilla.plan.rollouts import followers_in, templates_in
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import reveal

ByCluster = Mapping[str, list[Object]]
"""By cluster, its objects."""


def followed_copies(state: ResourceState | None, copies: ByCluster, around: Surroundings) -> dict[str, list[Object]]:
    """Return the objects that follow a workload's templates into the clusters that have copies of these.

    Args:
        state: the workload's Rollout.
        copies: the certain copies of its templates in clusters.
        around: what else is known, for the same side of the plan.
    """
    inputs = reveal(state.inputs) if state is not None else {}
    found: dict[str, list[Object]] = {}
    for follower in followers_in(inputs):
        users = {ref_of(one) for one in templates_in(inputs) if refers_to(one, follower, around.version)}
        for cluster, items in copies.items():
            if users.isdisjoint(map(ref_of, items)):
                continue
            copy = copy_of(state, str(ref_of(follower)), cluster, around)
            found.setdefault(cluster, []).extend([copy] if copy else [])
    return found


def together(copies: ByCluster, followed: ByCluster) -> dict[str, list[Object]]:
    """Return the objects that clusters have of a workload, with its followers; each object once."""
    found = {cluster: list(items) for cluster, items in copies.items()}
    for cluster, items in followed.items():
        known = {ref_of(item) for item in found.get(cluster, [])}
        found.setdefault(cluster, []).extend(item for item in items if ref_of(item) not in known)
    return {cluster: items for cluster, items in found.items() if items}
