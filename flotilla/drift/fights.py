"""Two owners that write the same fields in turn: the watch that sees it, and what is said of it.

Karmada takes back within a second what a controller in a member changes of a copy, and the controller writes again:
each look finds the object as it should be, or as it was a moment ago. A watch sees every write.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial

from flotilla.drift.comparing import Suspect
from flotilla.drift.findings import DriftReport, Finding, Layer, Remedy
from flotilla.errors import FlotillaError
from flotilla.kube.connection import Connection
from flotilla.kube.merge_keys import shape_of
from flotilla.kube.objects import Difference, Object, differences, path_text, pointer_text, ref_of
from flotilla.kube.ownership import writer_of_change

RULE = "two-owners"
REMEDY = (
    "leave the field out of the template, keep the member's value by a retention in a "
    "ResourceInterpreterCustomization, or stop one of the two"
)
_QUIET_SECONDS = 2
"""An object that nobody writes for so long is at rest."""
_FIGHT_SECONDS = 8
"""One that somebody writes is watched for so long at most; less where a fight is certain before."""
_IN_A_CLUSTER, _IN_ALL = 4, 64
_AT_ONCE = 32
_WHOLE_SECONDS = 20.0
_RETURNS = 2
"""A field that comes back to a former value so often is written in turn; one change that is taken back does so once."""
_NAMED = 3
_KEPT_OF_METADATA = ("labels", "annotations", "finalizers")


@dataclass
class Turns:
    """The states of one object, one after the other, and which of its fields went back to former values."""

    state: Object
    writes: int = 0
    """How many states with other content there were after the first."""
    _history: dict[str, list[str]] = field(default_factory=dict)
    _writers: dict[str, dict[str, None]] = field(default_factory=dict)
    _paths: dict[str, Difference] = field(default_factory=dict)

    def then(self, state: Object) -> None:
        """Take the next state."""
        changed = _changed(self.state, state)
        if changed:
            self.writes += 1
            writer = writer_of_change(self.state, state).manager
            for text, difference in changed.items():
                history = self._history.setdefault(text, [_text(difference.wanted)])
                history.append(_text(difference.found))
                self._writers.setdefault(text, {})[writer] = None
                self._paths.setdefault(text, difference)
        self.state = state

    @property
    def fought(self) -> list[Difference]:
        """The fields that are written in turn."""
        return [self._paths[text] for text, history in sorted(self._history.items()) if _returns(history) >= _RETURNS]

    @property
    def writers(self) -> list[str]:
        """Who wrote them, those that the server knows."""
        names = [name for one in self.fought for name in self._writers[one.text]]
        return [name for name in dict.fromkeys(names) if name]


def _returns(history: list[str]) -> int:
    return sum(value in history[:place] for place, value in enumerate(history))


def _changed(old: Object, new: Object) -> dict[str, Difference]:
    """Return every field of which two states differ, with its value before (`wanted`) and after (`found`)."""
    before, after, shape = _content(old), _content(new), shape_of(old)
    found = {one.text: one for one in differences(before, after, shape=shape)}
    added = (Difference(one.path, one.found, one.wanted) for one in differences(after, before, shape=shape))
    return {**{one.text: one for one in added}, **found}


def _content(obj: Object) -> Object:
    """Return what owners of an object write: all but its status and the server's bookkeeping."""
    metadata = {key: value for key, value in obj["metadata"].items() if key in _KEPT_OF_METADATA}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def with_fights(
    report: DriftReport, suspects: Mapping[str, list[Suspect]], access: Mapping[str, Connection]
) -> DriftReport:
    """Watch the objects that were written just before, and add the fights among them to a report.

    A fight takes the place of findings on the same fields. What can't be watched, or not in time, is left as it is.

    Args:
        report: what was found.
        suspects: by cluster.
        access: the clusters' connections.
    """
    meant = list(_most_recent(suspects))
    if not meant:
        return report
    began = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(meant)), thread_name_prefix="fights")
    futures: list[Future[Finding | None]] = [pool.submit(partial(_watched, access[name], s)) for name, s in meant]
    done, _ = wait(futures, timeout=_WHOLE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    found = [finding for future in futures if future in done and (finding := future.result())]
    return report.with_findings(_in_place_of(found, report.findings), seconds=time.monotonic() - began)


def _most_recent(suspects: Mapping[str, list[Suspect]]) -> Iterator[tuple[str, Suspect]]:
    """Yield the suspects that were written last: a few of each cluster, and not too many in all."""
    chosen = [
        (name, suspect)
        for name, ones in suspects.items()
        for suspect in sorted(ones, key=lambda one: one.written, reverse=True)[:_IN_A_CLUSTER]
    ]
    yield from sorted(chosen, key=lambda one: one[1].written, reverse=True)[:_IN_ALL]


def _in_place_of(fights: list[Finding], findings: Iterable[Finding]) -> list[Finding]:
    taken = {(one.cluster, one.object) for one in fights}
    kept = [
        one
        for one in findings
        if (one.cluster, one.object) not in taken
        or not any(one.cluster == f.cluster and one.object == f.object and _covers(f.path, one.path) for f in fights)
    ]
    return [*kept, *fights]


def _covers(fought: str, path: str) -> bool:
    return bool(path) and (path == fought or path.startswith((f"{fought}.", f"{fought}[")))


def _watched(connection: Connection, suspect: Suspect) -> Finding | None:
    """Watch one object until it is at rest, a fight is certain, or it has been long enough."""
    turns = Turns(suspect.live)
    end = time.monotonic() + _FIGHT_SECONDS
    try:
        for seconds in (_QUIET_SECONDS, _FIGHT_SECONDS - _QUIET_SECONDS):
            for state in _states(connection, turns.state, seconds):
                turns.then(state)
                if turns.fought or time.monotonic() > end:
                    break
            if turns.fought or not turns.writes:
                break
    except FlotillaError:
        pass  # what was seen counts
    return fight(connection.name, suspect.layer, turns) if turns.fought else None


def _states(connection: Connection, obj: Object, seconds: int) -> Iterator[Object]:
    meta = obj["metadata"]
    events = connection.watch(
        obj["apiVersion"],
        obj["kind"],
        resource_version=str(meta["resourceVersion"]),
        namespace=meta.get("namespace"),
        fields=f"metadata.name={meta['name']}",
        seconds=seconds,
    )
    for event in events:
        if event["type"] == "DELETED":
            return
        if event["type"] == "MODIFIED":
            yield event["object"]


def fight(cluster: str, layer: Layer, turns: Turns) -> Finding:
    """Return the finding of a fight."""
    first, *more = turns.fought
    names = turns.writers
    who = " and ".join(names) if len(names) > 1 else " and ".join([*names, "another that the server doesn't name"])
    others = [path_text(one.path) for one in more[: _NAMED - 1]]
    also = f" (also {', '.join(others)}{' and more' if len(more) > len(others) else ''})" if others else ""
    return Finding(
        layer,
        RULE,
        cluster,
        str(ref_of(turns.state)),
        f"two owners fight over {first.text}{also}: {who} write it in turn; {REMEDY}",
        path=first.text,
        pointer=pointer_text(first.path),
        remedy=Remedy.MANUAL,
    )
