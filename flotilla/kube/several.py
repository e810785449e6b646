"""Objects of one cluster that may be there, of kinds that it may not serve: one, or several with few requests."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from flotilla.kube.connection import Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, ref_of

_FEW = 2
"""So many objects of a kind and namespace are read one by one; more of them by one list."""


def find_served(connection: Connection, ref: ObjectRef) -> Object | None:
    """Return an object; None where it isn't there. A kind that the cluster doesn't serve, or no longer, has none.

    Raises:
        ClusterError: the cluster could not be asked.
    """
    try:
        return connection.find(ref)
    except KindNotServed:
        return None


def find_several(connection: Connection, refs: Iterable[ObjectRef]) -> dict[ObjectRef, Object]:
    """Return those objects that are there. A kind that the cluster doesn't serve has none.

    Raises:
        ClusterError: the cluster could not be asked.
    """

    def where(ref: ObjectRef) -> tuple[str, str, str]:
        return ref.api_version, ref.kind, ref.namespace

    found: dict[ObjectRef, Object] = {}
    for (api_version, kind, namespace), group in groupby(sorted(set(refs), key=where), where):
        wanted = set(group)
        try:
            if len(wanted) <= _FEW:
                each = {ref: connection.find(ref) for ref in sorted(wanted)}
                found |= {ref: obj for ref, obj in each.items() if obj is not None}
                continue
            listed = connection.list(api_version, kind, namespace=namespace or None)
        except KindNotServed:
            continue
        found |= {ref: item for item in listed if (ref := ref_of(item)) in wanted}
    return found
