"""The record of a change in waves while it is under way: a Secret in the control plane.

It is created before the workload's objects change, and deleted at the end. The next `up` continues from it. `flotilla
rollout` reads it and writes a person's requests into its annotations. It is a Secret because it contains the former
content of the templates.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from flotilla.counts import counted
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef

NAMESPACE = "kube-system"
"""This namespace exists in every API server, and Karmada doesn't propagate its objects."""
MANAGER = "flotilla-rollout"
"""The field manager for everything that a rollout in waves writes for its own purposes."""
LABEL = "flotilla.dev/rollout"
"""The label of each record; its value is `record`."""
PAUSED, APPROVED, ABORTED = "flotilla.dev/rollout-paused", "flotilla.dev/rollout-approved", "flotilla.dev/rollout-abort"
"""Annotations with a person's requests: who asked and when, or approvals such as `before-2,after-2`."""
_MOST_BYTES = 700_000
# A Secret can have at most 1 MiB; the rest of it is for the record, which names each cluster up to four times.
_MOST_TOGETHER = 900_000
_TYPE = "flotilla.dev/rollout"


class TooLarge(ValueError):
    """Objects don't fit into the Secret of a record."""


class Phase(StrEnum):
    """The state of a change in waves."""

    NOT_BEGUN = "held"
    """No cluster has the change yet."""
    MOVING = "moving"
    """A wave has the change, but hasn't passed its gate yet."""
    APPROVAL = "approval"
    """A person has to approve the next step."""
    PAUSED = "paused"
    """A person has paused it."""
    FAILED = "failed"
    """A wave hasn't passed its gate; nothing happens until the next `up`."""
    REVERTING = "reverting"
    """Clusters that have the change are getting their former objects back."""
    REVERTED = "reverted"
    """All clusters run their former objects."""


@dataclass(frozen=True)
class Record:
    """The facts about a change in waves."""

    workload: str
    declaration: str
    """A digest of the declaration that is rolled out."""
    waves: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """The waves, by number, with their clusters."""
    reached: tuple[str, ...] = ()
    """The clusters that have the change."""
    touched: tuple[str, ...] = ()
    """The clusters that have got anything different since the first of these changes."""
    passed: tuple[str, ...] = ()
    """The clusters of waves that have passed their gates."""
    phase: Phase = Phase.NOT_BEGUN
    why: str = ""
    """What it waits for, or why it has stopped, in one line without values of secrets."""
    policies: tuple[tuple[str, str, str], ...] = ()
    """The policies that are suspended for later waves: kind, namespace and name."""
    since: str = ""
    """When it began (RFC 3339)."""
    before: str = ""
    """A digest of the declaration that all clusters ran before; empty where that isn't known."""
    paused: str = ""
    """Who has paused it, and when. This and the next two fields are a person's requests."""
    aborted: str = ""
    """Who has requested an abort, and when."""
    approved: tuple[str, ...] = ()
    """The approvals: `before-2` is the beginning of wave 2."""

    @property
    def held_back(self) -> tuple[str, ...]:
        """The clusters that the change has not reached."""
        return tuple(sorted({name for _, names in self.waves for name in names} - set(self.reached)))


_REQUESTS = ("paused", "aborted", "approved")
_FIELDS = frozenset(field.name for field in fields(Record))


def reference(namespace: str, policy: str) -> ObjectRef:
    """Return the reference to the record of a workload.

    Args:
        namespace: the workload's namespace.
        policy: the name of its policies.
    """
    return ObjectRef("v1", "Secret", f"flotilla-rollout.{namespace}.{policy}", NAMESPACE)


def list_records(connection: Connection) -> dict[ObjectRef, Record]:
    """Read every record of a control plane.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    listed = connection.list("v1", "Secret", namespace=NAMESPACE, labels=f"{LABEL}=record")
    found = {ObjectRef("v1", "Secret", item["metadata"]["name"], NAMESPACE): record_of(item) for item in listed}
    return {where: record for where, record in found.items() if record is not None}


def record_of(secret: Object) -> Record | None:
    """Return the record in a Secret; None where it contains none. Fields of other versions are ignored."""
    try:
        plain = json.loads(base64.b64decode((secret.get("data") or {})["record"]))
        annotations = secret["metadata"].get("annotations") or {}
        return Record(
            **{
                **{key: value for key, value in plain.items() if key in _FIELDS},
                "waves": tuple((int(number), tuple(names)) for number, names in plain["waves"]),
                "policies": tuple(tuple(one) for one in plain["policies"]),
                **{key: tuple(plain[key]) for key in ("reached", "touched", "passed")},
                "phase": Phase(plain["phase"]),
                "paused": annotations.get(PAUSED, ""),
                "aborted": annotations.get(ABORTED, ""),
                "approved": tuple(one for one in annotations.get(APPROVED, "").split(",") if one),
            }
        )
    except (KeyError, TypeError, ValueError):
        return None


def record_data(record: Record) -> dict[str, str]:
    """Return a record in the form of a Secret's data."""
    plain = {key: value for key, value in vars(record).items() if key not in _REQUESTS}
    return {"record": _encoded(json.dumps(plain, sort_keys=True).encode())}


def before_data(objects: Iterable[Object]) -> dict[str, str]:
    """Return objects as they were before a change, in the form of a Secret's data.

    Args:
        objects: the objects in the API's form.

    Raises:
        TooLarge: they don't fit, even compressed.
    """
    return _contents_data("before", _packed(objects), _MOST_BYTES)


def after_data(before: list[Object], after: Iterable[Object]) -> dict[str, str]:
    """Return the objects that a change has made different, in the form of a Secret's data.

    Args:
        before: the objects that the record stores already.
        after: the current objects.

    Raises:
        TooLarge: they don't fit into the Secret beside `before`, even compressed.
    """
    changed = [one for one in after if one not in before]
    return _contents_data("after", _packed(changed), _MOST_TOGETHER - len(_packed(before)))


def _packed(objects: Iterable[Object]) -> bytes:
    return gzip.compress(json.dumps(list(objects), sort_keys=True).encode(), mtime=0)


def _contents_data(name: str, packed: bytes, most: int) -> dict[str, str]:
    if len(packed) > most:
        raise TooLarge(f"{counted(len(packed), 'byte')}, compressed; the Secret of its record has room for {most}")
    return {name: _encoded(packed)}


def contents_of(secret: Object, name: str) -> list[Object] | None:
    """Return the objects that a record stores under a name; None where it has none."""
    text = (secret.get("data") or {}).get(name)
    if not text:
        return None
    found: list[Object] = json.loads(gzip.decompress(base64.b64decode(text)))
    return found


def secret_of(where: ObjectRef, data: Mapping[str, str]) -> dict[str, Any]:
    """Return the Secret for a record."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": where.name, "namespace": where.namespace, "labels": {LABEL: "record"}},
        "type": _TYPE,
        "data": dict(data),
    }


class Store:
    """Reads and writes the record of one workload."""

    def __init__(self, connection: Connection, where: ObjectRef) -> None:
        """Store the connection and the reference to the record; no request is sent yet."""
        self._connection = connection
        self._where = where

    def read(self) -> Record | None:
        """Read the record; None where nothing is under way.

        Raises:
            ClusterError: the control plane could not be asked.
        """
        found = self._connection.find(self._where)
        return record_of(found) if found is not None else None

    def contents(self, name: str) -> list[Object]:
        """Return the objects stored under a name (`before` or `after`); an empty list where none are stored."""
        found = self._connection.find(self._where)
        return (contents_of(found, name) or []) if found is not None else []

    def create(self, record: Record, data: Mapping[str, str]) -> None:
        """Create the record; the rest of an unreadable one is overwritten."""
        secret = secret_of(self._where, {**record_data(record), **data})
        if self._connection.find(self._where) is None:
            self._connection.create(secret, field_manager=MANAGER)
        else:
            self._connection.replace(secret, field_manager=MANAGER)

    def write(self, record: Record, data: Mapping[str, str | None] | None = None) -> None:
        """Write the record, and optionally stored objects; a person's requests stay unchanged."""
        self._patch({"data": {**record_data(record), **(data or {})}})

    def forget_requests(self, *annotations: str) -> None:
        """Remove a person's requests."""
        self._patch({"metadata": {"annotations": dict.fromkeys(annotations)}})

    def remove(self) -> None:
        """Remove the record."""
        self._connection.delete(self._where, propagation="Background")

    def _patch(self, body: Object) -> None:
        self._connection.patch(self._where, body, query={"fieldManager": MANAGER})


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
