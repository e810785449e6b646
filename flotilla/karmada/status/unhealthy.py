"""Why clusters aren't healthy: asked after a rollout has failed, so that its message contains the pods' own reasons.

Errors here never fail a run: if a member can't be asked, or not in time, its reasons are left out.
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
"""The maximum number of pods of one object; pods with the same reason count once."""
_REASONS = 3
"""The maximum number of reasons of one cluster."""
_LONGEST = 200
_SECONDS = 10.0
"""The time for all clusters together; they are asked in parallel."""
_LOOK_SECONDS = 0.1


def explained(problem: str, control_plane: Connection, progress: Iterable[Progress]) -> str:
    """Return the problem of a rollout, followed by the causes that its unhealthy clusters report.

    Args:
        problem: the problem; if it is empty, or the process was asked to end, no cluster is asked.
        control_plane: a connection to the control plane, through which members are reached.
        progress: the result of the last look.
    """
    found = why_unhealthy(control_plane, progress) if problem and not asked_to_end() else {}
    return "; ".join([problem, *(f"{name}: {text}" for name, texts in found.items() for text in texts)])


def why_unhealthy(
    control_plane: Connection, progress: Iterable[Progress], *, seconds: float = _SECONDS
) -> dict[str, list[str]]:
    """Ask clusters that have applied the declared objects, but aren't healthy, for the reasons.

    Args:
        control_plane: a connection to the control plane, through which members are reached.
        progress: the result of the last look.
        seconds: the time for all clusters together.

    Returns:
        One-line texts by cluster, of the first few clusters; without clusters that don't answer or find no reason.
    """
    unhealthy: dict[str, list[ObjectRef]] = {}
    for one in progress:
        for cluster in one.clusters:
            if cluster.unhealthy and not cluster.unanswered:
                unhealthy.setdefault(cluster.cluster, []).append(one.template)
    asked = dict(list(unhealthy.items())[:_CLUSTERS])
    found: dict[str, list[str]] = {}

    def ask(name: str) -> None:
        with suppress(Exception):  # whatever goes wrong in a member, the run ends with the original problem
            found[name] = _of_cluster(control_plane, name, asked[name])

    # Daemon threads: one that still waits for an answer doesn't keep the process from exiting.
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
    """Return the reasons of an object's pods, each once; without any, the reason nearest to the cause."""
    by_reason: dict[str, str] = {}
    for text in texts:
        if text.startswith(POD):
            by_reason.setdefault(text.removeprefix(POD).partition(": ")[2], text)
    return list(by_reason.values())[:_PODS] or texts[:1]
