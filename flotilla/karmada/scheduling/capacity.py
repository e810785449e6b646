"""How many more replicas a cluster has room for, by Karmada's general estimator (pkg/estimator/client/general.go)."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla.karmada.scheduling.demand import Demand, amount
from flotilla.karmada.scheduling.facts import Capacity, ClusterFacts, Scheduler

_PODS_PER_MODEL_NODE = 110
UNBOUNDED = 2**31 - 1


def room(cluster: ClusterFacts, demand: Demand, scheduler: Scheduler) -> int | None:
    """Return how many more replicas a cluster has room for; None where only Karmada can know.

    Karmada doesn't ask an estimator for a template without replicas; the result is 0 then.
    """
    if demand.count == 0:
        return 0
    if scheduler.estimators or cluster.capacity is None:
        return None
    pods = max(_free(cluster.capacity, "pods"), 0)
    if pods == 0 or demand.requests is None:
        return pods
    if cluster.capacity.models:
        if not demand.requests and not scheduler.since(18):
            return None  # Karmada's sum over the nodes overflows to an arbitrary number
        by_nodes = _by_models(cluster.capacity, demand.requests, scheduler)
        if by_nodes is not None:
            return min(pods, by_nodes)
    return min(pods, _by_summary(cluster.capacity, demand.requests, pods))


def _free(capacity: Capacity, name: str) -> int:
    """Return how much of a resource is free: thousandths of CPUs, else whole units."""
    used = [part[name] for part in (capacity.allocated, capacity.allocating) if name in part]
    return amount(name, capacity.allocatable.get(name, "0"), *used)


def _by_summary(capacity: Capacity, requests: Mapping[str, int], most: int) -> int:
    found = most
    for name, asked in requests.items():
        if name not in capacity.allocatable:
            return 0
        free = _free(capacity, name)
        if free <= 0:
            return 0
        found = min(found, free // asked)
    return found


def _by_models(capacity: Capacity, requests: Mapping[str, int], scheduler: Scheduler) -> int | None:
    """Return the replicas that fit on nodes with the minimum of their grades; None where the grades lack a resource."""
    return _packed(capacity, requests) if scheduler.since(18) else _graded(capacity, requests)


def _packed(capacity: Capacity, requests: Mapping[str, int]) -> int:
    """Count as Karmada does since 1.18: pod by pod onto the nodes."""
    total = 0
    for node in capacity.models:
        least = {name: amount(name, value) for name, value in node.least.items()}
        fits = [least.get(name, 0) // asked for name, asked in requests.items()]
        total += node.count * min([_PODS_PER_MODEL_NODE, *fits])
    return total


def _graded(capacity: Capacity, requests: Mapping[str, int]) -> int | None:
    """Count as Karmada does before 1.18: from the first grade whose minimum is enough, at least one per node."""
    first = 0
    for name, asked in requests.items():
        grades = [amount(name, node.least[name]) for node in capacity.models if name in node.least]
        if not grades:
            return None
        enough = [place for place, least in enumerate(grades) if least >= asked]
        if not enough:
            return 0
        first = max(first, enough[0])
    total = 0
    for node in capacity.models[first:]:
        fits = [amount(name, node.least[name]) // asked for name, asked in requests.items()]
        total += node.count * (min(fits, default=UNBOUNDED) or 1)
    return total
