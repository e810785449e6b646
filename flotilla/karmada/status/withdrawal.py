"""When a template's copies are gone: Karmada takes them away after the template, cluster by cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable

from flotilla.errors import FlotillaError
from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX
from flotilla.karmada.objects import CLUSTER_API, WORK_API
from flotilla.karmada.status.rollout import BINDING_ID_LABELS, binding_ref
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, is_true
from flotilla.waiting import pause

_POLL_SECONDS = 0.5


def await_withdrawn(connection: Connection, templates: Iterable[ObjectRef], seconds: float) -> None:
    """Wait until no Ready member has a copy of the deleted templates any more.

    A member that is not Ready keeps its copies until it is back or leaves: nothing else waits for it. A template that
    is still there, because another workload has it now, is not waited for.

    Raises:
        FlotillaError: Ready members still have copies after `seconds`; names them.
    """
    deadline = time.monotonic() + seconds
    waiting = list(templates)
    while True:
        holding = [(ref, clusters) for ref in waiting if (clusters := _holding(connection, ref))]
        if not holding:
            return
        if time.monotonic() > deadline:
            listed = "; ".join(f"{ref} in {', '.join(clusters)}" for ref, clusters in holding)
            raise FlotillaError(
                f"copies are still there after {seconds:.0f} s: {listed}",
                hint="finalizers in these members may keep them; run it again once they are gone",
            )
        waiting = [ref for ref, _ in holding]
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to take a workload's copies away")


def _holding(connection: Connection, template: ObjectRef) -> list[str]:
    """Return the Ready members that still have a Work of a deleted template."""
    try:
        binding = connection.find(binding_ref(template))
        if binding is None or _is_there(connection, template):
            return []
        ready = {c["metadata"]["name"] for c in connection.list(CLUSTER_API, "Cluster") if is_true(c, "Ready")}
        return sorted(ready & _clusters_of(connection, binding))
    except ApiError as error:
        if error.status in (0, 429, 503):  # the control plane is busy: the next look tells
            return ["the control plane, which does not answer"]
        raise


def _is_there(connection: Connection, template: ObjectRef) -> bool:
    """Tell whether a template is there; one whose kind is no longer served has gone with its definition."""
    try:
        return connection.find(template) is not None
    except KindNotServed:
        return False


def _clusters_of(connection: Connection, binding: Object) -> set[str]:
    """Return the clusters that have a Work of a binding."""
    for label in BINDING_ID_LABELS:
        identity = (binding["metadata"].get("labels") or {}).get(label)
        if identity:
            works = connection.list(WORK_API, "Work", labels=f"{label}={identity}")
            return {w["metadata"]["namespace"].removeprefix(EXECUTION_NAMESPACE_PREFIX) for w in works}
    return set()
