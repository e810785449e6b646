"""When a template's copies are gone: Karmada takes them away after the template, cluster by cluster."""

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

    A member that is not Ready keeps its copies until it is back or leaves: nothing else waits for it. A template that
    is still there, because another workload has it now, is not waited for.

    Args:
        connection: the control plane.
        templates: the deleted ones.
        seconds: how long to wait.
        every_work: look through all Works at the end: Karmada lets a binding go once its Works are being deleted, not
            once they are gone (pkg/controllers/binding, of 1.10 to 1.18), and nothing else leads to them then.
        meanwhile: called between looks.

    Raises:
        FlotillaError: Ready members still have copies after `seconds`; names them.
    """
    deadline = time.monotonic() + seconds
    everything = list(templates)
    waiting = everything
    while True:
        holding = _holding(connection, waiting)
        if not holding and every_work:
            holding = looked_at(everything, lambda: carriers(connection, everything))
        if not holding:
            return
        if time.monotonic() > deadline:
            listed = "; ".join(f"{ref} in {', '.join(clusters)}" for ref, clusters in holding.items())
            if kept := _kept(connection, list(holding)):
                raise FlotillaError(f"{listed} is not done after {seconds:.0f} s: {kept}", hint=KEPT_REMEDY)
            raise FlotillaError(
                f"copies are still there after {seconds:.0f} s: {listed}",
                hint="finalizers in these members may keep them; run it again once they are gone",
            )
        waiting = list(holding)
        meanwhile()
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to take a workload's copies away")


def _kept(connection: Connection, templates: list[ObjectRef]) -> str:
    """Say why Karmada doesn't finish the Works of deleted templates whose copies are to stay, where it doesn't."""
    try:
        return why_unfinished(read_left(connection, templates).works)
    except ApiError:
        return ""


def _holding(connection: Connection, templates: list[ObjectRef]) -> dict[ObjectRef, list[str]]:
    """Return the Ready members that still have a Work of a deleted template, by template; none that has no more."""

    def look() -> dict[ObjectRef, list[str]]:
        snapshot = read_left(connection, templates)
        for ref in templates:
            _collect(connection, snapshot, ref)
        return holders(snapshot, templates)

    return looked_at(templates, look)


def looked_at(templates: list[ObjectRef], look: Callable[[], dict[ObjectRef, list[str]]]) -> dict[ObjectRef, list[str]]:
    """Return the places that a look finds by template, none that has no place; all where the control plane is busy.

    Args:
        templates: those that are looked at.
        look: asks the control plane.

    Raises:
        ClusterError: the control plane refuses a request.
    """
    try:
        found = look()
    except ApiError as error:
        if error.busy:  # the next look tells
            return {ref: ["the control plane, which does not answer"] for ref in templates}
        raise
    return {ref: clusters for ref, clusters in found.items() if clusters}


def carriers(connection: Connection, templates: Iterable[ObjectRef]) -> dict[ObjectRef, list[str]]:
    """Return the Ready members that have a Work of a deleted template, whether or not a binding leads to it.

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
    """Return the Ready members that have a Work of a template, by template; none for a template that is there.

    Raises:
        ClusterError: the snapshot doesn't know of one of them, since it could not be read.
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
    """Delete the binding of a template that has gone with the definition of its kind.

    Kubernetes' garbage collector, which Karmada leaves that to, can't: it no longer finds the kind of the binding's
    owner, and so doesn't know that the owner is gone. The copies would stay in the members.
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
    """Return whether a template is there; one whose kind is no longer served has gone with its definition."""
    try:
        return snapshot.template(template) is not None
    except KindNotServed:
        return False
