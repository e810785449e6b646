"""What a control plane serves: asked once, for the kinds in question only, and never for longer than stated."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from flotilla.errors import FlotillaError
from flotilla.karmada.kinds import GroupKind, Kinds
from flotilla.kube.connection import ApiError, Connection, connect

SECONDS = 5.0
"""How long a program waits for the answer."""


def ask(kubeconfig: str, wanted: Iterable[GroupKind], *, seconds: float = SECONDS) -> Kinds | None:
    """Return what an API server says of some kinds; None where it gives no answer in time.

    A preview runs before its control plane exists, and without a network: no answer is no error.
    """
    asked = sorted(set(wanted))
    answers: list[Kinds] = []

    def look() -> None:
        try:
            answers.append(served_kinds(connect(kubeconfig, name="Karmada"), asked))
        except FlotillaError:
            return

    # The connection tries again and again; the thread that does so is left behind when the time is over.
    thread = threading.Thread(target=look, name="discovery", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None


def served_kinds(connection: Connection, wanted: Iterable[GroupKind]) -> Kinds:
    """Ask an API server about some kinds: whether they have a namespace, and which of their versions it prefers.

    A group's preferred version counts for the kinds that it has; others are preferred in the version that has them,
    as Karmada's detector takes them (client-go, ServerPreferredResources).

    Raises:
        ClusterError: there was no answer.
    """
    groups = {
        str(group["name"]): versions_of(group)
        for group in connection.request("GET", "/apis", doing="listing API groups").get("groups") or []
    }
    namespaced: dict[GroupKind, bool] = {}
    preferred: dict[GroupKind, str] = {}
    for group, kind in wanted:
        for version in groups.get(group, []) if group else ["v1"]:
            resource = _resource(connection, version, kind)
            if resource is not None:
                namespaced[group, kind] = resource
                preferred[group, kind] = version
                break
    return Kinds(namespaced, preferred)


def versions_of(group: Mapping[str, object]) -> list[str]:
    """Return the versions of an APIGroup, the preferred one first."""
    listed = group.get("versions")
    named = [group.get("preferredVersion"), *(listed if isinstance(listed, list) else [])]
    found = (str(one["groupVersion"]) for one in named if isinstance(one, dict) and one.get("groupVersion"))
    return list(dict.fromkeys(found))


def _resource(connection: Connection, version: str, kind: str) -> bool | None:
    """Return whether a kind of a version has a namespace; None where the version doesn't have it, or can't be asked."""
    try:
        return connection.resource(version, kind).namespaced
    except ApiError:  # an aggregated API that is down hides its own kinds, not the others
        return None
