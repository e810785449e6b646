"""The kinds that the control plane and the members serve, as Karmada reports them.

Karmada's scheduler skips a cluster if the object's kind isn't in its `status.apiEnablements`, and doesn't schedule the
binding again when they change. So custom objects are declared only once every chosen cluster serves their kind.
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
    """Wait until kinds are served; return the places that still lack them when time is over, or the process has to end.

    Args:
        connection: a connection to the control plane.
        kinds: see `missing_kinds`.
        affinities: see `missing_kinds`.
        version: see `missing_kinds`.
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
    """Return a line for each place that doesn't serve one of the kinds yet; an empty list where all are served.

    Args:
        connection: a connection to the control plane.
        kinds: the kinds that have to be served.
        affinities: Karmada's ClusterAffinity objects; every cluster that one of them chooses has to serve the kinds,
            too.
        version: Karmada's version.

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
            continue  # a cluster that doesn't answer delays nobody else: the rollout reports it
        enabled = facts.served or ()
        missing += [
            f"{cluster['metadata']['name']}: no {kind} in {api_version}"
            for api_version, kind in kinds
            if (api_version, kind) not in enabled
        ]
    return missing
