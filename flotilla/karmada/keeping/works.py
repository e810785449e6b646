"""Works of workloads whose copies stay: waits until the Works say so, and until the last of them is gone.

The Work decides what a deletion does (`spec.preserveResourcesOnDeletion`). Karmada copies this field from the binding,
and the binding's from the current policy: if a template is deleted before that, its copies are deleted, too. No policy
sends a Namespace. Its Works belong to it, and Karmada writes them again and again without that field, unless the
Namespace has the label `namespace.karmada.io/skip-auto-propagation`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.joining.abandon import release
from flotilla.karmada.keeping.members import free_in, is_in_use, patched
from flotilla.karmada.kinds import SKIP_PROPAGATION
from flotilla.karmada.names import WORK_FINALIZER
from flotilla.karmada.objects import CLUSTER_API, POLICY_API, WORK_API, Work
from flotilla.karmada.propagation import ON_REMOVAL
from flotilla.karmada.reaching import reach
from flotilla.karmada.selection import claimed_by
from flotilla.karmada.status.kept import KEPT_REMEDY, why_unfinished
from flotilla.karmada.status.reading import read_left
from flotilla.karmada.status.snapshot import Snapshot, member_of, view_or_error
from flotilla.karmada.status.withdrawal import looked_at
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef, is_true, ref_of
from flotilla.waiting import pause

_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
"""The time that Karmada may need to finish a Work that is being deleted; after it, this module checks whether it
can."""
_PREPARED = "flotilla.dev/copies-stay"
"""Marks a Namespace that a removal excluded from Karmada's propagation; if it stays after all, that is undone."""
_MOST = 5
_PRESERVING = {"spec": {"preserveResourcesOnDeletion": True}}


# -- before templates go ---------------------------------------------------------------------------


def await_preserved(
    connection: Connection, templates: Iterable[ObjectRef], seconds: float, *, every: bool = False
) -> None:
    """Wait until the Works of templates say that their copies stay, as the current policies say.

    This doesn't wait for a template whose policy doesn't say so: it belongs to another workload now, or the key was
    removed.

    Args:
        connection: a connection to the control plane.
        templates: the templates that are about to be deleted.
        seconds: how long to wait.
        every: wait for all templates regardless of their policies: they will certainly be deleted.

    Raises:
        FlotillaError: some Works don't say so in time; the message says what is missing. Nothing was deleted.
    """
    deadline = time.monotonic() + seconds
    refs = list(templates)
    while True:
        lacking = _lacking(connection, refs, every=every)
        if not lacking:
            return
        if time.monotonic() > deadline:
            listed = "; ".join(f"{ref} in {', '.join(places)}" for ref, places in lacking.items())
            raise FlotillaError(
                f"`onRemoval: keep` has not reached copies after {seconds:.0f} s, they would be deleted: {listed}",
                hint="nothing was removed; is karmada-controller-manager running? Has another policy claimed them? "
                "With `activation: Lazy` a policy takes effect with the next change of the objects: drop it, "
                "or change them, and run `up` once before",
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to mark a workload's copies as kept")


def _lacking(connection: Connection, refs: list[ObjectRef], *, every: bool) -> dict[ObjectRef, list[str]]:
    """Return, by template, the members (or the binding) where copies would not stay although the policy says so."""

    def look() -> dict[ObjectRef, list[str]]:
        snapshot = read_left(connection, refs)
        policies: dict[ObjectRef, bool] = {}
        return {
            ref: _not_preserved(snapshot, ref) for ref in refs if every or _is_kept(connection, snapshot, ref, policies)
        }

    return looked_at(refs, look)


def _is_kept(connection: Connection, snapshot: Snapshot, template: ObjectRef, policies: dict[ObjectRef, bool]) -> bool:
    """Return whether the policy that has claimed a template says that copies stay; without a policy, its binding.

    An object that only follows others has no policy: Karmada writes the settings of their policies into its binding.
    """
    live = snapshot.templates.get(template)
    policy = policy_of(live) if live else None
    if policy is None:
        binding = snapshot.binding_of(template)
        return bool(binding and binding.spec.preserve_resources_on_deletion)
    if policy not in policies:
        found = connection.find(policy)
        policies[policy] = bool(found and (found.get("spec") or {}).get("preserveResourcesOnDeletion"))
    return policies[policy]


def policy_of(template: Object) -> ObjectRef | None:
    """Return the policy that has claimed a template, according to its annotations; None where none has."""
    found = claimed_by(template["metadata"].get("annotations") or {})
    if found is None:
        return None
    kind, namespace, name = found
    return ObjectRef(POLICY_API, kind, name, namespace)


def _not_preserved(snapshot: Snapshot, template: ObjectRef) -> list[str]:
    binding = snapshot.binding_of(template)
    if binding is None or binding.metadata.deletion_timestamp:
        return []
    if not binding.spec.preserve_resources_on_deletion:
        return ["its binding"]
    works = snapshot.works_of(binding.metadata.labels)
    return sorted(name for name, work in works.items() if not (isinstance(work, Work) and _is_preserved(work)))


def _is_preserved(work: Work) -> bool:
    return bool(work.metadata.deletion_timestamp or work.spec.preserve_resources_on_deletion)


def keep_namespaces(connection: Connection, names: Iterable[str], seconds: float) -> None:
    """Have copies of namespaces, with everything in them, stay in members when the namespaces are deleted.

    Only namespaces with the mark `flotilla.dev/on-removal: keep` are changed: any other namespace isn't kept any more,
    or belongs to another workload.

    Raises:
        FlotillaError: their Works don't say so in time.
    """
    deadline = time.monotonic() + seconds
    for name in names:
        ref = ObjectRef("v1", "Namespace", name)
        while not _prepare(connection, ref):
            if time.monotonic() > deadline:
                raise FlotillaError(
                    f"`onRemoval: keep` has not reached the copies of {ref} after {seconds:.0f} s",
                    hint="nothing was removed; does the control plane answer, and what else writes its Works?",
                )
            if pause(_POLL_SECONDS):  # Karmada may have been about to write them
                raise FlotillaError(f"interrupted while marking the copies of {ref} as kept")


def _prepare(connection: Connection, ref: ObjectRef) -> bool:
    """Mark a Namespace and its Works so that copies stay; return whether they were marked already, or needn't be."""
    try:
        live = connection.find(ref)
        if live is None or not _asks_to_be_kept(live):
            return True
        works = [work for work in _works_of_namespace(connection, ref) if not _is_kept_already(work)]
        skipped = (live["metadata"].get("labels") or {}).get(SKIP_PROPAGATION) == "true"
        if skipped and not works:
            return True
        for work in works:
            patched(connection, ref_of(work), _PRESERVING)
        if not skipped:
            marks = {"labels": {SKIP_PROPAGATION: "true"}, "annotations": {_PREPARED: "true"}}
            patched(connection, ref, {"metadata": marks})
    except ApiError as error:
        if not error.busy:  # the next look will show it
            raise
    return False


def return_namespaces(connection: Connection, names: Iterable[str]) -> None:
    """Let Karmada propagate namespaces again that stay in the control plane, because another workload has them."""
    for name in names:
        ref = ObjectRef("v1", "Namespace", name)
        live = connection.find(ref)
        if live is None or live["metadata"].get("deletionTimestamp"):
            continue
        if _PREPARED in (live["metadata"].get("annotations") or {}):
            marks = {"labels": {SKIP_PROPAGATION: None}, "annotations": {_PREPARED: None}}
            patched(connection, ref, {"metadata": marks})


def _asks_to_be_kept(namespace: Object) -> bool:
    metadata = namespace["metadata"]
    return not metadata.get("deletionTimestamp") and (metadata.get("annotations") or {}).get(ON_REMOVAL) == "keep"


def _is_kept_already(work: Object) -> bool:
    kept = (work.get("spec") or {}).get("preserveResourcesOnDeletion") is True
    return kept or bool(work["metadata"].get("deletionTimestamp"))


def _works_of_namespace(connection: Connection, ref: ObjectRef) -> list[Object]:
    return [work for work in connection.list(WORK_API, "Work") if ref in set(carried(work))]


def carried(work: Object) -> Iterator[ObjectRef]:
    """Return the objects in a Work; manifests with an unexpected form are left out."""
    for manifest in ((work.get("spec") or {}).get("workload") or {}).get("manifests") or []:
        if manifest.get("kind") and manifest.get("apiVersion"):
            yield ref_of(manifest)


# -- after templates have gone ---------------------------------------------------------------------


class Finisher:
    """Ends Works that Karmada can't end: those whose copy doesn't exist, or can't be written.

    Karmada retries such a Work without end (`flotilla.karmada.status.kept`). This removes the marks from the copy in
    the member, if there is one, and then the Work's finalizer. A member that isn't Ready is skipped.
    """

    def __init__(self, connection: Connection, templates: Iterable[ObjectRef]) -> None:
        """Store the templates; no request is sent yet.

        Args:
            connection: a connection to the control plane.
            templates: the deleted templates.
        """
        self._connection = connection
        self._templates = frozenset(templates)
        self._since: dict[ObjectRef, float] = {}
        self._looked = float("-inf")

    def __call__(self) -> None:
        """Look at the Works, at most once a second, and end those that have waited for some seconds.

        Raises:
            ClusterError: the control plane rejects a request. If it is only busy, the next look repeats the request.
        """
        if time.monotonic() - self._looked < _POLL_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            self._look()
        except ApiError as error:
            if not error.busy:
                raise

    def _look(self) -> None:
        left = self.left()
        clusters = {str(one["metadata"]["name"]): one for one in self._connection.list(CLUSTER_API, "Cluster") if left}
        reached: dict[str, Connection | None] = {}  # once per look: a member that doesn't answer takes seconds
        for work in left:
            ref = ref_of(work)
            if not _may_hang(work) or time.monotonic() - self._since.setdefault(ref, self._looked) < _PATIENCE_SECONDS:
                continue
            name = member_of(work)
            if name not in reached:
                cluster = clusters.get(name)
                asked = cluster if cluster is not None and is_true(cluster, "Ready") else None
                reached[name] = reach(self._connection, asked) if asked is not None else None
            member = reached[name]
            if member is not None and not self._finish(work, member):
                reached[name] = None

    def left(self) -> list[Object]:
        """Return the Works that still contain one of the templates.

        Raises:
            ClusterError: the control plane could not be asked.
        """
        return [one for one in self._connection.list(WORK_API, "Work") if self.of(one)]

    def of(self, work: Object) -> frozenset[ObjectRef]:
        """Return which of the templates a Work contains."""
        return self._templates & frozenset(carried(work))

    def _finish(self, work: Object, member: Connection) -> bool:
        """End a Work after its copy was released; False where the member no longer answers."""
        try:
            free_in(member, carried(work), managed=True)
        except ClusterError as error:
            return not error.whole_cluster  # the next look tries again
        release(self._connection, ref_of(work), WORK_FINALIZER)
        return True


def _may_hang(work: Object) -> bool:
    view = view_or_error(Work, work)
    if not isinstance(view, Work):
        return False
    return bool(view.metadata.deletion_timestamp and view.spec.preserve_resources_on_deletion)


def await_released(connection: Connection, finisher: Finisher, seconds: float) -> None:
    """Wait until no Work for a Ready member contains one of a finisher's templates any more.

    Raises:
        FlotillaError: some Works are left after `seconds`; the message names them, and the reason.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            finisher()
            left = _left(connection, finisher)
        except ApiError as error:
            if not error.busy:
                raise
            left = ["the control plane does not answer"]
        if not left:
            return
        if time.monotonic() > deadline:
            raise FlotillaError(
                f"Karmada has not released all copies after {seconds:.0f} s: {'; '.join(left)}", hint=KEPT_REMEDY
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to release a workload's copies")


def _left(connection: Connection, finisher: Finisher) -> list[str]:
    """Return which Works for a Ready member still contain a deleted template, and why they stay."""
    works = finisher.left()
    if not works:
        return []
    ready = {str(one["metadata"]["name"]) for one in connection.list(CLUSTER_API, "Cluster") if is_true(one, "Ready")}
    there = {ref for ref in {ref for work in works for ref in finisher.of(work)} if is_in_use(connection, ref)}
    works = [work for work in works if member_of(work) in ready and finisher.of(work) - there]
    names = sorted(f"{work['metadata']['namespace']}/{work['metadata']['name']}" for work in works)
    return [why_unfinished(works) or f"Works {', '.join(names[:_MOST])}"] if works else []
