"""Finds fights: two owners that write the same field of an object in turn.

If a controller in a member changes a copy, Karmada restores the copy within a second, and the controller writes again.
A single read finds the object either as wanted or as changed. Only a watch sees every write.
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
"""An object that is not written within this time is no longer watched."""
_FIGHT_SECONDS = 8
"""An object that is written is watched at most this long; shorter if a fight is certain earlier."""
_IN_A_CLUSTER, _IN_ALL = 4, 64
_AT_ONCE = 32
_LIMIT_SECONDS = 20.0
"""The limit for the watches of all objects together."""
_RETURNS = 2
"""A field that returns to a former value this often is written in turn; one reverted change returns only once."""
_NAMED = 3
_KEPT_OF_METADATA = ("labels", "annotations", "finalizers")


@dataclass
class Turns:
    """The states of one object in sequence, and which of its fields returned to former values."""

    state: Object
    """The newest state."""
    writes: int = 0
    """The number of states whose content differed from the state before."""
    _history: dict[str, list[str]] = field(default_factory=dict)
    _writers: dict[str, dict[str, None]] = field(default_factory=dict)
    _paths: dict[str, Difference] = field(default_factory=dict)

    def add(self, state: Object) -> None:
        """Record the next state."""
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
        """The managers that wrote these fields, as far as the API server knows them."""
        names = [name for one in self.fought for name in self._writers[one.text]]
        return [name for name in dict.fromkeys(names) if name]


def _returns(history: list[str]) -> int:
    return sum(value in history[:place] for place, value in enumerate(history))


def _changed(old: Object, new: Object) -> dict[str, Difference]:
    """Return every field in which two states differ, with its value before (`wanted`) and after (`found`)."""
    before, after, shape = _content(old), _content(new), shape_of(old)
    found = {one.text: one for one in differences(before, after, shape=shape)}
    added = (Difference(one.path, one.found, one.wanted) for one in differences(after, before, shape=shape))
    return {**{one.text: one for one in added}, **found}


def _content(obj: Object) -> Object:
    """Return the part of an object that its owners write: without its status and the server's own metadata."""
    metadata = {key: value for key, value in obj["metadata"].items() if key in _KEPT_OF_METADATA}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def with_fights(
    report: DriftReport, suspects: Mapping[str, list[Suspect]], access: Mapping[str, Connection]
) -> DriftReport:
    """Watch the objects that were written a moment ago, and add the fights among them to a report.

    A fight replaces the findings for the same fields. Objects that can't be watched in time are left out.

    Args:
        report: the report of the check.
        suspects: the objects to watch, by cluster.
        access: the clusters' connections.
    """
    watched = list(_most_recent(suspects))
    if not watched:
        return report
    began = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(watched)), thread_name_prefix="fights")
    futures: list[Future[Finding | None]] = [pool.submit(partial(_watch, access[name], s)) for name, s in watched]
    done, _ = wait(futures, timeout=_LIMIT_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    found = [finding for future in futures if future in done and (finding := future.result())]
    return report.with_findings(_replaced(report.findings, found), seconds=time.monotonic() - began)


def _most_recent(suspects: Mapping[str, list[Suspect]]) -> Iterator[tuple[str, Suspect]]:
    """Yield the suspects that were written last: at most `_IN_A_CLUSTER` of each cluster, and `_IN_ALL` together."""
    chosen = [
        (name, suspect)
        for name, ones in suspects.items()
        for suspect in sorted(ones, key=lambda one: one.written, reverse=True)[:_IN_A_CLUSTER]
    ]
    yield from sorted(chosen, key=lambda one: one[1].written, reverse=True)[:_IN_ALL]


def _replaced(findings: Iterable[Finding], fights: list[Finding]) -> list[Finding]:
    """Return the fights, and the findings that are not about their fields."""
    fought = {(one.cluster, one.object) for one in fights}
    kept = [
        one
        for one in findings
        if (one.cluster, one.object) not in fought
        or not any(one.cluster == f.cluster and one.object == f.object and _covers(f.path, one.path) for f in fights)
    ]
    return [*kept, *fights]


def _covers(fought: str, path: str) -> bool:
    return bool(path) and (path == fought or path.startswith((f"{fought}.", f"{fought}[")))


def _watch(connection: Connection, suspect: Suspect) -> Finding | None:
    """Watch one object until it is no longer written, a fight is certain, or the time is over."""
    turns = Turns(suspect.live)
    end = time.monotonic() + _FIGHT_SECONDS
    try:
        for seconds in (_QUIET_SECONDS, _FIGHT_SECONDS - _QUIET_SECONDS):
            for state in _states(connection, turns.state, seconds):
                turns.add(state)
                if turns.fought or time.monotonic() > end:
                    break
            if turns.fought or not turns.writes:
                break
    except FlotillaError:
        pass  # the writes that were seen before the error count
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
    """Return the finding for a fight."""
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
