"""Removes what a server has set from manifests that were exported from a cluster (`kubectl get -o yaml`).

Such fields would make the declaration fail (a UID, a Service's address), make it wait forever for something that
Karmada doesn't send, or make a garbage collector delete the template. Fields that a user may also have written (a
Service's address, a Pod's node) are removed only from objects that a server has evidently written. Leftovers of
generators (`creationTimestamp: null`, an empty `status`) are removed without a notice.
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
_SERVER_METADATA = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "generation",
    "deletionTimestamp",
)
"""Fields of an object's metadata that only a server writes."""
_TEMPLATES: tuple[tuple[tuple[Step, ...], tuple[GroupKind, ...]], ...] = (
    (("spec", "template", "metadata"), (DEPLOYMENT, REPLICA_SET, DAEMON_SET, STATEFUL_SET, JOB)),
    (("spec", "jobTemplate", "metadata"), (CRON_JOB,)),
    (("spec", "jobTemplate", "spec", "template", "metadata"), (CRON_JOB,)),
    (("spec", "volumeClaimTemplates", "*", "metadata"), (STATEFUL_SET,)),
)
"""Other places of metadata, which have `creationTimestamp: null` if Kubernetes' own Go types were serialized."""


@dataclass(frozen=True)
class Dropped:
    """The fields that were removed from one object."""

    obj: str
    """Kind and name."""
    fields: tuple[str, ...] = ()
    """Fields that its server had set."""
    owners: tuple[str, ...] = ()
    """Kind and name of each object that owned it."""
    finalizers: tuple[str, ...] = ()


def is_exported(obj: Object) -> bool:
    """Return whether an object shows that an API server has written it."""
    metadata = obj["metadata"]
    if any(metadata.get(key) for key in _SERVER_METADATA) or _owners(obj) or not _hollow(obj.get("status")):
        return True
    labels, annotations = (metadata.get(part) or {} for part in ("labels", "annotations"))
    return any(key in labels for key in (*marks.LABELS, *POLICY_ID_LABELS.values())) or any(
        key in annotations for key in marks.ANNOTATIONS - {marks.CONFLICT}
    )


def cleaned(obj: Object) -> Object:
    """Return an object without fields that a server has set; the object itself where it has none."""
    return _without(obj)[0]


def dropped(obj: Object) -> Dropped | None:
    """Return the removed fields about which the user must know; None where there are none."""
    return _without(obj)[1]


def notice(owner: str, found: Iterable[Dropped]) -> str:
    """Return the notice about fields that were removed from exported manifests, in one line; empty where there is none.

    Args:
        owner: the owner of the manifests, such as `workload web`.
        found: the removed fields.
    """
    listed = list(found)
    exported = [one for one in listed if one.fields]
    fields = list(dict.fromkeys(field for one in exported for field in one.fields))
    parts = []
    if exported:
        parts.append(
            f"{counted(len(exported), 'object')} exported from a cluster ({_some([one.obj for one in exported])}): "
            f"fields that the cluster has set are left out: {', '.join(fields)}"
        )
    owned = [f"{one.obj} (by {_some(one.owners)})" for one in listed if one.owners]
    if owned:
        parts.append(
            f"metadata.ownerReferences are left out: the owners of {_some(owned)} don't exist here, so the "
            "garbage collector would delete it"
        )
    kept = [f"{one.obj} ({_some(one.finalizers)})" for one in listed if one.finalizers]
    if kept:
        parts.append(
            f"metadata.finalizers are left out of {_some(kept)}: Karmada sends none, and in the control plane nothing "
            "would remove them, so a deletion would never finish"
        )
    return f"{owner}: {'; '.join(parts)}" if parts else ""


def _without(obj: Object) -> tuple[Object, Dropped | None]:
    kind = kind_of(obj)
    exported = is_exported(obj)
    rows = _rows(kind, exported)
    if not exported and _is_plain(obj, rows):
        return obj, None
    # A CustomResourceDefinition's schema is large, and a server sets nothing in it: it isn't copied.
    places = {row.path[0] for row in rows} | {path[0] for path in _metadata_of(kind)}
    result = {key: deepcopy(value) if key in places else value for key, value in obj.items()}
    fields = [_name(row.path) for row in rows if _drop(result, row)]
    owners, finalizers = _owners(obj), _texts(obj["metadata"].get("finalizers"))
    for path in (_OWNERS, _FINALIZERS):
        _drop(result, Row(path, META))
    _drop_leftovers(result)
    if result == obj:
        return obj, None
    if not (fields or owners or finalizers):
        return result, None
    name = escaped(f"{obj['kind']} {obj['metadata']['name']}")
    return result, Dropped(name, tuple(fields), owners, finalizers)


def _is_plain(obj: Object, rows: tuple[Row, ...]) -> bool:
    """Return whether there is clearly nothing to remove; a fast check, because a run asks many times per object."""
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
    """Return the places of a kind's metadata: its own, and those of its templates."""
    return (("metadata",), *(path for path, kinds in _TEMPLATES if kind in kinds))


def _drop_leftovers(obj: Object) -> None:
    """Remove leftovers of generators."""
    if "status" in obj and _hollow(obj["status"]):
        del obj["status"]
    for path in _metadata_of(kind_of(obj)):
        for metadata in _at(obj, path):
            if isinstance(metadata, dict) and "creationTimestamp" in metadata and not metadata["creationTimestamp"]:
                del metadata["creationTimestamp"]


def _drop(obj: Object, row: Row) -> bool:
    """Remove the field of a row, and return whether it had a meaningful value."""
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
    """Remove mappings that have become empty, from the innermost outwards."""
    while path and path != ("metadata",) and "*" not in path:
        (value,) = _at(obj, path) or (None,)
        if value != {}:
            return
        *within, last = path
        for parent in _at(obj, tuple(within)):
            del parent[last]
        path = tuple(within)


def _at(value: Any, path: tuple[Step, ...]) -> list[Any]:
    """Return the values at a path, one for every entry of a list on the way."""
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
    """Return whether a value has no content: a generator fills a status with zeros and empty strings."""
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
