"""What a rollout waits for, in one line, and when that is worth saying."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flotilla.counts import first_of
from flotilla.karmada.status.rollout import Progress

SAID_BY = "rollout of "
"""How each line begins: under Pulumi's CLI they come among everything else that is printed."""
_FIRST_SECONDS = 3.0
"""What is done sooner isn't worth a line."""
_BETWEEN_SECONDS = 5.0
_SHOWN = 4
_LONGEST = 200


def waiting_text(progress: Iterable[Progress]) -> str:
    """Say what is waited for: clusters that lack the same are named together; empty where nothing is lacking."""
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
    """Say what nobody serves, in which clusters; empty where there is no such thing."""
    only = [
        Progress(one.template, tuple(c for c in one.clusters if c.unserved and not c.waiting_for and not c.unanswered))
        for one in progress
    ]
    return waiting_text(only)


def listed(texts: list[str]) -> str:
    """Return the first of some texts, none of them too long, and how many more there are."""
    return "; ".join(
        first_of([text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…" for text in texts], _SHOWN)
    )


class Words:
    """Says what a rollout waits for: when that changes, and not more often than every few seconds."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        """Take the workload's name, and where lines go."""
        self._name = name
        self._say = say
        self._said = ""
        self._at = 0.0

    def waiting(self, text: str, seconds: float) -> None:
        """Take what is waited for, so many seconds after the wait began."""
        if text and text != self._said and seconds >= max(_FIRST_SECONDS, self._at):
            self._said, self._at = text, seconds + _BETWEEN_SECONDS
            self._say(f"{SAID_BY}{self._name} waits for {text}")

    def ended(self, text: str) -> None:
        """Say how the wait has ended."""
        self._say(f"{SAID_BY}{self._name}: {text}")
