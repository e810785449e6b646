"""After a crash: operations that had begun are settled by looking at the clusters, before anything else is done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from flotilla.engine.refresh import HALF_UPDATED, as_read
from flotilla.engine.registry import ProviderRegistry, referred
from flotilla.errors import FlotillaError
from flotilla.providers.stacks import no_stacks
from flotilla.state.checkpoint import Operation, ResourceState, Snapshot, touched
from flotilla.state.urns import DYNAMIC_PREFIX
from flotilla.state.values import reveal

_INTERRUPTED = "its creation was interrupted"
_VERBS = {"creating": "creation", "updating": "update", "deleting": "deletion"}
_CLUSTERS_AT_ONCE = 32


@dataclass(frozen=True)
class _Found:
    """What was found of an operation: the resource as it is, or none; or why nobody knows."""

    resource: ResourceState | None = None
    error: FlotillaError | None = None


def settle(snapshot: Snapshot) -> tuple[Snapshot, list[str]]:
    """Return the state with its pending operations settled, and what was found, a line each.

    - A creation: the object is there and bears the creation's own field manager, so it joins the state and the next
      `up` finishes it; else it is forgotten, and made again.
    - An update or a deletion: the resource is read, and the state says what the cluster has. A dynamic resource whose
      update broke off is updated again, whatever is declared now: its inputs stand for work that reading doesn't show.
    - One whose cluster does not answer stays pending: nothing is decided on a guess, and nothing else waits for it.
    """
    if not snapshot.pending:
        return snapshot, []
    resources = list(snapshot.resources)
    registry = ProviderRegistry(lambda reference: referred(reference, resources), no_stacks)
    standing = {r.urn for r in resources if not r.delete}
    with ThreadPoolExecutor(_CLUSTERS_AT_ONCE) as pool:
        found = list(pool.map(lambda op: _look(registry, op, resources, standing), snapshot.pending))
    messages, waiting = [], []
    for operation, outcome in zip(snapshot.pending, found, strict=True):
        what = f"{operation.resource.name}: its {_VERBS.get(operation.type, operation.type)} broke off"
        if outcome is None:
            continue
        if outcome.error is not None:
            waiting.append(operation)
            messages.append(f"{what}; what became of it is unknown: {outcome.error.message}")
            continue
        _take(resources, operation, outcome.resource)
        gone = "it is not there" if operation.type == "creating" else "it is gone"
        messages.append(f"{what}; {'it is there' if outcome.resource else gone}")
    return Snapshot(tuple(resources), tuple(waiting)), messages


def _look(
    registry: ProviderRegistry, operation: Operation, resources: list[ResourceState], standing: set[str]
) -> _Found | None:
    """Look at one operation's resource; None where there is nothing to look at."""
    resource = operation.resource
    try:
        if operation.type == "creating":
            return _Found(None if resource.urn in standing else _recovered(registry, operation))
        index = _index(resources, resource)
        if index is None or not resource.custom:
            return None
        found = _reread(registry, resources[index])
        if found is not None and operation.type == "updating" and found.type.startswith(DYNAMIC_PREFIX):
            found = replace(found, init_errors=(HALF_UPDATED,))
        return _Found(found)
    except FlotillaError as error:
        return _Found(error=error)


def _take(resources: list[ResourceState], operation: Operation, found: ResourceState | None) -> None:
    """Put what was found into the list of resources, in place of what the state had."""
    if operation.type == "creating":
        if found is not None:
            resources.append(found)
        return
    index = _index(resources, operation.resource)
    if index is not None and found is None:
        del resources[index]
    elif index is not None and found is not None:
        resources[index] = found


def _index(resources: list[ResourceState], resource: ResourceState) -> int | None:
    return next((i for i, r in enumerate(resources) if r.urn == resource.urn and r.id == resource.id), None)


def _recovered(registry: ProviderRegistry, operation: Operation) -> ResourceState | None:
    resource = operation.resource
    token = str(reveal(resource.outputs).get("__fieldManager", ""))
    if not token:
        return None
    provider = registry.provider(resource.provider, resource.type)
    live = provider.recover(resource.urn, reveal(resource.inputs), token)
    if not live.id:
        return None
    outputs = registry.seal_outputs(resource.type, live.outputs, resource.inputs)
    return touched(replace(resource, id=live.id, outputs=outputs, init_errors=(_INTERRUPTED,)), created=True)


def _reread(registry: ProviderRegistry, resource: ResourceState) -> ResourceState | None:
    live = registry.provider(resource.provider, resource.type).read(resource.urn, resource.id, resource)
    if not live.id:
        return None
    return as_read(registry, resource, live)
