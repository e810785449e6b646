"""The client for asyncio: the same as the blocking one, with `await`, `async for` and `async with`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Generic, Self

from flotilla.karmada import objects as api
from flotilla.karmada.client import sources
from flotilla.karmada.client.typed import FIELD_MANAGER, Change, Kind, ModelT, TypedPage, explained
from flotilla.karmada.names import proxy_path
from flotilla.kube.aio import AsyncConnection
from flotilla.kube.objects import Object
from flotilla.kube.operations import Scope

_NAME = "Karmada"


class AsyncKarmada:
    """A Karmada control plane, for one event loop. Use it with `async with`, or close it."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Use a connection to Karmada's API server; no request is sent yet."""
        self.dynamic = connection
        """Objects of any kind, as plain dicts."""
        self.clusters = AsyncCollection(connection, api.Cluster)
        self.propagation_policies = AsyncCollection(connection, api.PropagationPolicy)
        self.cluster_propagation_policies = AsyncCollection(connection, api.ClusterPropagationPolicy)
        self.override_policies = AsyncCollection(connection, api.OverridePolicy)
        self.cluster_override_policies = AsyncCollection(connection, api.ClusterOverridePolicy)
        self.resource_bindings = AsyncCollection(connection, api.ResourceBinding)
        self.cluster_resource_bindings = AsyncCollection(connection, api.ClusterResourceBinding)
        self.works = AsyncCollection(connection, api.Work)

    @classmethod
    def from_kubeconfig(cls, path: str | Path | None = None, *, context: str | None = None) -> Self:
        """Use a kubeconfig file (by default KUBECONFIG, else ~/.kube/config) and one of its contexts."""
        return cls(AsyncConnection(sources.of_file(path, context), name=_NAME))

    @classmethod
    def in_cluster(cls) -> Self:
        """Use the service account of the pod that this runs in. Raises ClusterError outside a pod."""
        return cls(AsyncConnection(sources.of_pod(), name=_NAME))

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Any]) -> Self:
        """Use a stack's outputs (`stack.outputs()` of Pulumi's Automation API, or its JSON)."""
        return cls(AsyncConnection(sources.of_outputs(outputs), name=_NAME))

    def member(self, name: str) -> AsyncConnection:
        """Return a connection to a member's own API, through Karmada's cluster proxy."""
        return self.dynamic.below(proxy_path(name), name=name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.dynamic.close()


class AsyncCollection(Generic[ModelT]):
    """The objects of one of Karmada's kinds, as models."""

    def __init__(self, connection: AsyncConnection, model: type[ModelT]) -> None:
        """Store the connection and the kind's model."""
        self._connection = connection
        self._kind = Kind(model)

    async def get(self, name: str, namespace: str = "") -> ModelT:
        """Read one object. Raises ApiError with `missing` where it doesn't exist."""
        with explained():
            return self._kind.read(await self._connection.get(self._kind.ref(name, namespace)))

    async def find(self, name: str, namespace: str = "") -> ModelT | None:
        """Read one object; None where it doesn't exist."""
        with explained():
            found = await self._connection.find(self._kind.ref(name, namespace))
            return self._kind.read(found) if found else None

    async def list(self, *, namespace: str = "", labels: str = "") -> list[ModelT]:
        """List all objects, read in pages. `labels` is a selector in kubectl's notation."""
        with explained():
            found = await self._connection.list(
                self._kind.api_version, self._kind.name, namespace=namespace or None, labels=labels or None
            )
            return [self._kind.read(item) for item in found]

    async def pages(self, *, limit: int, namespace: str = "", labels: str = "") -> AsyncIterator[TypedPage[ModelT]]:
        """Yield pages of at most `limit` objects; each page is requested when the caller needs it."""
        with explained():
            scope = Scope(namespace, labels)
            async for page in self._connection.pages(self._kind.api_version, self._kind.name, scope, limit=limit):
                yield self._kind.read_page(page)

    async def watch(self, *, namespace: str = "", labels: str = "") -> AsyncIterator[Change[ModelT]]:
        """Yield existing objects as ADDED, then every change, until the caller stops; broken watches are resumed."""
        with explained():
            scope = Scope(namespace, labels)
            async for event in self._connection.follow(self._kind.api_version, self._kind.name, scope):
                yield self._kind.read_event(event)

    async def apply(self, obj: ModelT | Object, *, field_manager: str = FIELD_MANAGER, force: bool = False) -> ModelT:
        """Apply an object (server-side apply). Raises ApiError with status 409 where another manager owns a field."""
        body = obj if isinstance(obj, dict) else obj.manifest()
        with explained():
            return self._kind.read(await self._connection.apply(body, field_manager=field_manager, force=force))

    async def delete(self, name: str, namespace: str = "") -> bool:
        """Delete one object; False where it didn't exist any more."""
        with explained():
            return await self._connection.delete(self._kind.ref(name, namespace))
