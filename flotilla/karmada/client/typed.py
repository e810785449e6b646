"""The typed part that the blocking and the asyncio client share: a kind's place in the API, pages and changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Literal, NamedTuple, TypeVar

from flotilla.karmada.objects import ApiObject
from flotilla.kube.following import Event
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.operations import Page
from flotilla.kube.wire import KindNotServed

ModelT = TypeVar("ModelT", bound=ApiObject)

FIELD_MANAGER = "flotilla"


class TypedPage(NamedTuple, Generic[ModelT]):
    """A part of a list; `more` is True where further parts follow."""

    items: list[ModelT]
    more: bool


class Change(NamedTuple, Generic[ModelT]):
    """A change of an object; for a deleted object with its last known state."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: ModelT


class Kind(Generic[ModelT]):
    """One of Karmada's kinds."""

    def __init__(self, model: type[ModelT]) -> None:
        """Store the model."""
        self.model = model
        self.api_version = model.api_version_of
        self.name = model.kind_of

    def ref(self, name: str, namespace: str) -> ObjectRef:
        """Return the reference of an object; cluster-scoped kinds have no namespace."""
        return ObjectRef(self.api_version, self.name, name, namespace)

    def read(self, obj: Object) -> ModelT:
        """Return an object's model."""
        return self.model.read(obj)

    def read_page(self, page: Page) -> TypedPage[ModelT]:
        """Return a page of models."""
        return TypedPage([self.read(item) for item in page.items], bool(page.more))

    def read_event(self, event: Event) -> Change[ModelT]:
        """Return an event with its model."""
        return Change(event.type, self.read(event.object))  # type: ignore[arg-type]  # one of the API's three values


def _not_karmada(error: KindNotServed) -> KindNotServed:
    """Return the error of a server that doesn't serve Karmada's kinds, with a hint which server it may be."""
    hint = "is it Karmada's own kubeconfig, and not its host's or a member's? Cluster is served by its aggregated API"
    return KindNotServed(error.message, status=error.status, hint=hint)


@contextmanager
def explained() -> Iterator[None]:
    """Add a hint to errors of the API if the server isn't Karmada's."""
    try:
        yield
    except KindNotServed as error:
        raise _not_karmada(error) from None
