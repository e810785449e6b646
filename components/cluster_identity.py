"""Who a cluster is: the UID of its kube-system namespace, which stops one cluster from joining twice.

It is asked for by the program, not declared as a read resource: those show as updates in every refresh of an
unchanged stack (measured: two reads, two false updates), and a clean stack must report no drift.
"""

from __future__ import annotations

import asyncio

import pulumi

from flotilla.kube.connection import connect
from flotilla.kube.objects import ObjectRef

_KUBE_SYSTEM = ObjectRef("v1", "Namespace", "kube-system")


def read_identity(kubeconfig: str, name: str) -> str:
    """Ask a cluster for the UID of its kube-system namespace.

    Raises:
        ClusterError: the cluster could not be asked.
    """
    return str(connect(kubeconfig, name=name).get(_KUBE_SYSTEM)["metadata"]["uid"])


def cluster_identity(kubeconfig: pulumi.Output[str], name: str) -> pulumi.Output[str]:
    """Return the cluster's identity as a plain output; unknown in a preview while the kubeconfig is."""

    async def ask(text: str) -> str:
        return await asyncio.to_thread(read_identity, text, name)

    return pulumi.Output.unsecret(kubeconfig.apply(ask))
