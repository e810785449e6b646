"""Discovery of the kinds that a control plane serves: only of given kinds, and in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from flotilla.errors import FlotillaError
from flotilla.karmada.kinds import GroupKind, Kinds
from flotilla.kube.connection import ApiError, Connection, connect

SECONDS = 5.0
"""How long a program waits for the answer."""


def ask(kubeconfig: str, wanted: Iterable[GroupKind], *, seconds: float = SECONDS) -> Kinds | None:
    """Return what an API server reports about some kinds; None where it doesn't answer in time.

    A preview may run before its control plane exists, or without a network: a missing answer is no error.
    """
    asked = sorted(set(wanted))
    answers: list[Kinds] = []

    def look() -> None:
        try:
            answers.append(served_kinds(connect(kubeconfig, name="Karmada"), asked))
        except FlotillaError:
            return

    # The connection retries for longer than this; the thread that does so is abandoned when the time is over.
    thread = threading.Thread(target=look, name="discovery", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None


def served_kinds(connection: Connection, wanted: Iterable[GroupKind]) -> Kinds:
    """Return what an API server reports about some kinds: whether they have a namespace, and their preferred version.

    If a group's preferred version doesn't have a kind, the first version that has it counts, as in Karmada's detector
    (client-go, ServerPreferredResources).

    Raises:
        ClusterError: the API server didn't answer.
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
    """Return whether a kind of a version has a namespace; None where the version lacks it or can't be asked."""
    try:
        return connection.resource(version, kind).namespaced
    except ApiError:  # an aggregated API that is down hides its own kinds, not the others
        return None
