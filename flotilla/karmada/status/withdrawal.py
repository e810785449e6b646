"""The wait until a template's copies are gone: after the template is deleted, Karmada deletes them in each cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from flotilla.errors import FlotillaError
from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX
from flotilla.karmada.objects import Work
from flotilla.karmada.status.kept import KEPT_REMEDY, never_applied, why_unfinished
from flotilla.karmada.status.reading import read_carried, read_left
from flotilla.karmada.status.snapshot import Snapshot, WorkOrError, binding_ref, view_or_error
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import ObjectRef, is_true, ref_of
from flotilla.kube.several import find_served
from flotilla.waiting import pause

_POLL_SECONDS = 0.5


def await_withdrawn(
    connection: Connection,
    templates: Iterable[ObjectRef],
    seconds: float,
    *,
    every_work: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Wait until no Ready member has a copy of the deleted templates any more.

    A member that isn't Ready keeps its copies until it is back or leaves; this doesn't wait for it. It doesn't wait
    either for a template that still exists because another workload has it now.

    Args:
        connection: a connection to the control plane.
        templates: the deleted templates.
        seconds: how long to wait.
        every_work: check all Works at the end. Karmada lets a binding go once its Works are being deleted, not once
            they are gone (pkg/controllers/binding, 1.10 to 1.18); after that, nothing else refers to them.
        meanwhile: called between two looks.

    Raises:
        FlotillaError: Ready members still have copies after `seconds`; the message names them.
    """
    deadline = time.monotonic() + seconds
    everything = list(templates)
    waiting = everything
    while True:
        remaining = _members_with_copies(connection, waiting)
        if not remaining and every_work:
            remaining = looked_at(everything, lambda: carriers(connection, everything))
        if not remaining:
            return
        if time.monotonic() > deadline:
            listed = "; ".join(f"{ref} in {', '.join(clusters)}" for ref, clusters in remaining.items())
            if kept := _kept(connection, list(remaining)):
                raise FlotillaError(f"{listed} is not done after {seconds:.0f} s: {kept}", hint=KEPT_REMEDY)
            raise FlotillaError(
                f"copies are still there after {seconds:.0f} s: {listed}",
                hint="finalizers in these members may keep them; run it again once they are gone",
            )
        waiting = list(remaining)
        meanwhile()
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to delete a workload's copies")


def _kept(connection: Connection, templates: list[ObjectRef]) -> str:
    """Return why Karmada doesn't finish the Works of deleted templates whose copies stay; empty where it does."""
    try:
        return why_unfinished(read_left(connection, templates).works)
    except ApiError:
        return ""


def _members_with_copies(connection: Connection, templates: list[ObjectRef]) -> dict[ObjectRef, list[str]]:
    """Return the Ready members that still have a Work of a deleted template, by template, where there are any."""

    def look() -> dict[ObjectRef, list[str]]:
        snapshot = read_left(connection, templates)
        for ref in templates:
            _collect(connection, snapshot, ref)
        return holders(snapshot, templates)

    return looked_at(templates, look)


def looked_at(templates: list[ObjectRef], look: Callable[[], dict[ObjectRef, list[str]]]) -> dict[ObjectRef, list[str]]:
    """Return the places that a look finds, by template; templates without places are left out.

    If the control plane is busy, every template is returned.

    Args:
        templates: the templates in question.
        look: a function that asks the control plane.

    Raises:
        ClusterError: the control plane rejects a request.
    """
    try:
        found = look()
    except ApiError as error:
        if error.busy:  # the next look will show it
            return {ref: ["the control plane, which does not answer"] for ref in templates}
        raise
    return {ref: clusters for ref, clusters in found.items() if clusters}


def carriers(connection: Connection, templates: Iterable[ObjectRef]) -> dict[ObjectRef, list[str]]:
    """Return the Ready members that have a Work of a deleted template, even if no binding refers to the Work.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    wanted = set(templates)
    snapshot = read_carried(connection)
    found: dict[ObjectRef, set[str]] = {}
    for item in snapshot.works:
        work = view_or_error(Work, item)
        if not isinstance(work, Work) or never_applied(work):
            continue
        member = (work.metadata.namespace or "").removeprefix(EXECUTION_NAMESPACE_PREFIX)
        for manifest in work.spec.workload.manifests:
            if manifest.get("kind") and manifest.get("apiVersion") and (ref := ref_of(manifest)) in wanted:
                found.setdefault(ref, set()).add(member)
    ready = _ready(snapshot)
    gone = {ref: sorted(members & ready) for ref, members in found.items() if find_served(connection, ref) is None}
    return {ref: members for ref, members in gone.items() if members}


def _ready(snapshot: Snapshot) -> set[str]:
    return {cluster["metadata"]["name"] for cluster in snapshot.clusters if is_true(cluster, "Ready")}


def holders(snapshot: Snapshot, templates: Iterable[ObjectRef]) -> dict[ObjectRef, list[str]]:
    """Return the Ready members that have a Work of a template, by template; an empty list for a template that exists.

    Raises:
        ClusterError: a template or binding could not be read.
    """
    ready = _ready(snapshot)
    found = {}
    for ref in templates:
        binding = snapshot.binding_of(ref)
        gone = binding is not None and not _is_there(snapshot, ref)
        works = snapshot.works_of(binding.metadata.labels) if binding and gone else {}
        found[ref] = sorted(name for name, work in works.items() if name in ready and not _is_nowhere(work))
    return found


def _collect(connection: Connection, snapshot: Snapshot, template: ObjectRef) -> None:
    """Delete the binding of a template that was deleted together with the definition of its kind.

    Karmada leaves that to Kubernetes' garbage collector, which can't do it: the kind of the binding's owner no longer
    exists, so the collector can't know that the owner is gone. The copies would stay in the members.
    """
    binding = snapshot.binding_of(template)
    if binding is None or binding.metadata.deletion_timestamp:
        return
    try:
        snapshot.template(template)
    except KindNotServed:
        if connection.unserved(template.api_version, template.kind):
            connection.delete(binding_ref(template), propagation="Background", uid=binding.metadata.uid)


def _is_nowhere(work: WorkOrError) -> bool:
    return isinstance(work, Work) and never_applied(work)


def _is_there(snapshot: Snapshot, template: ObjectRef) -> bool:
    """Return whether a template exists; one whose kind is no longer served was deleted with its definition."""
    try:
        return snapshot.template(template) is not None
    except KindNotServed:
        return False
