"""One-line texts about what a rollout waits for, printed only when they are useful."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flotilla.counts import first_of
from flotilla.karmada.status.rollout import Progress

LINE_PREFIX = "rollout of "
"""The beginning of each line: under Pulumi's CLI these lines appear among all other output."""
_FIRST_SECONDS = 3.0
"""A wait that ends sooner prints no line."""
_BETWEEN_SECONDS = 5.0
_SHOWN = 4
_LONGEST = 200


def waiting_text(progress: Iterable[Progress]) -> str:
    """Return what a rollout waits for; clusters that lack the same are named together. Empty if nothing is missing."""
    texts: list[str] = []
    for one in progress:
        if one.waiting_for:
            texts.append(f"{one.template}: {one.waiting_for}")
        lacking: dict[str, list[str]] = {}
        for cluster in one.clusters:
            if not cluster.done:
                lacking.setdefault(cluster.late, []).append(cluster.cluster)
        texts += [f"{', '.join(names)}: {one.template}: {text}" for text, names in lacking.items()]
    return listed(texts)


def unserved_text(progress: Iterable[Progress]) -> str:
    """Return what nothing serves, and in which clusters; empty where there is no such object."""
    only = [
        Progress(one.template, tuple(c for c in one.clusters if c.unserved and not c.waiting_for and not c.unanswered))
        for one in progress
    ]
    return waiting_text(only)


def listed(texts: list[str]) -> str:
    """Return the first few texts, each shortened, and how many more there are."""
    return "; ".join(
        first_of([text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…" for text in texts], _SHOWN)
    )


class WaitTexts:
    """Prints what a rollout waits for when that changes, but at most once every few seconds."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        """Store the workload's name, and the function that prints a line."""
        self._name = name
        self._say = say
        self._last = ""
        self._at = 0.0

    def waiting(self, text: str, seconds: float) -> None:
        """Print what the rollout waits for, if it is new; `seconds` is the time since the wait began."""
        if text and text != self._last and seconds >= max(_FIRST_SECONDS, self._at):
            self._last, self._at = text, seconds + _BETWEEN_SECONDS
            self._say(f"{LINE_PREFIX}{self._name} waits for {text}")

    def ended(self, text: str) -> None:
        """Print how the wait has ended."""
        self._say(f"{LINE_PREFIX}{self._name}: {text}")
