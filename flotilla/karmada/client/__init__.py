"""A client of Karmada's API for any Python program: dynamic and typed, blocking and for asyncio.

    from flotilla.karmada.client import Karmada

    karmada = Karmada.from_kubeconfig("karmada.yaml")
    for cluster in karmada.clusters.list():
        print(cluster.metadata.name, cluster.ready)

`karmada.dynamic` takes any kind as plain dicts; `karmada.clusters` and its siblings give the models of
`flotilla.karmada.objects`; `karmada.member("member1")` is a member's own API, through Karmada's proxy. `AsyncKarmada`
is the same with `await`. Every error is a `flotilla.errors.ClusterError` that says what was being done, and where.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flotilla.karmada.client.asynchronous import AsyncCollection, AsyncKarmada
    from flotilla.karmada.client.blocking import Collection, Karmada
    from flotilla.karmada.client.typed import Change, TypedPage

__all__ = ["AsyncCollection", "AsyncKarmada", "Change", "Collection", "Karmada", "TypedPage"]
_MODULES = {
    "AsyncCollection": "asynchronous",
    "AsyncKarmada": "asynchronous",
    "Collection": "blocking",
    "Karmada": "blocking",
    "Change": "typed",
    "TypedPage": "typed",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562): a blocking program loads nothing of asyncio."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
