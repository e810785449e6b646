"""What a run is doing now, by cluster and workload: lines at the end of a terminal that are written over.

Where lines can't be written over, in a pipe or a log, each step gets one line of its own instead (`output.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.console import Console
from rich.live import Live
from rich.text import Text

from flotilla.karmada.names import cluster_of
from flotilla.karmada.status.texts import LINE_PREFIX
from flotilla.plan.steps import CHANGING, Op, Phase, Result, Step, StepEvent
from flotilla.state.urns import is_default_provider, own_type, provider_of
from flotilla.untrusted import one_line

_ROWS = 12
"""How many things under way are shown at once."""
_SLOWEST = 3
_SLOW_SECONDS = 1.0
_A_SECOND = 4
"""Refreshes."""
_DOING = {
    Op.CREATE: "creating",
    Op.CREATE_REPLACEMENT: "creating its replacement",
    Op.UPDATE: "updating",
    Op.REPLACE: "replacing",
    Op.DELETE: "deleting",
    Op.DELETE_REPLACED: "deleting what was replaced",
    Op.IMPORT: "importing",
    Op.ADOPT: "adopting",
}
_DONE = {
    Op.CREATE: "created",
    Op.UPDATE: "updated",
    Op.REPLACE: "replaced",
    Op.DELETE: "deleted",
    Op.IMPORT: "imported",
    Op.ADOPT: "adopted",
    Op.SAME: "unchanged",
}


@dataclass(frozen=True)
class Running:
    """One thing under way."""

    place: str
    """The cluster; empty for what is about several or none."""
    name: str
    doing: str
    since: float
    """Seconds of the monotonic clock."""
    waits_for: str = ""

    def row(self, now: float, width: int) -> str:
        """Return it as one line."""
        where = f"{self.place}: " if self.place else ""
        what = f"waits for {self.waits_for}" if self.waits_for else self.doing
        text = one_line(f"  {where}{self.name}  {max(now - self.since, 0):.0f} s  {what}")
        return text if len(text) <= width else text[: width - 1] + "…"


def place_of(step: Step) -> str:
    """Return the cluster that a step is in; empty where it is in none."""
    provider = step.provider.rpartition("::")[0]
    if not provider or is_default_provider(provider, own_type(provider)):
        return ""
    return cluster_of(provider_of(step.provider))


class Progress:
    """The things under way. Events come from many threads."""

    def __init__(self, console: Console, *, live: bool) -> None:
        """Take where it is shown; `live`: the console can write over its lines."""
        self.live = live
        self.seconds = 0.0
        """How long the run took."""
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._took: list[tuple[float, str]] = []

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it as long as the run lasts."""
        began = time.monotonic()
        try:
            if self.live:
                display = Live(
                    console=self._console,
                    get_renderable=self._text,
                    refresh_per_second=_A_SECOND,
                    transient=True,
                    redirect_stdout=False,
                )
                with display:
                    yield
            else:
                yield
        finally:
            self.seconds = time.monotonic() - began

    def heard(self, event: StepEvent) -> None:
        """Take what happened to a step."""
        step, now = event.step, time.monotonic()
        key = step.urn or event.said.partition(": ")[0]  # Pulumi's CLI doesn't say which resource it is about
        with self._lock:
            if event.phase is Phase.BEGIN and step.op in _DOING:
                self._running[key] = Running(place_of(step), step.name, _DOING[step.op], now)
            elif event.phase is Phase.WAITING:
                who, _, what = event.said.partition(": ")
                known = self._running.get(key) or Running(place_of(step), step.name if step.urn else who, "", now)
                if who.startswith(LINE_PREFIX):
                    self._running[key] = Running("", who, known.doing, known.since, what)
                else:
                    self._running[key] = replace(known, waits_for=event.said)
            elif event.phase in (Phase.DONE, Phase.FAILED):
                self._running.pop(key, None)
                if step.op in CHANGING and event.seconds >= _SLOW_SECONDS:
                    place = place_of(step)
                    self._took.append((event.seconds, f"{step.name} in {place}" if place else step.name))

    def rows(self, now: float, width: int) -> list[str]:
        """Return what is under way, by cluster and name, those that wait first."""
        with self._lock:
            running = sorted(self._running.values(), key=lambda one: (not one.waits_for, one.place, one.name))
        rows = [one.row(now, width) for one in running[:_ROWS]]
        return [*rows, f"  … and {len(running) - _ROWS} more"] if len(running) > _ROWS else rows

    def _text(self) -> Text:
        return Text("\n".join(self.rows(time.monotonic(), self._console.width)), style="dim")

    def summary(self, result: Result) -> Iterable[str]:
        """Yield what was done, in how many seconds, and what took longest."""
        counts = {_DONE[op]: result.counts().get(str(op), 0) for op in _DONE}
        parts = [f"{number} {word}" for word, number in counts.items() if number]
        parts += [f"{len(result.failures)} failed"] if result.failures else []
        yield f"{', '.join(parts) or 'nothing to do'}; {duration(self.seconds)}"
        with self._lock:
            slowest = sorted(self._took, reverse=True)[:_SLOWEST]
        if slowest:
            yield "slowest: " + ", ".join(f"{name} {duration(seconds)}" for seconds, name in slowest)


def duration(seconds: float) -> str:
    """Return a time as people say it: 0.4 s, 12 s, 3 min 5 s."""
    if seconds < 10:  # noqa: PLR2004 - below it, tenths are worth something
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
