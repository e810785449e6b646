"""A client of Karmada's API for any Python program: dynamic and typed, blocking and for asyncio.

    from flotilla.karmada.client import Karmada

    karmada = Karmada.from_kubeconfig("karmada.yaml")
    for cluster in karmada.clusters.list():
        print(cluster.metadata.name, cluster.ready)

`karmada.dynamic` takes any kind as plain dicts; `karmada.clusters` and its siblings return the models of
`flotilla.karmada.objects`; `karmada.member("member1")` connects to a member's own API, through Karmada's proxy.
`AsyncKarmada` is the same with `await`. Every error is a `flotilla.errors.ClusterError` that names the operation and
the cluster.
"""

from typing import TYPE_CHECKING

from flotilla.lazy import lazy_exports

if TYPE_CHECKING:
    from flotilla.karmada.client.asynchronous import AsyncCollection, AsyncKarmada
    from flotilla.karmada.client.blocking import Collection, Karmada
    from flotilla.karmada.client.typed import Change, TypedPage

__all__ = ["AsyncCollection", "AsyncKarmada", "Change", "Collection", "Karmada", "TypedPage"]

__getattr__ = lazy_exports(
    __name__,
    {
        "asynchronous": ["AsyncCollection", "AsyncKarmada"],
        "blocking": ["Collection", "Karmada"],
        "typed": ["Change", "TypedPage"],
    },
)
