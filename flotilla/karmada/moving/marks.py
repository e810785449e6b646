"""The mark of a move that is under way: an annotation of the workload's policies, removed with the last write.

It contains what a later run can't find out any more: the former replicas of templates, and where these ran.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from flotilla.karmada.moving.stages import Shift
from flotilla.kube.objects import Object, ObjectRef

MOVING = "flotilla.dev/moving"
"""The key of the annotation."""


@dataclass(frozen=True)
class Mark:
    """The situation before a move; the keys are templates as `ObjectRef` writes them."""

    replicas: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    leaving: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    by: str = ""
    """The run that began the move: its process and host."""
    since: str = ""
    """When the move began (RFC 3339)."""

    @classmethod
    def of(cls, shifts: Iterable[Shift]) -> Mark:
        """Return the mark of a new move."""
        listed = list(shifts)
        return cls(
            {str(one.ref): one.replicas for one in listed if one.replicas is not None},
            {str(one.ref): {name: count or 0 for name, count in one.before.items()} for one in listed},
            tuple(sorted({name for one in listed for name in one.leaving})),
            tuple(sorted({name for one in listed for name in one.coming})),
        )

    @property
    def signed(self) -> Mark:
        """The mark with this process and the current time."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return replace(self, by=f"process {os.getpid()} on {socket.gethostname()}", since=now)

    @property
    def text(self) -> str:
        """The mark for people: `from member1 to member2`."""
        return f"from {', '.join(self.leaving) or 'nowhere'} to {', '.join(self.coming) or 'nowhere'}"

    def going_on_from(self, earlier: Mark | None) -> Mark:
        """Return the mark, completed with what the mark of an interrupted move knows about the same templates."""
        if earlier is None:
            return self
        return Mark({**self.replicas, **earlier.replicas}, {**self.shares, **earlier.shares}, self.leaving, self.coming)

    def known(self, ref: ObjectRef) -> Mapping[str, int]:
        """Return where a template ran before; empty for a template that the mark doesn't know."""
        return self.shares.get(str(ref), {})

    def write(self) -> str:
        """Return the value of the annotation."""
        return json.dumps(
            {name: getattr(self, name) for name in ("replicas", "shares", "leaving", "coming", "by", "since")},
            sort_keys=True,
        )


def mark_of(policies: Iterable[Object]) -> Mark | None:
    """Return the mark of the first policy that has one; None where none has. An unreadable mark is an empty one."""
    for policy in policies:
        text = (policy["metadata"].get("annotations") or {}).get(MOVING)
        if text is not None:
            return _read(str(text))
    return None


def _read(text: str) -> Mark:
    with suppress(ValueError, TypeError, AttributeError, KeyError):
        found = json.loads(text)
        return Mark(
            {str(ref): int(count) for ref, count in found["replicas"].items()},
            {str(ref): {str(n): int(c) for n, c in shares.items()} for ref, shares in found["shares"].items()},
            tuple(map(str, found["leaving"])),
            tuple(map(str, found["coming"])),
            str(found["by"]),
            str(found["since"]),
        )
    return Mark()
