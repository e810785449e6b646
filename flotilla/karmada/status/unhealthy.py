"""Why clusters aren't healthy, asked in them once a rollout has failed, so that its message has the pods' own reasons.

Nothing here fails a run: from a member that can't be asked, or not in time, there is no reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress

from flotilla.karmada.objects import CLUSTER_API
from flotilla.karmada.reaching import reach
from flotilla.karmada.status.reasons import POD, reasons
from flotilla.karmada.status.rollout import Progress
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef
from flotilla.kube.secrecy import redacted_line
from flotilla.waiting import asked_to_end

_CLUSTERS = 5
_OBJECTS = 3
_PODS = 2
"""Of one object, so many pods that say different things."""
_REASONS = 3
"""Of one cluster."""
_LONGEST = 200
_SECONDS = 10.0
"""For all clusters, which are asked side by side."""
_LOOK_SECONDS = 0.1


def explained(problem: str, control_plane: Connection, progress: Iterable[Progress]) -> str:
    """Return what is wrong with a rollout, and after it what its unhealthy clusters say of the cause.

    Args:
        problem: what is wrong; where it is empty, or the process was asked to end, nobody is asked.
        control_plane: through which members are reached.
        progress: the last look.
    """
    found = why_unhealthy(control_plane, progress) if problem and not asked_to_end() else {}
    return "; ".join([problem, *(f"{name}: {text}" for name, texts in found.items() for text in texts)])


def why_unhealthy(
    control_plane: Connection, progress: Iterable[Progress], *, seconds: float = _SECONDS
) -> dict[str, list[str]]:
    """Ask clusters that have what is declared, and aren't healthy with it, for the first reasons.

    Args:
        control_plane: through which members are reached.
        progress: the last look.
        seconds: for all of them together.

    Returns:
        One-line texts by cluster, of the first clusters; without those that don't answer, or see no reason.
    """
    ailing: dict[str, list[ObjectRef]] = {}
    for one in progress:
        for cluster in one.clusters:
            if cluster.ailing and not cluster.unanswered:
                ailing.setdefault(cluster.cluster, []).append(one.template)
    asked = dict(list(ailing.items())[:_CLUSTERS])
    found: dict[str, list[str]] = {}

    def ask(name: str) -> None:
        with suppress(Exception):  # whatever is odd in a member, the run ends with the problem that it has
            found[name] = _of_cluster(control_plane, name, asked[name])

    # Daemons: one that waits for an answer doesn't keep the process from its end.
    threads = [threading.Thread(target=ask, args=(name,), name=f"reasons of {name}", daemon=True) for name in asked]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        while thread.is_alive() and time.monotonic() < end and not asked_to_end():
            thread.join(min(_LOOK_SECONDS, max(0.0, end - time.monotonic())))
    return {name: texts for name in asked if (texts := found.get(name))}


def _of_cluster(control_plane: Connection, name: str, refs: list[ObjectRef]) -> list[str]:
    cluster = control_plane.find(ObjectRef(CLUSTER_API, "Cluster", name))
    member = reach(control_plane, cluster) if cluster else None
    if member is None:
        return []
    texts = [text for ref in refs[:_OBJECTS] for text in _first(reasons(member, ref))]
    return [redacted_line(text, _LONGEST) for text in dict.fromkeys(texts)][:_REASONS]


def _first(texts: list[str]) -> list[str]:
    """Return what an object's pods say, each thing once; where they say nothing, what is nearest to the cause."""
    said: dict[str, str] = {}
    for text in texts:
        if text.startswith(POD):
            said.setdefault(text.removeprefix(POD).partition(": ")[2], text)
    return list(said.values())[:_PODS] or texts[:1]
