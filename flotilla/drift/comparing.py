"""Compares a cluster's objects with the wanted ones, and notes which of them were written only a moment ago."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from flotilla.drift.findings import Layer
from flotilla.errors import ClusterError
from flotilla.karmada.kinds import DEFINITION, group_of
from flotilla.kube.connection import Connection, KindNotServed
from flotilla.kube.merge_keys import defined_shape, is_listed, object_differences
from flotilla.kube.objects import Difference, Item, Object, ObjectRef, differences
from flotilla.kube.ownership import writers
from flotilla.kube.shapes import Shape

RECENT = dt.timedelta(seconds=10)
"""Only an object that was written within this time may be the subject of a fight."""
_SETTLED = 4
"""Two rounds of a fight raise an object's generation by four; an object with less is not part of a fight."""


@dataclass(frozen=True)
class Suspect:
    """An object that was written several times, the last time shortly before it was read."""

    layer: Layer
    live: Object
    written: str
    """When it was written last (RFC 3339)."""


class Comparing:
    """Compares the objects of one cluster, for one check."""

    def __init__(self, connection: Connection) -> None:
        """Start without results. The connection is used to read the definitions of custom kinds when needed."""
        self._connection = connection
        self._shapes: dict[tuple[str, str], Shape | None] = {}
        self.suspects: list[Suspect] = []

    def differences(self, layer: Layer, wanted: Object, live: Object) -> list[Difference]:
        """Return the differences between the wanted and the live object; lists are compared by their merge keys."""
        if written := _just_written(live, self._now()):
            self.suspects.append(Suspect(layer, live, written))
        found = object_differences(wanted, live)
        if is_listed(wanted) or not any(_concerns_lists(one) for one in found):
            return found
        shape = self._defined(wanted)
        return differences(wanted, live, shape=shape) if shape else found

    def _defined(self, obj: Object) -> Shape | None:
        """Return the shape of a custom kind's lists from its definition; None if there is no readable definition."""
        kind = (str(obj["apiVersion"]), str(obj["kind"]))
        if kind not in self._shapes:
            self._shapes[kind] = self._read_definition(*kind)
        return self._shapes[kind]

    def _read_definition(self, api_version: str, kind: str) -> Shape | None:
        if "." not in group_of(api_version):
            return None
        try:
            plural = self._connection.resource(api_version, kind).plural
            name = f"{plural}.{group_of(api_version)}"
            definition = self._connection.find(ObjectRef("apiextensions.k8s.io/v1", DEFINITION[1], name))
        except (ClusterError, KindNotServed):
            return None  # lists are then compared as a whole, so elements of other owners count as differences too
        return defined_shape(definition, api_version) if definition else None

    def _now(self) -> dt.datetime:
        """Return the time of the cluster's clock, which may differ from the local one."""
        try:
            return parsedate_to_datetime(self._connection.traffic.date)
        except (ValueError, AttributeError):
            return dt.datetime.now(dt.UTC)


def _concerns_lists(difference: Difference) -> bool:
    lists = isinstance(difference.wanted, list)
    return lists or any(isinstance(step, int | Item) for step in difference.path)


def _just_written(live: Object, now: dt.datetime) -> str:
    """Return when an object was last written, if that is recent and the object is not new; empty otherwise."""
    meta = live["metadata"]
    if int(meta.get("generation") or _SETTLED) < _SETTLED:
        return ""
    latest = max((one.time for one in writers(live)), default="")
    if not latest or latest == meta.get("creationTimestamp"):
        return ""
    try:
        return latest if now - dt.datetime.fromisoformat(latest) < RECENT else ""
    except (ValueError, TypeError):
        return ""
