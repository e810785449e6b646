"""The blocking client. It is safe to use from several threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Self

from flotilla.karmada import objects as api
from flotilla.karmada.client import sources
from flotilla.karmada.client.typed import FIELD_MANAGER, Change, Kind, ModelT, TypedPage, explained
from flotilla.karmada.names import proxy_path
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.kube.operations import Scope

_NAME = "Karmada"


class Karmada:
    """A Karmada control plane."""

    def __init__(self, connection: Connection) -> None:
        """Use a connection to Karmada's API server; no request is sent yet."""
        self.dynamic = connection
        """Objects of any kind, as plain dicts."""
        self.clusters = Collection(connection, api.Cluster)
        self.propagation_policies = Collection(connection, api.PropagationPolicy)
        self.cluster_propagation_policies = Collection(connection, api.ClusterPropagationPolicy)
        self.override_policies = Collection(connection, api.OverridePolicy)
        self.cluster_override_policies = Collection(connection, api.ClusterOverridePolicy)
        self.resource_bindings = Collection(connection, api.ResourceBinding)
        self.cluster_resource_bindings = Collection(connection, api.ClusterResourceBinding)
        self.works = Collection(connection, api.Work)

    @classmethod
    def from_kubeconfig(cls, path: str | Path | None = None, *, context: str | None = None) -> Self:
        """Use a kubeconfig file (by default KUBECONFIG, else ~/.kube/config) and one of its contexts.

        Raises:
            KubeconfigError: the file can't be read, or has no such context.
        """
        return cls(Connection(sources.of_file(path, context), name=_NAME))

    @classmethod
    def in_cluster(cls) -> Self:
        """Use the service account of the pod that this runs in. Raises ClusterError outside a pod."""
        return cls(Connection(sources.of_pod(), name=_NAME))

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, Any]) -> Self:
        """Use a stack's outputs (`stack.outputs()` of Pulumi's Automation API, or its JSON)."""
        return cls(Connection(sources.of_outputs(outputs), name=_NAME))

    def member(self, name: str) -> Connection:
        """Return a connection to a member's own API, through Karmada's cluster proxy.

        Karmada requires the right to `clusters/proxy`, and acts in the member as the caller.
        """
        return self.dynamic.below(proxy_path(name), name=name)


class Collection(Generic[ModelT]):
    """The objects of one of Karmada's kinds, as models."""

    def __init__(self, connection: Connection, model: type[ModelT]) -> None:
        """Store the connection and the kind's model."""
        self._connection = connection
        self._kind = Kind(model)

    def get(self, name: str, namespace: str = "") -> ModelT:
        """Read one object. Raises ApiError with `missing` where it doesn't exist."""
        with explained():
            return self._kind.read(self._connection.get(self._kind.ref(name, namespace)))

    def find(self, name: str, namespace: str = "") -> ModelT | None:
        """Read one object; None where it doesn't exist."""
        with explained():
            found = self._connection.find(self._kind.ref(name, namespace))
            return self._kind.read(found) if found else None

    def list(self, *, namespace: str = "", labels: str = "") -> list[ModelT]:
        """List all objects, read in pages. `labels` is a selector in kubectl's notation."""
        with explained():
            found = self._connection.list(
                self._kind.api_version, self._kind.name, namespace=namespace or None, labels=labels or None
            )
            return [self._kind.read(item) for item in found]

    def pages(self, *, limit: int, namespace: str = "", labels: str = "") -> Iterator[TypedPage[ModelT]]:
        """Yield pages of at most `limit` objects; each page is requested when the caller needs it."""
        with explained():
            scope = Scope(namespace, labels)
            for page in self._connection.pages(self._kind.api_version, self._kind.name, scope, limit=limit):
                yield self._kind.read_page(page)

    def watch(self, *, namespace: str = "", labels: str = "") -> Iterator[Change[ModelT]]:
        """Yield existing objects as ADDED, then every change, until the caller stops; broken watches are resumed."""
        with explained():
            scope = Scope(namespace, labels)
            for event in self._connection.follow(self._kind.api_version, self._kind.name, scope):
                yield self._kind.read_event(event)

    def apply(self, obj: ModelT | Object, *, field_manager: str = FIELD_MANAGER, force: bool = False) -> ModelT:
        """Apply an object (server-side apply). Raises ApiError with status 409 where another manager owns a field."""
        body = obj if isinstance(obj, dict) else obj.manifest()
        with explained():
            return self._kind.read(self._connection.apply(body, field_manager=field_manager, force=force))

    def delete(self, name: str, namespace: str = "") -> bool:
        """Delete one object; False where it didn't exist any more."""
        with explained():
            return self._connection.delete(self._kind.ref(name, namespace))
