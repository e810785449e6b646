"""Refresh: reads every resource and stores the clusters' values in the state."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from flotilla.engine.deployment import Deployment
from flotilla.engine.registry import ProviderRegistry
from flotilla.engine.run_state import Refused
from flotilla.plan.steps import Op, Step
from flotilla.providers import Live
from flotilla.state.checkpoint import ResourceState, touched, without_references
from flotilla.state.diff import Change, ChangeKind, compare, parse_path, path_matches
from flotilla.state.urns import PROVIDER_PREFIX
from flotilla.state.values import reveal, seal, seal_at

HALF_UPDATED = "its update was interrupted"
"""An init error of a dynamic resource whose update was interrupted. The next `up` updates it again in any case."""


def refresh(deployment: Deployment) -> None:
    """Read every resource of the base state, all clusters in parallel.

    A changed resource becomes an `update` step, whose changes lead from the state's inputs to the live values. A
    resource that no longer exists becomes a `delete` step, every other one a `same` step. A resource that could not be
    read is not treated as deleted: it stays in the state unchanged, and the result says which cluster did not answer,
    or what failed.
    """
    resources = list(deployment.base.resources)
    read = [r for r in resources if r.custom and not r.delete and not r.type.startswith(PROVIDER_PREFIX)]
    with ThreadPoolExecutor(max_workers=deployment.options.parallel) as pool:
        futures = {id(r): pool.submit(_read, deployment, r) for r in read if not deployment.untargeted(r.urn)}
    gone: set[str] = set()
    for resource in resources:
        future = futures.get(id(resource))
        if future is None:
            found: ResourceState | None = resource
        else:
            found = _outcome(deployment, resource, future)
        _record(deployment, resource, found, gone)


def _outcome(
    deployment: Deployment, resource: ResourceState, future: Future[ResourceState | None]
) -> ResourceState | None:
    """Return the resource as read; if it could not be read, return the one from the state."""
    try:
        return future.result()
    except Refused:
        return resource
    except Exception as error:  # noqa: BLE001 - an error fails only this resource
        deployment.fail(Step(Op.REFRESH, resource.urn, resource.type, resource.provider, old=resource), error)
        return resource


def _read(deployment: Deployment, resource: ResourceState) -> ResourceState | None:
    if deployment.unanswered.waits(resource.provider, resource.urn):
        raise Refused(resource.urn)
    provider = deployment.registry.provider(resource.provider, resource.type)
    live = provider.read(resource.urn, resource.id, resource)
    if not live.id:
        return None
    found = as_read(deployment.registry, resource, live)
    if not compare(resource.inputs, found.inputs) and not compare(resource.outputs, found.outputs):
        return resource
    return replace(found, init_errors=tuple(one for one in resource.init_errors if one == HALF_UPDATED))


def as_read(registry: ProviderRegistry, resource: ResourceState, live: Live) -> ResourceState:
    """Return a resource with the values that were read; secret values stay secret."""
    inputs = seal(live.inputs, resource.inputs)
    outputs = registry.seal_outputs(resource.type, seal(live.outputs, resource.outputs), inputs)
    return replace(resource, inputs=inputs, outputs=outputs)


def _record(deployment: Deployment, old: ResourceState, found: ResourceState | None, gone: set[str]) -> None:
    """Record the step for one resource. Only declared fields count, since controllers write statuses all the time."""
    if found is None:
        gone.add(old.urn)
        with deployment.lock:
            deployment.removed.add(id(old))
            deployment.note(Step(Op.DELETE, old.urn, old.type, old.provider, old=old))
        return
    changes = _differences(deployment, old, found) if found is not old else ()
    if changes:
        found = touched(found, created=False)
    found = without_references(found, gone)
    op = Op.UPDATE if changes else Op.SAME
    with deployment.lock:
        deployment.note(Step(op, old.urn, old.type, old.provider, changes, old, found))
        if old.delete:
            return
        deployment.news[old.urn] = found


def _differences(deployment: Deployment, old: ResourceState, found: ResourceState) -> tuple[Change, ...]:
    """Return the changes that a run would have to revert, reversed: from the state's values to the live ones."""
    provider = deployment.registry.provider(found.provider, found.type)
    back = provider.diff(found, reveal(old.inputs)).changes
    ignored = [parse_path(path) for path in old.ignore_changes]
    back = tuple(change for change in back if not any(path_matches(path, change.path) for path in ignored))
    turned = {ChangeKind.ADD: ChangeKind.DELETE, ChangeKind.DELETE: ChangeKind.ADD}
    return tuple(
        Change(
            c.path,
            turned.get(c.kind, c.kind),
            seal_at(c.new, c.path, old.inputs),
            seal_at(c.old, c.path, found.inputs),
        )
        for c in back
    )
