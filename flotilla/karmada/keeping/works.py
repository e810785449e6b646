"""Works of workloads whose copies stay: waits until they say so, and until the last of them has gone.

What a deletion does is said by the Work (`spec.preserveResourcesOnDeletion`), which Karmada writes from the binding,
and that from the policy in force: a template that is deleted before this has happened takes its copies along. A
Namespace goes to members without a policy; its Works belong to it, and Karmada writes them anew, without that field, as
long as the Namespace isn't marked `namespace.karmada.io/skip-auto-propagation`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.joining.abandon import release
from flotilla.karmada.keeping.members import free_in, patched, stands
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
"""How long Karmada may take to finish a Work that is being deleted, before it is looked whether it can."""
_PREPARED = "flotilla.dev/copies-stay"
"""Marks a Namespace that a removal has kept Karmada away from, so that it is given back where it stays after all."""
_MOST = 5
_SAYS = {"spec": {"preserveResourcesOnDeletion": True}}


# -- before templates go ---------------------------------------------------------------------------


def await_preserved(
    connection: Connection, templates: Iterable[ObjectRef], seconds: float, *, every: bool = False
) -> None:
    """Wait until the Works of templates say that their copies stay, as the policies in force do.

    A template whose policy doesn't say so is not waited for: it is another workload's now, or the key was dropped.

    Args:
        connection: the control plane.
        templates: those that are about to be deleted.
        seconds: how long to wait.
        every: wait for all of them, whatever the policy in force says: they are surely going to be deleted.

    Raises:
        FlotillaError: some don't say it in time, and what they miss. Nothing has been deleted.
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
                "With `activation: Lazy` a policy counts with the next change of the objects: drop it, "
                "or change them, and run `up` once before",
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to mark a workload's copies as kept")


def _lacking(connection: Connection, refs: list[ObjectRef], *, every: bool) -> dict[ObjectRef, list[str]]:
    """Return where templates' copies would not stay although the policy in force says so: members, or the binding."""

    def look() -> dict[ObjectRef, list[str]]:
        snapshot = read_left(connection, refs)
        policies: dict[ObjectRef, bool] = {}
        return {ref: _unsaid(snapshot, ref) for ref in refs if every or _is_kept(connection, snapshot, ref, policies)}

    return looked_at(refs, look)


def _is_kept(connection: Connection, snapshot: Snapshot, template: ObjectRef, policies: dict[ObjectRef, bool]) -> bool:
    """Return whether the policy that has claimed a template says that copies stay; without one its binding tells.

    An object that only follows others has no policy: Karmada writes into its binding what theirs say.
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
    """Return the policy that has claimed a template, by its annotations; None where none has."""
    found = claimed_by(template["metadata"].get("annotations") or {})
    if found is None:
        return None
    kind, namespace, name = found
    return ObjectRef(POLICY_API, kind, name, namespace)


def _unsaid(snapshot: Snapshot, template: ObjectRef) -> list[str]:
    binding = snapshot.binding_of(template)
    if binding is None or binding.metadata.deletion_timestamp:
        return []
    if not binding.spec.preserve_resources_on_deletion:
        return ["its binding"]
    works = snapshot.works_of(binding.metadata.labels)
    return sorted(name for name, work in works.items() if not (isinstance(work, Work) and _says(work)))


def _says(work: Work) -> bool:
    return bool(work.metadata.deletion_timestamp or work.spec.preserve_resources_on_deletion)


def keep_namespaces(connection: Connection, names: Iterable[str], seconds: float) -> None:
    """Have copies of namespaces stay in members when the namespaces are deleted, with all that is in the copies.

    Only namespaces that say so themselves (`flotilla.dev/on-removal: keep`): another one is not to be kept any more, or
    another workload's.

    Raises:
        FlotillaError: their Works don't say it in time.
    """
    deadline = time.monotonic() + seconds
    for name in names:
        ref = ObjectRef("v1", "Namespace", name)
        while not _is_prepared(connection, ref):
            if time.monotonic() > deadline:
                raise FlotillaError(
                    f"`onRemoval: keep` has not reached the copies of {ref} after {seconds:.0f} s",
                    hint="nothing was removed; does the control plane answer, and who writes its Works all the time?",
                )
            if pause(_POLL_SECONDS):  # somebody may have been about to write them
                raise FlotillaError(f"interrupted while marking the copies of {ref} as kept")


def _is_prepared(connection: Connection, ref: ObjectRef) -> bool:
    """Return whether a Namespace and its Works say that copies stay, or needn't; where they don't, have them say it."""
    try:
        live = connection.find(ref)
        if live is None or not _asks_to_be_kept(live):
            return True
        works = [work for work in _works_of_namespace(connection, ref) if not _is_kept_already(work)]
        skipped = (live["metadata"].get("labels") or {}).get(SKIP_PROPAGATION) == "true"
        if skipped and not works:
            return True
        for work in works:
            patched(connection, ref_of(work), _SAYS)
        if not skipped:
            marks = {"labels": {SKIP_PROPAGATION: "true"}, "annotations": {_PREPARED: "true"}}
            patched(connection, ref, {"metadata": marks})
    except ApiError as error:
        if not error.busy:  # the next look tells
            raise
    return False


def return_namespaces(connection: Connection, names: Iterable[str]) -> None:
    """Give namespaces that stay in the control plane, as another workload's, back to Karmada."""
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
    """Return what a Work carries; manifests of an odd form are left out."""
    for manifest in ((work.get("spec") or {}).get("workload") or {}).get("manifests") or []:
        if manifest.get("kind") and manifest.get("apiVersion"):
            yield ref_of(manifest)


# -- after templates have gone ---------------------------------------------------------------------


class Finisher:
    """Ends Works that Karmada can't end: those whose copies it looks for in vain, or can't write.

    Karmada tries such a Work again and again (`flotilla.karmada.status.kept`). Here its copy, where there is one, is
    freed in the member, and then the Work's finalizer is taken off. A member that isn't Ready is left alone.
    """

    def __init__(self, connection: Connection, templates: Iterable[ObjectRef]) -> None:
        """Begin with none seen.

        Args:
            connection: the control plane.
            templates: the deleted ones.
        """
        self._connection = connection
        self._templates = frozenset(templates)
        self._since: dict[ObjectRef, float] = {}
        self._looked = float("-inf")

    def __call__(self) -> None:
        """Look, at most once a second; end what has waited for some seconds.

        Raises:
            ClusterError: the control plane refuses a request. One that it is too busy for is made at the next look.
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
        reached: dict[str, Connection | None] = {}  # once a look: one that doesn't answer takes seconds
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
        """Return the Works that still carry one of the templates.

        Raises:
            ClusterError: the control plane could not be asked.
        """
        return [one for one in self._connection.list(WORK_API, "Work") if self.of(one)]

    def of(self, work: Object) -> frozenset[ObjectRef]:
        """Return which of the templates a Work carries."""
        return self._templates & frozenset(carried(work))

    def _finish(self, work: Object, member: Connection) -> bool:
        """End a Work, its copy freed; False where the member answers no more."""
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
    """Wait until no Work carries one of a finisher's templates to a Ready member any more.

    Raises:
        FlotillaError: some are left after `seconds`; names them, and what holds them.
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
                f"Karmada has not let all copies go after {seconds:.0f} s: {'; '.join(left)}", hint=KEPT_REMEDY
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError("interrupted while waiting for Karmada to let a workload's copies go")


def _left(connection: Connection, finisher: Finisher) -> list[str]:
    """Say which Works still carry a deleted template to a Ready member, and what holds them."""
    works = finisher.left()
    if not works:
        return []
    ready = {str(one["metadata"]["name"]) for one in connection.list(CLUSTER_API, "Cluster") if is_true(one, "Ready")}
    there = {ref for ref in {ref for work in works for ref in finisher.of(work)} if stands(connection, ref)}
    works = [work for work in works if member_of(work) in ready and finisher.of(work) - there]
    names = sorted(f"{work['metadata']['namespace']}/{work['metadata']['name']}" for work in works)
    return [why_unfinished(works) or f"Works {', '.join(names[:_MOST])}"] if works else []
