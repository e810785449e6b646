"""Reads snapshots with a few lists, however many templates and clusters there are.

If only a few templates or bindings of a kind and namespace are needed, they are read one by one; otherwise the
propagated ones of that kind and namespace are listed. Templates that are missing in the list are read one by one: no
policy has claimed them. Bindings that are missing are looked up in a list of all bindings of their namespace. Large
answers come in pages, as for every list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from flotilla.errors import ClusterError
from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.objects import BINDING_API, CLUSTER_API, WORK_API
from flotilla.karmada.rendering.marks import BINDING_ID_LABELS
from flotilla.karmada.selection import POLICY_ID_LABELS
from flotilla.karmada.status.lacking import Servers
from flotilla.karmada.status.snapshot import Snapshot, binding_ref, binding_views
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of

_FEW = 2
"""Up to this number, objects of a kind and namespace are read one by one."""
_MOST_VALUES = 50
"""The maximum number of values in a selector: servers reject a URL that is too long. More values need several lists."""
_WITHOUT_BINDING = ",".join(f"!{label}" for label in BINDING_ID_LABELS.values())


def read_for(connection: Connection, declared: Iterable[Object]) -> Snapshot:
    """Read what shows the progress of templates: Clusters, the templates, their bindings and Works.

    Args:
        connection: a connection to the control plane.
        declared: the declared templates.

    Raises:
        ClusterError: the control plane could not be asked. If only some objects could not be read, the snapshot raises
            the error when it is asked for them.
    """
    alone = {ref_of(template): goes_by_itself(template) for template in declared}
    clusters = connection.list(CLUSTER_API, "Cluster")
    templates = _read_templates(connection, alone)
    bindings = _read_bindings(connection, [ref for ref, by_itself in alone.items() if not by_itself], templates.found)
    works = _read_works(connection, bindings.found.values(), unbound=any(alone.values()))
    return _snapshot(clusters, templates, bindings, works)


def read_left(connection: Connection, templates: Iterable[ObjectRef]) -> Snapshot:
    """Read what is left of deleted templates: bindings, their Works, Clusters, and templates that exist again.

    Raises:
        ClusterError: the control plane could not be asked, as for `read_for`.
    """
    refs = list(templates)
    bindings = _read_bindings(connection, refs, {})
    left = [ref for ref in refs if binding_ref(ref) in bindings.found]
    if not left:
        return _snapshot([], _Objects(), bindings, [])
    found = _read_templates(connection, left)
    works = _read_works(connection, bindings.found.values(), unbound=False)
    return _snapshot(connection.list(CLUSTER_API, "Cluster"), found, bindings, works)


def _snapshot(clusters: list[Object], templates: _Objects, bindings: _Objects, works: list[Object]) -> Snapshot:
    views = binding_views(bindings.found)
    return Snapshot(tuple(clusters), templates.found, views, tuple(works), {**templates.unread, **bindings.unread})


def read_sent(connection: Connection) -> Snapshot:
    """Read every binding, and the Works that contain their objects.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return _read_lists(connection, [_BINDINGS, _CLUSTER_BINDINGS, *_BOUND_WORKS])


def read_carried(connection: Connection) -> Snapshot:
    """Read every Cluster, and every Work that contains the object of a binding, even if the binding doesn't exist.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return _read_lists(connection, [_CLUSTERS, *_BOUND_WORKS])


def read_fleet(connection: Connection) -> Snapshot:
    """Read every Cluster and binding, and the Works that contain their objects.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return _read_lists(connection, [_CLUSTERS, _BINDINGS, _CLUSTER_BINDINGS, *_BOUND_WORKS])


def read_servers(connection: Connection) -> Servers:
    """Read every namespaced binding, and return which kinds these prove to be served, by cluster.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return _read_lists(connection, [_BINDINGS]).servers


def read_all(connection: Connection, templates: Iterable[ObjectRef]) -> Snapshot:
    """Read every Cluster, binding and Work, and some templates.

    Raises:
        ClusterError: the control plane could not be asked, as for `read_for`.
    """
    live = _read_templates(connection, templates)
    lists = _read_lists(connection, [_CLUSTERS, _BINDINGS, _CLUSTER_BINDINGS, _List(WORK_API, "Work")])
    return Snapshot(lists.clusters, live.found, lists.bindings, lists.works, live.unread)


# -- whole lists -----------------------------------------------------------------------------------


class _List(NamedTuple):
    api_version: str
    kind: str
    labels: str | None = None


_CLUSTERS = _List(CLUSTER_API, "Cluster")
_BINDINGS = _List(BINDING_API, "ResourceBinding")
_CLUSTER_BINDINGS = _List(BINDING_API, "ClusterResourceBinding")
_BOUND_WORKS = tuple(_List(WORK_API, "Work", label) for label in BINDING_ID_LABELS.values())


def _read_lists(connection: Connection, lists: list[_List]) -> Snapshot:
    """Read several lists in parallel."""
    with ThreadPoolExecutor(max_workers=len(lists), thread_name_prefix="snapshot") as pool:
        answers = list(pool.map(lambda one: connection.list(one.api_version, one.kind, labels=one.labels), lists))
    found: dict[str, list[Object]] = {}
    for one, items in zip(lists, answers, strict=True):
        found.setdefault(one.kind, []).extend(items)
    bindings = {ref_of(item): item for one in (_BINDINGS, _CLUSTER_BINDINGS) for item in found.get(one.kind, [])}
    return Snapshot(
        tuple(found.get("Cluster", [])), bindings=binding_views(bindings), works=tuple(found.get("Work", []))
    )


# -- some objects ----------------------------------------------------------------------------------


@dataclass
class _Objects:
    """Objects that were read, and the reasons why others could not be read."""

    found: dict[ObjectRef, Object] = field(default_factory=dict)
    unread: dict[ObjectRef, ClusterError] = field(default_factory=dict)


def _read_objects(
    connection: Connection, refs: list[ObjectRef], selectors: Mapping[ObjectRef, str], *, whole: bool = False
) -> _Objects:
    """Read objects that may exist.

    Args:
        connection: a connection to the control plane.
        refs: the objects.
        selectors: the labels by which each object is listed.
        whole: whether objects that are missing in such a list are looked up in the whole list, rather than one by one.
    """
    some = _Objects()

    def where(ref: ObjectRef) -> tuple[str, str, str, str]:
        return ref.api_version, ref.kind, ref.namespace, selectors[ref]

    for (api_version, kind, namespace, labels), group in groupby(sorted(refs, key=where), where):
        wanted = set(group)
        try:
            missing = wanted
            for selector in (labels, None) if whole else (labels,):
                if len(missing) > _FEW:
                    listed = connection.list(api_version, kind, namespace=namespace or None, labels=selector)
                    some.found.update({ref: item for item in listed if (ref := ref_of(item)) in wanted})
                    missing = wanted - some.found.keys() if selector else set()
            for ref in missing:
                _one(connection, ref, some)
        except ClusterError as error:
            if error.whole_cluster:
                raise
            some.unread.update(dict.fromkeys(wanted - some.found.keys(), error))
    return some


def _one(connection: Connection, ref: ObjectRef, some: _Objects) -> None:
    try:
        found = connection.find(ref)
    except ClusterError as error:
        if error.whole_cluster:
            raise
        some.unread[ref] = error
        return
    if found is not None:
        some.found[ref] = found


def _policy_label(template: ObjectRef) -> str:
    """Return the label that a template and its binding get from the policy that claims the template."""
    return POLICY_ID_LABELS["PropagationPolicy" if template.namespace else "ClusterPropagationPolicy"]


def _read_templates(connection: Connection, refs: Iterable[ObjectRef]) -> _Objects:
    once = list(dict.fromkeys(refs))
    return _read_objects(connection, once, {ref: _policy_label(ref) for ref in once})


def _read_bindings(connection: Connection, refs: list[ObjectRef], templates: Mapping[ObjectRef, Object]) -> _Objects:
    """Read the bindings of templates; they are listed by the policies that have claimed the templates."""
    claims: dict[str, set[str]] = {}
    for ref in refs:
        identity = _label_of(templates.get(ref), _policy_label(ref))
        if identity:
            claims.setdefault(_policy_label(ref), set()).add(identity)
    selectors = {label: next(_selectors(label, identities)) for label, identities in claims.items()}
    return _read_objects(
        connection,
        [binding_ref(ref) for ref in refs],
        {binding_ref(ref): selectors.get(_policy_label(ref), _policy_label(ref)) for ref in refs},
        whole=True,
    )


def _read_works(connection: Connection, bindings: Iterable[Object], *, unbound: bool) -> list[Object]:
    """Read the Works of bindings, and on demand those without a binding."""
    wanted: dict[str, set[str]] = {}
    for binding in bindings:
        for label in BINDING_ID_LABELS.values():
            identity = _label_of(binding, label)
            if identity:
                wanted.setdefault(label, set()).add(identity)
    selectors = [selector for label, identities in wanted.items() for selector in _selectors(label, identities)]
    selectors += [_WITHOUT_BINDING] if unbound else []
    return [item for labels in selectors for item in connection.list(WORK_API, "Work", labels=labels)]


def _selectors(label: str, values: Collection[str]) -> Iterator[str]:
    """Yield selectors for objects whose label has one of the values; no selector is too long for a URL."""
    ordered = sorted(values)
    for first in range(0, len(ordered), _MOST_VALUES):
        yield f"{label} in ({','.join(ordered[first : first + _MOST_VALUES])})"


def _label_of(obj: Object | None, label: str) -> str:
    """Return the value of a label; empty where there is none."""
    labels = obj["metadata"].get("labels") if obj else None
    return str(labels.get(label) or "") if isinstance(labels, dict) else ""
