"""Reads what runs in a member without Karmada: every kind in some namespaces, and related cluster-scoped objects.

Nothing is written. Lists are read in pages; a kind that can't be read is one line of the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotilla.adopt.listing import listed_of, lists, unread_of
from flotilla.adopt.model import LeftOut
from flotilla.adopt.served import Served, served
from flotilla.errors import ClusterError
from flotilla.karmada.kinds import BUILT_IN, DEFINITION, GroupKind, Identity, identity, is_built_in, kind_of
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef

_RBAC = "rbac.authorization.k8s.io/v1"
_DEFINITIONS = "apiextensions.k8s.io/v1"
_SCHEDULING = "scheduling.k8s.io/v1"
_GROUPS = ("metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io", "packages.operators.coreos.com")
"""Groups whose objects no user writes: measurements, and catalogues."""
_KARMADA = (".karmada.io", "multicluster.x-k8s.io")
_KINDS: frozenset[GroupKind] = frozenset(
    {
        ("", "Endpoints"),
        ("", "Event"),
        ("apps", "ControllerRevision"),
        ("coordination.k8s.io", "Lease"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("events.k8s.io", "Event"),
    }
)
"""Kinds that controllers write: addresses and history of one cluster."""


@dataclass(frozen=True)
class Running:
    """The member's objects, as its API server returns them."""

    objects: tuple[Object, ...] = ()
    """The objects of the namespaces, each once."""
    namespaces: Mapping[str, Object] = field(default_factory=dict)
    """The requested Namespaces that exist."""
    cluster_bindings: tuple[Object, ...] = ()
    cluster_roles: Mapping[str, Object] = field(default_factory=dict)
    priority_classes: Mapping[str, Object] = field(default_factory=dict)
    definitions: Mapping[GroupKind, Object] = field(default_factory=dict)
    """The definitions of custom kinds that have objects here but that the control plane doesn't serve."""
    unserved: frozenset[GroupKind] = frozenset()
    """Kinds of objects here that the control plane doesn't serve."""
    other_versions: frozenset[GroupKind] = frozenset()
    """Kinds of objects here for which the control plane prefers a version that the member doesn't have."""
    kinds: Mapping[GroupKind, tuple[str, ...]] = field(default_factory=dict)
    """Namespaced kinds, by the names that users write: plurals in lower case."""
    unread: tuple[LeftOut, ...] = ()


def read_running(member: Connection, namespaces: Iterable[str], control_plane: Served | None) -> Running:
    """Read what runs in some namespaces of a member.

    Args:
        member: the connection to its API server.
        namespaces: the names of the namespaces.
        control_plane: the kinds of Karmada's API server: objects are read in the version that it prefers, because
            Karmada watches that version; None where it could not be read.

    Raises:
        ClusterError: the member doesn't answer at all.
    """
    there = served(member)
    unread = list(there.unread)
    names = list(dict.fromkeys(namespaces))
    wanted = {
        key: _version(key, kind.versions, control_plane)
        for key, kind in there.kinds.items()
        if kind.namespaced and not _is_skipped(key)
    }
    asked = [(version, key[1], name) for name in names for key, version in wanted.items()]
    asked += [(api, kind, "") for api, kind in ((_RBAC, "ClusterRoleBinding"), (_RBAC, "ClusterRole"))]
    asked.append((_SCHEDULING, "PriorityClass", ""))
    found_lists = lists(member, asked)
    unread += unread_of(found_lists)
    objects = _once(obj for key in asked if key[2] for obj in listed_of(found_lists, key))
    unserved, other_versions = _unserved(objects, control_plane)
    custom = sorted(key for key in unserved if not is_built_in(key[0]))
    return Running(
        objects=objects,
        namespaces=_found(member, [ObjectRef("v1", "Namespace", name) for name in names], unread),
        cluster_bindings=tuple(listed_of(found_lists, (_RBAC, "ClusterRoleBinding", ""))),
        cluster_roles=_by_name(listed_of(found_lists, (_RBAC, "ClusterRole", ""))),
        priority_classes=_by_name(listed_of(found_lists, (_SCHEDULING, "PriorityClass", ""))),
        definitions=_definitions(member, custom, there, unread),
        unserved=unserved,
        other_versions=other_versions,
        kinds={key: (there.kinds[key].plural.lower(), key[1].lower()) for key in wanted},
        unread=tuple(unread),
    )


def read_there(connection: Connection, objects: Iterable[Object]) -> frozenset[Identity]:
    """Return which of some objects the control plane also has, by kind and namespace.

    Raises:
        ClusterError: the control plane doesn't answer.
    """
    listed = list(objects)
    kinds = {(str(one["apiVersion"]), str(one["kind"]), _namespace(one)) for one in listed}
    wanted = {identity(one) for one in listed}
    spaced = [kind for kind in kinds if kind[2]]
    there = lists(connection, spaced)
    found = {identity(obj) for kind in spaced for obj in listed_of(there, kind)}
    for one in listed:
        if not _namespace(one):
            ref = ObjectRef(str(one["apiVersion"]), str(one["kind"]), str(one["metadata"]["name"]))
            try:
                found |= {identity(one)} if connection.find(ref) is not None else set()
            except ClusterError as error:
                if error.whole_cluster:
                    raise
    return frozenset(found & wanted)


def _version(kind: GroupKind, versions: tuple[str, ...], control_plane: Served | None) -> str:
    """Return the version in which to read a kind: the one that Karmada watches, where the member has it."""
    known = control_plane.kinds.get(kind) if control_plane else None
    preferred = known.versions[0] if known else BUILT_IN.preferred_version(kind)
    return preferred if preferred in versions else versions[0]


def _is_skipped(kind: GroupKind) -> bool:
    return kind in _KINDS or kind[0] in _GROUPS or kind[0].endswith(_KARMADA)


def _unserved(
    objects: Iterable[Object], control_plane: Served | None
) -> tuple[frozenset[GroupKind], frozenset[GroupKind]]:
    """Return the kinds of objects that the control plane doesn't serve, and those whose preferred version differs."""
    if control_plane is None or control_plane.unread:
        return frozenset(), frozenset()
    versions = {(kind_of(obj), str(obj["apiVersion"])) for obj in objects}
    known = control_plane.kinds
    return (
        frozenset(kind for kind, _ in versions if kind not in known),
        frozenset(kind for kind, version in versions if kind in known and known[kind].versions[0] != version),
    )


def _once(objects: Iterable[Object]) -> tuple[Object, ...]:
    """Return each object once: some servers list the same object in two groups."""
    found: dict[str, Object] = {}
    for obj in objects:
        found.setdefault(str(obj["metadata"].get("uid") or identity(obj)), obj)
    return tuple(found.values())


def _by_name(objects: Iterable[Object]) -> dict[str, Object]:
    return {str(one["metadata"]["name"]): one for one in objects}


def _found(connection: Connection, refs: Iterable[ObjectRef], unread: list[LeftOut]) -> dict[str, Object]:
    found = {}
    for ref in refs:
        try:
            obj = connection.find(ref)
        except ClusterError as error:
            if error.whole_cluster:
                raise
            unread.append(LeftOut(str(ref), f"could not be read: {error.message}"))
            continue
        if obj is not None:
            found[ref.name] = obj
    return found


def _definitions(
    member: Connection, kinds: Iterable[GroupKind], there: Served, unread: list[LeftOut]
) -> dict[GroupKind, Object]:
    """Read the definitions of some kinds; a definition's name is the plural of the kind, and its group."""
    names = {f"{there.kinds[key].plural}.{key[0]}": key for key in kinds}
    found = _found(member, [ObjectRef(_DEFINITIONS, DEFINITION[1], name) for name in names], unread)
    return {names[name]: obj for name, obj in found.items()}


def _namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace") or "")
