"""Finds objects that may not exist, of kinds that the cluster may not serve; several objects with few requests."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from flotilla.kube.connection import Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, ref_of

_FEW = 2
"""Up to this number, objects of a kind and namespace are read one by one; more are read with one list."""


def find_served(connection: Connection, ref: ObjectRef) -> Object | None:
    """Return an object; None if it does not exist, or the cluster does not serve its kind.

    Raises:
        ClusterError: the cluster did not answer, or refused.
    """
    try:
        return connection.find(ref)
    except KindNotServed:
        return None


def find_several(connection: Connection, refs: Iterable[ObjectRef]) -> dict[ObjectRef, Object]:
    """Return the objects that exist. A kind that the cluster does not serve has no objects.

    Raises:
        ClusterError: the cluster did not answer, or refused.
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
