"""Deletions: what a program no longer has, and a whole stack; dependents first, what is independent side by side."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress

from flotilla.engine.deployment import Deployment
from flotilla.engine.ledger import Refused
from flotilla.engine.steps import Op
from flotilla.state.checkpoint import ResourceState


def delete_unregistered(deployment: Deployment) -> None:
    """Delete what is in the base state and was not registered in this run, and what replacements left."""
    matched = {urn for r in deployment.news.values() for urn in (r.urn, *r.aliases)}
    doomed = [
        r
        for r in deployment.base.resources
        if r.urn not in matched and not r.delete and id(r) not in deployment.removed
    ]
    if deployment.options.targets:
        doomed = [r for r in doomed if not deployment.untargeted(r.urn)]
    delete_all(deployment, doomed, list(deployment.leftovers))


def delete_all(deployment: Deployment, doomed: list[ResourceState], replaced: list[ResourceState]) -> None:
    """Delete resources in reverse order of dependency.

    Args:
        deployment: the run.
        doomed: resources that are no longer wanted.
        replaced: old copies of resources that have a replacement.
    """
    for resource in doomed:
        with suppress(Refused):
            deployment.refuse_protected(resource, "deleted")
    if deployment.result.failures:
        return
    deployment.doomed |= {r.urn for r in doomed}
    everything = [*((r, Op.DELETE) for r in doomed), *((r, Op.DELETE_REPLACED) for r in replaced)]
    # What still stands between a resource and its deletion: everything that depends on it.
    dependents: dict[int, set[int]] = {id(r): set() for r, _ in everything}
    by_urn: dict[str, list[ResourceState]] = {}
    for resource, _ in everything:
        by_urn.setdefault(resource.urn, []).append(resource)
    for resource, _ in everything:
        for urn in resource.depends_on():
            for needed in by_urn.get(urn, []):
                if needed is not resource:
                    dependents[id(needed)].add(id(resource))
    _in_waves(deployment, everything, dependents)


def _in_waves(
    deployment: Deployment, everything: list[tuple[ResourceState, Op]], dependents: dict[int, set[int]]
) -> None:
    waiting = {id(r): (r, op) for r, op in everything}
    running: dict[Future[None], int] = {}
    with ThreadPoolExecutor(max_workers=deployment.options.parallel) as pool:
        while waiting or running:
            ready = [key for key in waiting if not dependents[key]]
            if not deployment.ending.is_set():
                # Later registrations first: within a wave that is the order in which people expect to see them.
                for key in reversed(ready):
                    resource, op = waiting.pop(key)
                    running[pool.submit(deployment.delete, resource, op)] = key
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                if future.exception() is None:
                    for others in dependents.values():
                        others.discard(key)
                elif not isinstance(future.exception(), Refused):
                    raise future.exception()  # type: ignore[misc]
