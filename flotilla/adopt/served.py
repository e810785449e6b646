"""Reads the kinds that a cluster serves, custom ones included, with their versions."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from flotilla.adopt.model import LeftOut
from flotilla.errors import ClusterError
from flotilla.karmada.discovery import versions_of
from flotilla.karmada.kinds import GroupKind, group_of
from flotilla.kube import answers
from flotilla.kube.answers import UnexpectedAnswer
from flotilla.kube.connection import Connection
from flotilla.kube.wire import group_path

_AT_ONCE = 8


@dataclass(frozen=True)
class ServedKind:
    """One kind, as discovery describes it."""

    versions: tuple[str, ...]
    """The apiVersions of the kind, the preferred one first."""
    namespaced: bool
    plural: str


@dataclass(frozen=True)
class Served:
    """The kinds of a cluster that can be listed."""

    kinds: Mapping[GroupKind, ServedKind] = field(default_factory=dict)
    unread: tuple[LeftOut, ...] = ()
    """Groups whose kinds could not be read."""


def served(connection: Connection) -> Served:
    """Read all kinds of a cluster: one request for each version of each API group.

    The preferred version of a kind is its group's preferred version, or the first other one if that doesn't have the
    kind (client-go, ServerPreferredResources).

    Raises:
        ClusterError: the cluster doesn't answer at all. A group that doesn't answer is in `unread`.
    """
    found = _entries(connection.request("GET", "/apis", doing="listing API groups"), "groups", ("name",))
    versions = ["v1", *(version for group in found for version in versions_of(group))]

    def one(version: str) -> list[dict[str, object]] | str:
        try:
            answer = connection.request("GET", group_path(version), doing=f"looking up {version}")
        except ClusterError as error:
            if error.whole_cluster:
                raise
            return error.message
        return _entries(answer, "resources", ("kind", "name"))

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="adopt") as pool:
        answered = dict(zip(versions, pool.map(one, versions), strict=True))
    kinds: dict[GroupKind, ServedKind] = {}
    for version, resources in answered.items():
        for entry in resources if isinstance(resources, list) else ():
            name, verbs = str(entry["name"]), entry.get("verbs")
            if "/" in name or (isinstance(verbs, list) and verbs and "list" not in verbs):
                continue
            key = (group_of(version), str(entry["kind"]))
            known = kinds.get(key)
            others = known.versions if known else ()
            kinds[key] = ServedKind((*others, version), bool(entry.get("namespaced")), name)
    unread = [
        LeftOut(f"every kind of {version}", f"could not be read: {why}")
        for version, why in answered.items()
        if isinstance(why, str)
    ]
    return Served(kinds, tuple(unread))


def _entries(answer: object, key: str, wanted: tuple[str, ...]) -> list[dict[str, object]]:
    try:
        return answers.entries(answer, key, wanted)
    except UnexpectedAnswer as strange:
        raise ClusterError(f"the API server's list of kinds can't be read: {strange}") from None
