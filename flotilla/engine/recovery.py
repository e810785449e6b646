"""After a crash: operations that had begun are settled by looking at the clusters, before anything else is done."""

from __future__ import annotations

from dataclasses import replace

from flotilla.engine.refresh import as_read
from flotilla.engine.registry import ProviderRegistry, referred
from flotilla.providers.stacks import no_stacks
from flotilla.state.checkpoint import Operation, ResourceState, Snapshot, touched
from flotilla.state.values import reveal

_INTERRUPTED = "its creation was interrupted"


def settle(snapshot: Snapshot) -> tuple[Snapshot, list[str]]:
    """Return the state with its pending operations settled, and what was found, a line each.

    - A creation: the object is there and bears the creation's own field manager, so it joins the state and the next
      `up` finishes it; else it is forgotten, and made again.
    - An update or a deletion: the resource is read, and the state says what the cluster has.

    Raises:
        FlotillaError: a cluster could not be asked: nothing is decided on a guess.
    """
    if not snapshot.pending:
        return snapshot, []
    resources = list(snapshot.resources)
    standing = {r.urn for r in resources if not r.delete}
    registry = ProviderRegistry(lambda reference: referred(reference, resources), no_stacks)
    messages = []
    for operation in snapshot.pending:
        resource = operation.resource
        if operation.type == "creating":
            made = _recovered(registry, operation) if resource.urn not in standing else None
            if made is not None:
                resources.append(made)
            messages.append(f"{resource.name}: its creation broke off; {'it is there' if made else 'it is not there'}")
            continue
        index = next((i for i, r in enumerate(resources) if r.urn == resource.urn and r.id == resource.id), None)
        if index is None or not resource.custom:
            continue
        found = _reread(registry, resources[index])
        if found is None:
            del resources[index]
        else:
            resources[index] = found
        verb = "update" if operation.type == "updating" else "deletion"
        messages.append(f"{resource.name}: its {verb} broke off; {'it is there' if found else 'it is gone'}")
    return Snapshot(tuple(resources)), messages


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
