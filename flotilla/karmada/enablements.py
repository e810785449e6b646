"""Which kinds the control plane and the members serve, as Karmada reports it.

Karmada's scheduler leaves a cluster out whose `status.apiEnablements` lack the kind of the object, and doesn't come
back to the binding when they change. So custom objects are declared once every chosen cluster has their kind.
"""

from __future__ import annotations

import time

from flotilla.karmada.objects import CLUSTER_API
from flotilla.karmada.scheduling import facts_of, matches
from flotilla.karmada.versions import Version
from flotilla.kube.connection import Connection, KindNotServed
from flotilla.kube.objects import Object, is_true
from flotilla.waiting import pause

Served = tuple[str, str]
"""An apiVersion and a kind."""
_POLL_SECONDS = 0.5


def await_kinds(
    connection: Connection, kinds: list[Served], affinities: list[Object], version: Version, seconds: float
) -> list[str]:
    """Wait until kinds are served; return where they still aren't when time is over, or the process was asked to end.

    Args:
        connection: to the control plane.
        kinds: as for `missing_kinds`, as are the two that follow.
        affinities: where.
        version: Karmada's.
        seconds: how long to wait.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    deadline = time.monotonic() + seconds
    while missing := missing_kinds(connection, kinds, affinities, version):
        if time.monotonic() > deadline or pause(_POLL_SECONDS):
            break
    return missing


def missing_kinds(connection: Connection, kinds: list[Served], affinities: list[Object], version: Version) -> list[str]:
    """Say where kinds aren't served yet; nothing where all of them are.

    Args:
        connection: to the control plane.
        kinds: what is to be served.
        affinities: Karmada's ClusterAffinity objects; the clusters that any of them chooses have to serve them, too.
        version: Karmada's.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    missing = []
    for api_version, kind in kinds:
        try:
            connection.resource(api_version, kind)
        except KindNotServed:
            missing.append(f"Karmada's API server: no {kind} in {api_version}")
    for cluster in connection.list(CLUSTER_API, "Cluster"):
        facts = facts_of(cluster)
        if not any(matches(facts, affinity, version) for affinity in affinities) or not is_true(cluster, "Ready"):
            continue  # a cluster that is away keeps nobody else waiting: the rollout says that it is
        enabled = facts.served or ()
        missing += [
            f"{cluster['metadata']['name']}: no {kind} in {api_version}"
            for api_version, kind in kinds
            if (api_version, kind) not in enabled
        ]
    return missing
