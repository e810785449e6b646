"""The state of a continuous watch: a stream that ends, breaks or is too old is resumed without missing a change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from flotilla.kube.objects import Object
from flotilla.kube.operations import Page

Identity = tuple[str, str]


class Event(NamedTuple):
    """A change of an object: ADDED, MODIFIED or DELETED; for DELETED with the last known state of the object."""

    type: str
    object: Object


@dataclass
class Followed:
    """The objects of a kind as they were last seen, and the resource version to continue from."""

    resource_version: str = ""
    _seen: dict[Identity, Object] = field(default_factory=dict)

    def listed(self, page: Page) -> list[Event]:
        """Take a complete list; return the changes since the last state, including deletions that no watch reported."""
        now = {_identity(item): item for item in page.items}
        events = [Event("DELETED", item) for key, item in self._seen.items() if key not in now]
        for key, item in now.items():
            last = self._seen.get(key)
            if last is None:
                events.append(Event("ADDED", item))
            elif _version(last) != _version(item):
                events.append(Event("MODIFIED", item))
        self._seen = now
        self.resource_version = page.resource_version
        return events

    def happened(self, event: Object) -> Event | None:
        """Take an event of a watch; return None for a bookmark, and for a change that a list has shown already."""
        item = event["object"]
        self.resource_version = _version(item) or self.resource_version
        if event["type"] == "BOOKMARK":
            return None
        key = _identity(item)
        last = self._seen.get(key)
        if event["type"] == "DELETED":
            return Event("DELETED", item) if self._seen.pop(key, None) is not None else None
        if last is not None and _version(last) == _version(item):
            return None
        self._seen[key] = item
        return Event("ADDED" if last is None else "MODIFIED", item)


def _identity(item: Object) -> Identity:
    meta = item["metadata"]
    return (meta.get("namespace") or "", meta["name"])


def _version(item: Object) -> str:
    return str((item.get("metadata") or {}).get("resourceVersion") or "")
