"""Shows the steps that a run is doing now, by cluster and workload: lines at the end of a terminal, updated in place.

Where lines can't be overwritten, in a pipe or a log, `output.py` prints one line for each step instead.
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
"""How many steps are shown at once."""
_SLOWEST = 3
_SLOW_SECONDS = 1.0
_REFRESHES_PER_SECOND = 4
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
    """A step that is under way."""

    place: str
    """The cluster; empty for a step of several clusters or of none."""
    name: str
    doing: str
    since: float
    """When it began, in seconds of the monotonic clock."""
    waits_for: str = ""

    def row(self, now: float, width: int) -> str:
        """Return the step as one line of at most `width` characters; `now` is a time of the monotonic clock."""
        where = f"{self.place}: " if self.place else ""
        what = f"waits for {self.waits_for}" if self.waits_for else self.doing
        text = one_line(f"  {where}{self.name}  {max(now - self.since, 0):.0f} s  {what}")
        return text if len(text) <= width else text[: width - 1] + "…"


def place_of(step: Step) -> str:
    """Return the cluster that a step changes; empty if it changes none."""
    provider = step.provider.rpartition("::")[0]
    if not provider or is_default_provider(provider, own_type(provider)):
        return ""
    return cluster_of(provider_of(step.provider))


class Progress:
    """The steps under way. Events come from many threads."""

    def __init__(self, console: Console, *, live: bool) -> None:
        """Start without steps.

        Args:
            console: where the steps are shown.
            live: the console's lines can be overwritten, so steps are shown while they run.
        """
        self.live = live
        self.seconds = 0.0
        """How long the run took."""
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._took: list[tuple[float, str]] = []

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the steps until the context ends."""
        began = time.monotonic()
        try:
            if self.live:
                display = Live(
                    console=self._console,
                    get_renderable=self._text,
                    refresh_per_second=_REFRESHES_PER_SECOND,
                    transient=True,
                    redirect_stdout=False,
                )
                with display:
                    yield
            else:
                yield
        finally:
            self.seconds = time.monotonic() - began

    def record(self, event: StepEvent) -> None:
        """Record an event of a step."""
        step, now = event.step, time.monotonic()
        key = step.urn or event.said.partition(": ")[0]  # events from Pulumi's CLI have no URN
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
        """Return the lines of the steps under way, sorted by cluster and name; steps that wait come first."""
        with self._lock:
            running = sorted(self._running.values(), key=lambda one: (not one.waits_for, one.place, one.name))
        rows = [one.row(now, width) for one in running[:_ROWS]]
        return [*rows, f"  … and {len(running) - _ROWS} more"] if len(running) > _ROWS else rows

    def _text(self) -> Text:
        return Text("\n".join(self.rows(time.monotonic(), self._console.width)), style="dim")

    def summary(self, result: Result) -> Iterable[str]:
        """Yield a line with the counts and the duration of the run, then a line with its slowest steps."""
        counts = {_DONE[op]: result.counts().get(str(op), 0) for op in _DONE}
        parts = [f"{number} {word}" for word, number in counts.items() if number]
        parts += [f"{len(result.failures)} failed"] if result.failures else []
        yield f"{', '.join(parts) or 'nothing to do'}; {duration(self.seconds)}"
        with self._lock:
            slowest = sorted(self._took, reverse=True)[:_SLOWEST]
        if slowest:
            yield "slowest: " + ", ".join(f"{name} {duration(seconds)}" for seconds, name in slowest)


def duration(seconds: float) -> str:
    """Return a duration in readable form: 0.4 s, 12 s, 3 min 5 s."""
    if seconds < 10:  # noqa: PLR2004 - tenths matter only below ten seconds
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
