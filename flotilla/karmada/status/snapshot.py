"""Clusters, templates, bindings and Works of a control plane at one point in time. All judgements use them.

`flotilla.karmada.status.reading` reads snapshots with a few lists; tests build them from plain objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from flotilla.errors import ClusterError
from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX, binding_name, execution_namespace
from flotilla.karmada.objects import BINDING_API, ApiObject, ClusterResourceBinding, ResourceBinding, Work
from flotilla.karmada.rendering.marks import BINDING_ID_LABELS
from flotilla.karmada.status.expected import Fleet
from flotilla.karmada.status.fleet import fleet_of
from flotilla.karmada.status.lacking import Servers, served
from flotilla.kube.objects import Object, ObjectRef, ref_of

ModelT = TypeVar("ModelT", bound=ApiObject)
WorkOrError = Work | ClusterError
"""A Work, or the error with which it could not be read."""
Works = Mapping[str, WorkOrError]
"""The Works that contain one object, by cluster."""


@dataclass(frozen=True)
class Snapshot:
    """Objects that were read. What wasn't requested is empty."""

    clusters: tuple[Object, ...] = ()
    """The Clusters in the API's form."""
    templates: Mapping[ObjectRef, Object] = field(default_factory=dict)
    """The requested templates that exist, in the API's form."""
    bindings: Mapping[ObjectRef, ResourceBinding | ClusterError] = field(default_factory=dict)
    """Bindings by their own references; the error for a binding with an unexpected form."""
    works: tuple[Object, ...] = ()
    """The Works in the API's form."""
    unread: Mapping[ObjectRef, ClusterError] = field(default_factory=dict)
    """Templates and bindings that could not be read, with the reason."""

    @cached_property
    def fleet(self) -> Fleet:
        """The Clusters, in the form that judgements about schedules need."""
        return fleet_of(self.clusters)

    @cached_property
    def servers(self) -> Servers:
        """The kinds that are served in each cluster, as far as these bindings prove it."""
        return served(self.bindings.values())

    def template(self, ref: ObjectRef) -> Object | None:
        """Return a template; None where it doesn't exist.

        Raises:
            ClusterError: it could not be read.
        """
        if ref in self.unread:
            raise self.unread[ref]
        return self.templates.get(ref)

    def binding_of(self, template: ObjectRef) -> ResourceBinding | None:
        """Return the binding of a template; None where there is none.

        Raises:
            ClusterError: it could not be read, or doesn't have the form that Karmada publishes.
        """
        ref = binding_ref(template)
        found = self.unread.get(ref) or self.bindings.get(ref)
        if isinstance(found, ClusterError):
            raise found
        return found

    def works_of(self, labels: Mapping[str, str]) -> Works:
        """Return the Works that contain a binding's object, found by the labels of the binding."""
        identities = (labels.get(label) for label in BINDING_ID_LABELS.values())
        return next((self._bound[identity] for identity in identities if identity in self._bound), {})

    def works_without_binding(self, ref: ObjectRef) -> Works:
        """Return the Works that contain an object without a binding, such as a Namespace, found by their manifests."""
        return self._unbound.get(ref, {})

    def works_to(self, member: str) -> list[Object]:
        """Return the Works for a member, in the API's form."""
        return self._by_namespace.get(execution_namespace(member), [])

    @cached_property
    def _bound(self) -> dict[str, dict[str, WorkOrError]]:
        found: dict[str, dict[str, WorkOrError]] = {}
        for item in self.works:
            if identity := _identity(item):
                found.setdefault(identity, {})[member_of(item)] = view_or_error(Work, item)
        return found

    @cached_property
    def _unbound(self) -> dict[ObjectRef, dict[str, WorkOrError]]:
        found: dict[ObjectRef, dict[str, WorkOrError]] = {}
        for item in self.works:
            work = None if _identity(item) else view_or_error(Work, item)
            if isinstance(work, Work):
                whole = (one for one in work.spec.workload.manifests if one.get("apiVersion") and one.get("kind"))
                for manifest in whole:
                    found.setdefault(ref_of(manifest), {})[member_of(item)] = work
        return found

    @cached_property
    def _by_namespace(self) -> dict[str, list[Object]]:
        found: dict[str, list[Object]] = {}
        for item in self.works:
            found.setdefault(str(item["metadata"].get("namespace")), []).append(item)
        return found


def binding_ref(template: ObjectRef) -> ObjectRef:
    """Return the reference to the binding of a template."""
    kind = "ResourceBinding" if template.namespace else "ClusterResourceBinding"
    return ObjectRef(BINDING_API, kind, binding_name(template.kind, template.name), template.namespace)


def binding_views(items: Mapping[ObjectRef, Object]) -> dict[ObjectRef, ResourceBinding | ClusterError]:
    """Return the views of bindings in the API's form; the error for a binding with an unexpected form."""
    models = {model.kind_of: model for model in (ResourceBinding, ClusterResourceBinding)}
    return {ref: view_or_error(models[ref.kind], item) for ref, item in items.items()}


def view_or_error(model: type[ModelT], item: Object) -> ModelT | ClusterError:
    """Return the view of an object in the API's form; the error if the form isn't the one that Karmada publishes."""
    try:
        return model.read(item)
    except ClusterError as error:
        return error


def _identity(work: Object) -> str:
    labels = work["metadata"].get("labels")
    found = (labels.get(label) for label in BINDING_ID_LABELS.values()) if isinstance(labels, dict) else ()
    return next((str(identity) for identity in found if identity), "")


def member_of(work: Object) -> str:
    """Return the name of the member that a Work is for."""
    return str(work["metadata"].get("namespace") or "").removeprefix(EXECUTION_NAMESPACE_PREFIX)
