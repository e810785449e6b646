"""Deletes the resources that a program no longer declares, or a whole stack: dependents first, others in parallel."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from flotilla.engine.deployment import Deployment
from flotilla.engine.registry import KUBERNETES
from flotilla.engine.run_state import Refused
from flotilla.errors import ClusterError, FlotillaError
from flotilla.kube.identity import AnotherCluster
from flotilla.plan.steps import Op
from flotilla.state.checkpoint import ResourceState
from flotilla.state.urns import name_of, own_type, package_of

_CLUSTERS_AT_ONCE = 32


def delete_unregistered(deployment: Deployment) -> None:
    """Delete the resources of the base state that this run did not register, and old copies of replaced ones.

    A resource stays if it may be unregistered only because something that it depends on failed: a deletion can't be
    undone, and the next run can still do it. An old copy stays if its replacement failed.
    """
    failed = _failed(deployment)
    spared = _spared(deployment, failed)
    unregistered = [
        r
        for r in deployment.base.resources
        if not r.delete and not deployment.is_carried_over(r) and id(r) not in deployment.removed
    ]
    doomed = [r for r in unregistered if r.urn not in spared and not deployment.untargeted(r.urn)]
    gone = {id(r) for r in doomed}
    left = [*deployment.news.values(), *(r for r in unregistered if id(r) not in gone)]
    delete_all(deployment, doomed, _replaced(deployment, failed, left))


def _failed(deployment: Deployment) -> set[str]:
    """Return the URNs, with aliases, of the resources that failed, and of those not registered because of them."""
    failed = set(deployment.failed)
    failed |= {r.urn for r in deployment.base.resources if (own_type(r.urn), r.name) in deployment.skipped}
    failed |= {urn for urn in deployment.aliases if (own_type(urn), name_of(urn)) in deployment.skipped}
    return failed | {other for urn in failed for other in deployment.aliases.get(urn, ())}


def _spared(deployment: Deployment, failed: set[str]) -> set[str]:
    """Return the URNs of resources that a failure may have kept from being registered.

    These are the failed resources, their dependents, and all other parts of a component in which a resource failed.
    """
    if not failed:
        return set()
    parents = {r.urn: r.parent for r in deployment.base.resources} | deployment.parents
    broken = {_component(urn, parents) for urn in failed}
    broken |= {other for urn in broken for other in deployment.aliases.get(urn, ())}
    spared: set[str] = set()
    for resource in deployment.base.resources:
        needs = resource.depends_on()
        lost = resource.urn in failed or bool(needs & (spared | failed))
        if lost or _component(resource.urn, parents) in broken:
            spared.add(resource.urn)
    # The dependencies of a spared resource have to stay, too.
    return _with_needs(deployment, spared)


def _with_needs(deployment: Deployment, urns: set[str]) -> set[str]:
    """Return URNs with those of all their direct and indirect dependencies."""
    found = set(urns)
    for resource in reversed(deployment.base.resources):
        if resource.urn in found:
            found |= resource.depends_on()
    return found


def _replaced(deployment: Deployment, failed: set[str], left: list[ResourceState]) -> list[ResourceState]:
    """Return the old copies that can be deleted: their replacement exists, and no remaining resource refers to them."""
    going = [r for r in deployment.leftovers if r.urn not in failed]
    staying = [r for r in deployment.leftovers if r.urn in failed]
    while True:
        providers = {r.provider for r in (*left, *staying) if r.provider}
        needed = {urn for r in staying for urn in r.depends_on()}
        kept = [r for r in going if r.urn in needed or f"{r.urn}::{r.id}" in providers]
        if not kept:
            return going
        staying += kept
        keeping = {id(r) for r in kept}
        going = [r for r in going if id(r) not in keeping]


def _component(urn: str, parents: dict[str, str]) -> str:
    """Return the outermost component, directly below the stack, that contains a resource."""
    above = parents.get(urn, "")
    while above and parents.get(above):
        urn, above = above, parents[above]
    return urn


def delete_all(deployment: Deployment, doomed: list[ResourceState], replaced: list[ResourceState]) -> None:
    """Delete resources in reverse order of dependency.

    Args:
        deployment: the run.
        doomed: the resources that are no longer declared.
        replaced: the old copies of replaced resources.
    """
    protected = False
    for resource in doomed:
        try:
            deployment.refuse_protected(resource, "deleted")
        except Refused:
            protected = True
    if protected:
        return
    doomed = _without_unsettled(deployment, doomed)
    deployment.doomed |= {r.urn for r in doomed}
    if deployment.options.dry_run:
        _check_clusters(deployment, [*doomed, *replaced])
    everything = [*((r, Op.DELETE) for r in doomed), *((r, Op.DELETE_REPLACED) for r in replaced)]
    # A resource can be deleted once all its dependents are.
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


def _without_unsettled(deployment: Deployment, doomed: list[ResourceState]) -> list[ResourceState]:
    """Return the resources that can be deleted although an interrupted creation is unsettled.

    It is unsettled because its cluster does not answer. The dependencies of that creation stay: without its provider,
    no later run could look for the object that it may have created.
    """
    begun = [op.resource for op in deployment.pending.values() if op.type == "creating"]
    begun = [resource for resource in begun if resource.urn in deployment.unsettled]
    kept: set[str] = set()
    going = {r.urn for r in doomed}
    for resource in begun:
        needed = _with_needs(deployment, resource.depends_on())
        if needed & going:
            text = f"{resource.name}: its creation broke off, and its result is unknown, so that its provider is kept"
            texts = deployment.result.messages if deployment.options.dry_run else deployment.result.failures
            texts.append(text)
        kept |= needed
    return [r for r in doomed if r.urn not in kept]


def _check_clusters(deployment: Deployment, doomed: list[ResourceState]) -> None:
    """Find out for a preview which clusters do not answer, since objects in them can't be deleted."""
    somewhere = {r.provider: r.type for r in doomed if r.custom and r.provider and package_of(r.type) == KUBERNETES}
    with ThreadPoolExecutor(max_workers=_CLUSTERS_AT_ONCE) as pool:
        list(pool.map(lambda one: _check_cluster(deployment, *one), somewhere.items()))


def _check_cluster(deployment: Deployment, provider: str, type_: str) -> None:
    try:
        deployment.registry.reach(provider, type_)
    except AnotherCluster as error:
        with deployment.lock:
            deployment.result.messages.append(
                f"warning: {error.message}: its resources are removed from the state, but not deleted"
            )
    except ClusterError as error:
        deployment.unanswered.note(provider, error)
    except FlotillaError:
        pass  # the kubeconfig isn't known or can't be used: the deletion itself reports it


def _in_waves(
    deployment: Deployment, everything: list[tuple[ResourceState, Op]], dependents: dict[int, set[int]]
) -> None:
    waiting = {id(r): (r, op) for r, op in everything}
    running: dict[Future[None], int] = {}
    with ThreadPoolExecutor(max_workers=deployment.options.parallel) as pool:
        while waiting or running:
            ready = [key for key in waiting if not dependents[key]]
            if not deployment.ending.is_set():
                # Later registrations first: this is the order that users expect within a wave.
                for key in reversed(ready):
                    resource, op = waiting.pop(key)
                    running[pool.submit(deployment.delete, resource, op)] = key
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                if future.exception() is None:
                    for others in dependents.values():
                        others.discard(key)
                elif not isinstance(future.exception(), Refused):
                    raise future.exception()  # type: ignore[misc]
    for resource, _ in waiting.values():  # deletions that could not begin count as waiting for their cluster
        deployment.unanswered.waits(resource.provider, resource.urn)
