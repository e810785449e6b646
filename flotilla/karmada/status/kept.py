"""Works that Karmada doesn't finish deleting: those whose copies stay in the members (`onRemoval: keep`).

To end such a Work, Karmada removes its own marks from the copy in the member. Where there is no copy, it retries that
without end (pkg/controllers/execution, cleanupPolicyClaimMetadata, 1.12 to 1.18). There is no copy if the Work was
suspended from the beginning, if the member rejected it, or if somebody has deleted the copy. An override that fails
isn't such a case: Karmada makes no Work then. The Work's finalizer stays, and because of it the member's Cluster stays,
too.
"""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.counts import first_of
from flotilla.errors import ClusterError
from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX, execution_namespace
from flotilla.karmada.objects import CLUSTER_API, WORK_API, Work
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of

KEPT_REMEDY = (
    "make sure that no copy is left in the member, remove the Work's finalizer (`kubectl patch work NAME -n NAMESPACE "
    '--type merge -p \'{"metadata":{"finalizers":null}}\'`) and run it again'
)
_MOST = 3


def never_applied(work: Work) -> bool:
    """Return whether a Work whose copy should stay has none in the member, because it was never applied there."""
    if not work.spec.preserve_resources_on_deletion:
        return False
    applied = work.condition("Applied")
    return applied is None or not applied.true


def unfinished(work: Work) -> str:
    """Return why Karmada doesn't finish deleting a Work; empty where it isn't being deleted, or deletes its copy."""
    if not work.metadata.deletion_timestamp or not work.spec.preserve_resources_on_deletion:
        return ""
    carried = [str(ref_of(one)) for one in work.spec.workload.manifests if one.get("kind") and one.get("apiVersion")]
    namespace = work.metadata.namespace or ""
    member = namespace.removeprefix(EXECUTION_NAMESPACE_PREFIX)
    return (
        f"Karmada doesn't finish deleting Work {namespace}/{work.metadata.name} ({', '.join(carried)}): with "
        f"`onRemoval: keep` it first removes its marks from the copy in {member}, and {_copy(work)}"
    )


def _copy(work: Work) -> str:
    applied = work.condition("Applied")
    if applied is None:
        return "the copy was never sent"
    return "can't do that: was the copy deleted there?" if applied.true else f"the copy was not applied: {applied.why}"


def why_unfinished(works: Iterable[Object]) -> str:
    """Return which of some Works Karmada doesn't finish deleting, and why; empty where it finishes all.

    Args:
        works: the Works in the API's form.
    """
    found = []
    for item in works:
        try:
            text = unfinished(Work.read(item))
        except ClusterError:
            continue  # an unexpected form: nothing is known about this Work
        if text:
            found.append(text)
    return "; ".join(first_of(found, _MOST))


def why_cluster_stays(connection: Connection, ref: ObjectRef) -> str:
    """Return which Works keep a member's Cluster from being deleted; empty where none does, and for other objects."""
    if (ref.api_version, ref.kind) != (CLUSTER_API, "Cluster"):
        return ""
    try:
        return why_unfinished(connection.list(WORK_API, "Work", namespace=execution_namespace(ref.name)))
    except ApiError:
        return ""
