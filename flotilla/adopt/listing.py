"""Lists objects of many kinds at once, from one cluster."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from flotilla.adopt.model import LeftOut
from flotilla.errors import ClusterError
from flotilla.kube.connection import Connection, KindNotServed
from flotilla.kube.objects import Object

_AT_ONCE = 8
Asked = tuple[str, str, str]
"""An apiVersion, a kind and a namespace; '' for all namespaces."""
Lists = dict[Asked, list[Object] | str]
"""The lists; a string is the reason why a kind can't be listed."""


def lists(connection: Connection, asked: Iterable[Asked]) -> Lists:
    """List kinds concurrently, each in pages. A kind that isn't served has no objects.

    Raises:
        ClusterError: the cluster doesn't answer at all.
    """

    def one(key: Asked) -> list[Object] | str:
        version, kind, namespace = key
        try:
            return connection.list(version, kind, namespace=namespace or None)
        except KindNotServed:
            return []
        except ClusterError as error:
            if error.whole_cluster:
                raise
            return error.message

    keys = list(dict.fromkeys(asked))
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="adopt") as pool:
        return dict(zip(keys, pool.map(one, keys), strict=True))


def listed_of(found: Lists, asked: Asked) -> list[Object]:
    """Return the objects of one list; none where it could not be read."""
    listed = found[asked]
    return [] if isinstance(listed, str) else listed


def unread_of(found: Lists) -> list[LeftOut]:
    """Return what could not be read, with the reason."""
    unread = []
    for (version, kind, namespace), why in found.items():
        if isinstance(why, str):
            where = f" in namespace {namespace}" if namespace else ""
            unread.append(LeftOut(f"every {kind} of {version}{where}", f"could not be read: {why}"))
    return unread
