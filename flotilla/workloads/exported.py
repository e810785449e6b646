"""Manifests that were exported from a cluster (`kubectl get -o yaml`): what that cluster has set is left out.

Declared again it would be refused (a UID, a Service's address), would wait for ever for something that Karmada doesn't
send, or would let a garbage collector delete the template. Only an object that shows that a server has written it loses
what a person may have written as well (a Service's address, a Pod's node). What generators leave behind
(`creationTimestamp: null`, an empty `status`) goes without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flotilla.counts import counted, names_of
from flotilla.karmada.kinds import GroupKind, kind_of
from flotilla.karmada.rendering import marks
from flotilla.karmada.selection import POLICY_ID_LABELS
from flotilla.kube.objects import Object
from flotilla.kube.yaml import escaped
from flotilla.workloads.server_fields import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    META,
    REPLICA_SET,
    ROWS,
    STATEFUL_SET,
    Row,
    Step,
)

_SHOWN = 5
_TEXT = 60

_OWNERS = ("metadata", "ownerReferences")
_FINALIZERS = ("metadata", "finalizers")
_SAYS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "generation", "deletionTimestamp")
"""What only a server writes into an object's metadata."""
_TEMPLATES: tuple[tuple[tuple[Step, ...], tuple[GroupKind, ...]], ...] = (
    (("spec", "template", "metadata"), (DEPLOYMENT, REPLICA_SET, DAEMON_SET, STATEFUL_SET, JOB)),
    (("spec", "jobTemplate", "metadata"), (CRON_JOB,)),
    (("spec", "jobTemplate", "spec", "template", "metadata"), (CRON_JOB,)),
    (("spec", "volumeClaimTemplates", "*", "metadata"), (STATEFUL_SET,)),
)
"""Where else metadata stand, with the `creationTimestamp: null` that Kubernetes' own Go types are written with."""


@dataclass(frozen=True)
class Dropped:
    """What was left out of one object."""

    obj: str
    """Kind and name."""
    fields: tuple[str, ...] = ()
    """What its server had set."""
    owners: tuple[str, ...] = ()
    """Kind and name of each object that owned it."""
    finalizers: tuple[str, ...] = ()


def is_exported(obj: Object) -> bool:
    """Tell whether an object shows that an API server has written it."""
    metadata = obj["metadata"]
    if any(metadata.get(key) for key in _SAYS) or _owners(obj) or not _hollow(obj.get("status")):
        return True
    labels, annotations = (metadata.get(part) or {} for part in ("labels", "annotations"))
    return any(key in labels for key in (*marks.LABELS, *POLICY_ID_LABELS.values())) or any(
        key in annotations for key in marks.ANNOTATIONS - {marks.CONFLICT}
    )


def cleaned(obj: Object) -> Object:
    """Return an object without what a server has set in it; the same one where there is nothing."""
    return _without(obj)[0]


def dropped(obj: Object) -> Dropped | None:
    """Return what `cleaned` leaves out of an object, and a user has to know; None where there is nothing."""
    return _without(obj)[1]


def notice(owner: str, found: Iterable[Dropped]) -> str:
    """Return what a user has to know of exported manifests, in one line; empty where there is nothing.

    Args:
        owner: whose they are: `workload web`.
        found: what was left out of them.
    """
    listed = list(found)
    exported = [one for one in listed if one.fields]
    fields = list(dict.fromkeys(field for one in exported for field in one.fields))
    parts = []
    if exported:
        parts.append(
            f"{counted(len(exported), 'object')} exported from a cluster ({_some([one.obj for one in exported])}): "
            f"what that cluster has set is left out: {', '.join(fields)}"
        )
    owned = [f"{one.obj} (by {_some(one.owners)})" for one in listed if one.owners]
    if owned:
        parts.append(
            f"metadata.ownerReferences are left out: what owned {_some(owned)} there doesn't own it here, and the "
            "garbage collector would delete it"
        )
    kept = [f"{one.obj} ({_some(one.finalizers)})" for one in listed if one.finalizers]
    if kept:
        parts.append(
            f"metadata.finalizers are left out of {_some(kept)}: Karmada sends none, and in the control plane nobody "
            "would take them away, so that no deletion would end"
        )
    return f"{owner}: {'; '.join(parts)}" if parts else ""


def _without(obj: Object) -> tuple[Object, Dropped | None]:
    kind = kind_of(obj)
    exported = is_exported(obj)
    rows = _rows(kind, exported)
    if not exported and _is_plain(obj, rows):
        return obj, None
    # A CustomResourceDefinition's schema is large, and none of a server's.
    places = {row.path[0] for row in rows} | {path[0] for path in _metadata_of(kind)}
    result = {key: deepcopy(value) if key in places else value for key, value in obj.items()}
    fields = [_name(row.path) for row in rows if _drop(result, row)]
    owners, finalizers = _owners(obj), _texts(obj["metadata"].get("finalizers"))
    for path in (_OWNERS, _FINALIZERS):
        _drop(result, Row(path, META))
    _silently(result)
    if result == obj:
        return obj, None
    if not (fields or owners or finalizers):
        return result, None
    name = escaped(f"{obj['kind']} {obj['metadata']['name']}")
    return result, Dropped(name, tuple(fields), owners, finalizers)


def _is_plain(obj: Object, rows: tuple[Row, ...]) -> bool:
    """Tell at a glance that there is nothing to leave out: a run asks of every object many times."""
    if "status" in obj or "finalizers" in obj["metadata"] or "ownerReferences" in obj["metadata"]:
        return False
    if any(row.path[0] in obj for row in rows):
        return False
    metadata = [one for path in _metadata_of(kind_of(obj)) for one in _at(obj, path)]
    return not any(isinstance(one, dict) and "creationTimestamp" in one for one in metadata)


@lru_cache
def _rows(kind: GroupKind, exported: bool) -> tuple[Row, ...]:
    return tuple(row for row in ROWS if (exported or row.always) and (not row.kinds or kind in row.kinds))


@lru_cache
def _metadata_of(kind: GroupKind) -> tuple[tuple[Step, ...], ...]:
    """Return where a kind's metadata stand: its own and those of its templates."""
    return (("metadata",), *(path for path, kinds in _TEMPLATES if kind in kinds))


def _silently(obj: Object) -> None:
    """Drop what generators leave behind."""
    if "status" in obj and _hollow(obj["status"]):
        del obj["status"]
    for path in _metadata_of(kind_of(obj)):
        for metadata in _at(obj, path):
            if isinstance(metadata, dict) and "creationTimestamp" in metadata and not metadata["creationTimestamp"]:
                del metadata["creationTimestamp"]


def _drop(obj: Object, row: Row) -> bool:
    """Drop what a row is about; tell whether there was anything with a meaning."""
    *within, last = row.path
    found = False
    for parent in _at(obj, tuple(within)):
        if not isinstance(parent, dict) or last not in parent:
            continue
        value = parent[last]
        if row.entry is not None:
            kept = [one for one in value if not row.entry(obj, one)] if isinstance(value, list) else value
            if kept == value:
                continue
            parent[last] = kept
            if not kept:
                del parent[last]
        elif row.only(obj, value):
            del parent[last]
        else:
            continue
        found = found or not _hollow(value)
    if found:
        _drop_empty(obj, tuple(within))
    return found


def _drop_empty(obj: Object, path: tuple[Step, ...]) -> None:
    """Drop the maps that have become empty, from the inside to the outside."""
    while path and path != ("metadata",) and "*" not in path:
        (value,) = _at(obj, path) or (None,)
        if value != {}:
            return
        *within, last = path
        for parent in _at(obj, tuple(within)):
            del parent[last]
        path = tuple(within)


def _at(value: Any, path: tuple[Step, ...]) -> list[Any]:
    """Return what stands at a path, once for every entry of a list on the way."""
    found = [value]
    for step in path:
        if step == "*":
            found = [entry for one in found if isinstance(one, list) for entry in one]
        else:
            found = [one[step] for one in found if isinstance(one, dict) and step in one]
    return found


def _owners(obj: Object) -> tuple[str, ...]:
    listed = obj["metadata"].get("ownerReferences")
    owners = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return tuple(escaped(f"{one.get('kind')} {one.get('name')}"[:_TEXT]) for one in owners)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(escaped(str(one)[:_TEXT]) for one in value) if isinstance(value, list) else ()


def _hollow(value: Any) -> bool:
    """Tell whether a value says nothing: a generator fills a status with zeros and empty texts."""
    if isinstance(value, dict):
        return all(_hollow(entry) for entry in value.values())
    if isinstance(value, list):
        return all(_hollow(entry) for entry in value)
    return not value


def _name(path: tuple[Step, ...]) -> str:
    if path[:2] in (("metadata", "annotations"), ("metadata", "labels")):
        return f"{path[1][:-1]} {path[2]}"
    return ".".join(path).replace(".*", "[]")


def _some(names: Iterable[str]) -> str:
    return names_of(list(dict.fromkeys(names)), _SHOWN)
