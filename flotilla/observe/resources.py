"""Objects of any kind from many members: with the columns that kubectl shows, or complete."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.kube.operations import Scope
from flotilla.kube.secrecy import masked
from flotilla.kube.wire import Request, Resource

_AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_LIMIT = 500


@dataclass(frozen=True)
class Rows:
    """A member's objects as a table of its API server."""

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    cut: bool = False
    """Whether there are more objects than the limit."""


def rows(member: Connection, kind: str, scope: Scope, name: str = "") -> Rows:
    """Return objects with the server's own columns (meta/v1 Table); if they have namespaces, those come first.

    Raises:
        KindNotServed: the member does not serve the kind.
        ClusterError: the member did not answer, or refused.
    """
    resource = member.named(kind)
    answer = member.send(replace(_request(resource, scope, name), accept=_AS_TABLE))
    shown = [
        (index, column["name"])
        for index, column in enumerate(answer.get("columnDefinitions") or [])
        if not column.get("priority")
    ]
    lead = ("Namespace",) if resource.namespaced else ()
    cells = []
    for row in answer.get("rows") or []:
        meta = (row.get("object") or {}).get("metadata") or {}
        place = (str(meta.get("namespace", "")),) if resource.namespaced else ()
        cells.append((*place, *(_text(row["cells"][index]) for index, _ in shown)))
    more = bool((answer.get("metadata") or {}).get("continue"))
    return Rows((*lead, *(column for _, column in shown)), tuple(cells), more)


def objects(member: Connection, kind: str, scope: Scope, name: str = "") -> list[Object]:
    """Return complete objects; the values of Secrets are hidden.

    Raises:
        KindNotServed: the member does not serve the kind.
        ClusterError: the member did not answer, or refused.
    """
    resource = member.named(kind)
    found = member.list(
        resource.api_version,
        resource.kind,
        namespace=scope.namespace or None,
        labels=scope.labels or None,
        fields=_fields(name),
    )
    return [hide(item) for item in found]


def hide(obj: Object) -> Object:
    """Return an object in the form in which it may be shown: without values of Secrets, and without managedFields."""
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    shown: Object = masked({**obj, "metadata": meta})
    return shown


def _request(resource: Resource, scope: Scope, name: str) -> Request:
    query = {
        "limit": _LIMIT,
        "labelSelector": scope.labels or None,
        "fieldSelector": _fields(name),
        "includeObject": "Metadata",
    }
    return Request("GET", resource.path(namespace=scope.namespace), f"listing {resource.kind}s", query)


def _fields(name: str) -> str | None:
    return f"metadata.name={name}" if name else None


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)
