"""Bindings that Karmada never finishes: their templates are deleted, after their clusters were removed.

Up to 1.10.7, 1.11.3 and 1.12.0, Karmada's dependencies distributor (`propagateDeps`) ignores the deletion of a binding
without clusters, so that its finalizer stays forever (karmada-io/karmada issue 5942). The binding's namespace can't be
deleted then. The distributor would only have to remove the binding from those of its dependencies, and it did so when
the clusters were removed: no cluster is left there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from flotilla.errors import FlotillaError
from flotilla.karmada.joining.abandon import release
from flotilla.karmada.names import DEPENDENCIES_FINALIZER
from flotilla.karmada.status.snapshot import binding_ref
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.several import find_served, find_several
from flotilla.waiting import pause

SECONDS = 60.0
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
"""The time that Karmada may need to finish a binding, before this module finishes it."""


def finish_bindings(connection: Connection, templates: Iterable[ObjectRef], seconds: float = SECONDS) -> list[str]:
    """Wait until the bindings of deleted templates with dependencies are gone; finish those that Karmada ignores.

    A binding is finished only if it has no other finalizer and no clusters. This doesn't wait for a template that still
    exists because another workload has it now, or because somebody else's finalizer keeps it.

    Args:
        connection: a connection to the control plane.
        templates: the deleted templates.
        seconds: how long to wait.

    Returns:
        The bindings that still exist, a line each.

    Raises:
        ClusterError: the control plane could not be asked.
        FlotillaError: the run was interrupted.
    """
    by_binding = {binding_ref(ref): ref for ref in templates if ref.namespace}
    began = time.monotonic()
    since: dict[ObjectRef, float] = {}
    while True:
        left = _left(connection, by_binding)
        if not left:
            return []
        now = time.monotonic()
        for ref, found in left.items():
            if _is_ignored(found) and now - since.setdefault(ref, now) >= _PATIENCE_SECONDS:
                release(connection, ref, DEPENDENCIES_FINALIZER)
        if now - began > seconds:
            return [f"{ref} is still there: its finalizer {DEPENDENCIES_FINALIZER} waits for Karmada" for ref in left]
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to finish bindings; run the same command again")


def _left(connection: Connection, by_binding: dict[ObjectRef, ObjectRef]) -> dict[ObjectRef, Object]:
    """Return the bindings that have the finalizer, and whose templates are gone."""
    found = find_several(connection, by_binding)
    waiting = {ref: one for ref, one in found.items() if DEPENDENCIES_FINALIZER in _finalizers(one)}
    return {ref: one for ref, one in sorted(waiting.items()) if find_served(connection, by_binding[ref]) is None}


def _is_ignored(binding: Object) -> bool:
    deleted = bool(binding["metadata"].get("deletionTimestamp"))
    return deleted and not (binding.get("spec") or {}).get("clusters") and len(_finalizers(binding)) == 1


def _finalizers(binding: Object) -> list[str]:
    return binding["metadata"].get("finalizers") or []
