"""A cluster's identity: the UID of its kube-system namespace, which does not depend on its address and name."""

from __future__ import annotations

import re

from flotilla.errors import ClusterError
from flotilla.kube.connection import Connection

PROBE_SECONDS = 5.0
"""How long a cluster may take to answer with its UID."""

_KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AnotherCluster(ClusterError):
    """A cluster other than the expected one answers, so no object of the expected one can be reached."""

    whole_cluster = True


def is_uid(identifier: object) -> bool:
    """Return whether an identifier of a cluster is a UID; other programs may use other identifiers."""
    return isinstance(identifier, str) and bool(_UID.fullmatch(identifier))


def uid_of(connection: Connection) -> str:
    """Ask a cluster for the UID of its kube-system namespace.

    Raises:
        ClusterError: the cluster did not answer, or refused.
    """
    answer = connection.request("GET", _KUBE_SYSTEM, doing="asking which cluster it is", timeout=PROBE_SECONDS)
    uid = ((answer.get("metadata") or {}) if isinstance(answer, dict) else {}).get("uid")
    if not is_uid(uid):
        raise ClusterError(f"{connection.name}: {connection.server} does not answer as a Kubernetes API server")
    return str(uid)


def verified(connection: Connection, expected: str) -> Connection:
    """Return the connection after checking that the cluster is the expected one.

    Raises:
        AnotherCluster: another cluster answered.
        ClusterError: the cluster did not answer, or refused.
    """
    try:
        found = uid_of(connection)
    except ClusterError as error:
        error.whole_cluster = True
        raise
    if found != expected:
        which = f"its UID is {found}, the one that the state knows is {expected}"
        raise AnotherCluster(f"{connection.name}: another cluster answers at {connection.server}: {which}")
    return connection
