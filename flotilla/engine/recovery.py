"""Recovery after a crash: before anything else, the clusters are asked for the result of each interrupted operation."""

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
    """The result of an interrupted operation: the current resource, or None; or why the result is unknown."""

    resource: ResourceState | None = None
    error: FlotillaError | None = None


def settle(snapshot: Snapshot) -> tuple[Snapshot, list[str]]:
    """Return the state with its pending operations settled, and one line about each of them.

    - Creation: if the object exists and has the field manager of this creation, it is added to the state, and the next
      `up` completes it. Otherwise the operation is dropped, and the resource is created again.
    - Update or deletion: the resource is read, and the state takes the cluster's values. A dynamic resource whose
      update was interrupted is updated again in any case, since reading does not show whether its work was done.
    - If the cluster does not answer, the operation stays pending. Nothing is guessed, and nothing else waits for it.
    """
    if not snapshot.pending:
        return snapshot, []
    resources = list(snapshot.resources)
    registry = ProviderRegistry(lambda reference: referred(reference, resources), no_stacks)
    existing = {r.urn for r in resources if not r.delete}
    with ThreadPoolExecutor(_CLUSTERS_AT_ONCE) as pool:
        found = list(pool.map(lambda op: _find(registry, op, resources, existing), snapshot.pending))
    messages, waiting = [], []
    for operation, outcome in zip(snapshot.pending, found, strict=True):
        what = f"{operation.resource.name}: its {_VERBS.get(operation.type, operation.type)} broke off"
        if outcome is None:
            continue
        if outcome.error is not None:
            waiting.append(operation)
            messages.append(f"{what}; its result is unknown: {outcome.error.message}")
            continue
        _take(resources, operation, outcome.resource)
        gone = "it is not there" if operation.type == "creating" else "it is gone"
        messages.append(f"{what}; {'it is there' if outcome.resource else gone}")
    return Snapshot(tuple(resources), tuple(waiting)), messages


def _find(
    registry: ProviderRegistry, operation: Operation, resources: list[ResourceState], existing: set[str]
) -> _Found | None:
    """Return the result of one operation; None if it has no resource in the state to look for."""
    resource = operation.resource
    try:
        if operation.type == "creating":
            return _Found(None if resource.urn in existing else _recovered(registry, operation))
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
    """Put the found resource into the list, in place of the one from the state."""
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
