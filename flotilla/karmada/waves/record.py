"""What is kept of a change in waves while it is under way: a Secret in the control plane.

It is made before the workload's objects change and removed at the end. Whoever runs `up` next goes on by it, and
`flotilla rollout` reads it and writes a person's wishes into its annotations. A Secret, since it has the content of the
templates as they were.
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
"""Every API server has it, and Karmada sends nothing of it anywhere."""
MANAGER = "flotilla-rollout"
"""The field manager of everything that a rollout in waves writes for its own sake."""
LABEL = "flotilla.dev/rollout"
"""On each record; its value is `record`."""
PAUSED, APPROVED, ABORTED = "flotilla.dev/rollout-paused", "flotilla.dev/rollout-approved", "flotilla.dev/rollout-abort"
"""Annotations by which a person asks for something: who asked and when, or approvals such as `before-2,after-2`."""
_MOST_BYTES = 700_000
# A Secret holds no more than 1 MiB; the rest of it is for the record, in which each cluster stands up to four times.
_MOST_TOGETHER = 900_000
_TYPE = "flotilla.dev/rollout"


class TooLarge(ValueError):
    """Objects don't fit into the Secret of a record."""


class Phase(StrEnum):
    """Where a change in waves stands."""

    HELD = "held"
    """No cluster has got the change."""
    MOVING = "moving"
    """A wave has got the change, and its gate isn't passed yet."""
    APPROVAL = "approval"
    """A person has to approve of it."""
    PAUSED = "paused"
    """A person has stopped it for the time being."""
    FAILED = "failed"
    """A wave hasn't passed its gate; nothing goes on until the next `up`."""
    REVERTING = "reverting"
    """Clusters that have got the change are getting back what they ran before."""
    REVERTED = "reverted"
    """All clusters run what they ran before."""


@dataclass(frozen=True)
class Record:
    """What is known of a change in waves."""

    workload: str
    declaration: str
    """A digest of what is rolled out."""
    waves: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """The waves, by number, with their clusters."""
    reached: tuple[str, ...] = ()
    """The clusters that have got the change."""
    touched: tuple[str, ...] = ()
    """The clusters that have got something else than they ran before the first of these changes."""
    passed: tuple[str, ...] = ()
    """The clusters of waves that have passed their gates."""
    phase: Phase = Phase.HELD
    why: str = ""
    """What is waited for, or why it stopped, in one line without values of secrets."""
    policies: tuple[tuple[str, str, str], ...] = ()
    """The policies that are suspended for later waves: kind, namespace and name."""
    since: str = ""
    """When it began (RFC 3339)."""
    before: str = ""
    """A digest of what all clusters ran before; empty where that isn't known."""
    paused: str = ""
    """Who has stopped it for the time being, and when; a person's wish, as the two that follow."""
    aborted: str = ""
    """Who wants it taken back, and when."""
    approved: tuple[str, ...] = ()
    """What was approved of: `before-2` is the beginning of wave 2."""

    @property
    def held(self) -> tuple[str, ...]:
        """The clusters that the change has not reached."""
        return tuple(sorted({name for _, names in self.waves for name in names} - set(self.reached)))


_WISHES = ("paused", "aborted", "approved")
_FIELDS = frozenset(field.name for field in fields(Record))


def reference(namespace: str, policy: str) -> ObjectRef:
    """Return where the record of a workload is.

    Args:
        namespace: the workload's.
        policy: the name that its policies have.
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
    """Return the record that a Secret holds; None where it holds none. Fields of another version are ignored."""
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
    """Return a record as a Secret's data has it."""
    plain = {key: value for key, value in vars(record).items() if key not in _WISHES}
    return {"record": _encoded(json.dumps(plain, sort_keys=True).encode())}


def before_data(objects: Iterable[Object]) -> dict[str, str]:
    """Return objects as they were before a change, as the data of a record's Secret.

    Raises:
        TooLarge: they don't fit, even compressed.
    """
    return _contents_data("before", _packed(objects), _MOST_BYTES)


def after_data(before: list[Object], after: Iterable[Object]) -> dict[str, str]:
    """Return what a change has made of objects, as the data of a record's Secret: those that differ from before.

    Args:
        before: the objects that the record keeps already.
        after: the objects as they are now.

    Raises:
        TooLarge: they don't fit beside those of before, even compressed.
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
    """Return objects that a record keeps; None where it keeps none of that name."""
    text = (secret.get("data") or {}).get(name)
    if not text:
        return None
    found: list[Object] = json.loads(gzip.decompress(base64.b64decode(text)))
    return found


def secret_of(where: ObjectRef, data: Mapping[str, str]) -> dict[str, Any]:
    """Return the Secret that keeps a record."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": where.name, "namespace": where.namespace, "labels": {LABEL: "record"}},
        "type": _TYPE,
        "data": dict(data),
    }


class Store:
    """Where the record of one workload is kept."""

    def __init__(self, connection: Connection, where: ObjectRef) -> None:
        """Take the control plane, and where the record is; nothing is sent yet."""
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
        """Read the objects that are kept as they were `before`, or `after`; none where none are kept."""
        found = self._connection.find(self._where)
        return (contents_of(found, name) or []) if found is not None else []

    def create(self, record: Record, data: Mapping[str, str]) -> None:
        """Make the record; what is left of one that can't be read is written over."""
        secret = secret_of(self._where, {**record_data(record), **data})
        if self._connection.find(self._where) is None:
            self._connection.create(secret, field_manager=MANAGER)
        else:
            self._connection.replace(secret, field_manager=MANAGER)

    def write(self, record: Record, data: Mapping[str, str | None] | None = None) -> None:
        """Write the record, and objects that are kept; a person's wishes stay as they are."""
        self._patch({"data": {**record_data(record), **(data or {})}})

    def forget_wishes(self, *annotations: str) -> None:
        """Take off what a person has asked for."""
        self._patch({"metadata": {"annotations": dict.fromkeys(annotations)}})

    def remove(self) -> None:
        """Remove the record."""
        self._connection.delete(self._where, propagation="Background")

    def _patch(self, body: Object) -> None:
        self._connection.patch(self._where, body, query={"fieldManager": MANAGER})


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
