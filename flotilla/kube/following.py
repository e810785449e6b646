"""A watch that goes on: what was seen, so that a stream that ends, breaks or is too old is taken up without a gap."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from flotilla.kube.objects import Object
from flotilla.kube.operations import Page

Identity = tuple[str, str]


class Event(NamedTuple):
    """What happened to an object: ADDED, MODIFIED or DELETED; for DELETED its last known state."""

    type: str
    object: Object


@dataclass
class Followed:
    """The objects of a kind as they were last seen, and the version to go on from."""

    resource_version: str = ""
    _seen: dict[Identity, Object] = field(default_factory=dict)

    def listed(self, page: Page) -> list[Event]:
        """Take a whole list; return what it tells that wasn't known, deletions that no watch reported included."""
        now = {_identity(item): item for item in page.items}
        events = [Event("DELETED", item) for key, item in self._seen.items() if key not in now]
        for key, item in now.items():
            held = self._seen.get(key)
            if held is None:
                events.append(Event("ADDED", item))
            elif _version(held) != _version(item):
                events.append(Event("MODIFIED", item))
        self._seen = now
        self.resource_version = page.resource_version
        return events

    def happened(self, event: Object) -> Event | None:
        """Take an event of a watch; None for a bookmark, and for what a list had already."""
        item = event["object"]
        self.resource_version = _version(item) or self.resource_version
        if event["type"] == "BOOKMARK":
            return None
        key = _identity(item)
        held = self._seen.get(key)
        if event["type"] == "DELETED":
            return Event("DELETED", item) if self._seen.pop(key, None) is not None else None
        if held is not None and _version(held) == _version(item):
            return None
        self._seen[key] = item
        return Event("ADDED" if held is None else "MODIFIED", item)


def _identity(item: Object) -> Identity:
    meta = item["metadata"]
    return (meta.get("namespace") or "", meta["name"])


def _version(item: Object) -> str:
    return str((item.get("metadata") or {}).get("resourceVersion") or "")
