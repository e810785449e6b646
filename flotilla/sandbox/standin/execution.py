"""Execution: applies Works in their members continuously, and reports the results to bindings and templates."""

from __future__ import annotations

from http import HTTPStatus

from flotilla.errors import FlotillaError
from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX, WORK_FINALIZER
from flotilla.karmada.objects import CLUSTER_API, WORK_API
from flotilla.karmada.rendering.marks import (
    ANNOTATIONS,
    BINDING_ID_LABELS,
    CLUSTER_BINDING_NAME,
    CONFLICT,
    MANAGED,
    WORK_ID,
)
from flotilla.karmada.rendering.retaining import retained, written_over
from flotilla.karmada.selection import POLICY_ID_LABELS, POLICY_NAME_ANNOTATIONS, POLICY_NAMESPACE_ANNOTATION
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, condition, is_true, ref_of
from flotilla.kube.several import find_served
from flotilla.sandbox.standin.interpreters import collected_status, health
from flotilla.sandbox.standin.world import (
    MANAGER,
    World,
    bindings,
    carries,
    conditions_of,
    deleting,
    label,
    new_condition,
    targets_of,
    template_ref,
)

_RELEASED_LABELS = (BINDING_ID_LABELS["ResourceBinding"], WORK_ID, MANAGED)
_RELEASED_ANNOTATIONS = tuple(ANNOTATIONS - {CONFLICT, CLUSTER_BINDING_NAME})
"""The annotations that Karmada removes from a copy that stays (pkg/util/constants.go). The conflict resolution and the
mark of a cluster-wide binding remain."""
_COUNTS = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")


def reconcile_execution(world: World) -> None:
    """Apply every Work in its member; for a Work that is being deleted, delete its objects."""
    clusters = {c["metadata"]["name"]: c for c in world.control_plane.list(CLUSTER_API, "Cluster")}
    for work in world.control_plane.list(WORK_API, "Work"):
        cluster = clusters.get(work["metadata"]["namespace"].removeprefix(EXECUTION_NAMESPACE_PREFIX))
        if deleting(work):
            _withdraw(world, work, cluster)
        elif work["spec"].get("suspendDispatching"):
            continue  # objects that were sent before stay unchanged
        elif cluster is not None and is_true(cluster, "Ready") and not deleting(cluster):
            _apply(world, work, world.member(cluster))


def _withdraw(world: World, work: Object, cluster: Object | None) -> None:
    """Delete the objects of a Work. If the member isn't Ready, the objects and the Work stay until the member leaves.

    Preserved copies are only released; a Work whose copies can't be released is tried again in every pass. This is the
    behaviour of Karmada's execution controller (handleWorkDelete). In pull mode the agent does it, so without an agent
    nothing happens.
    """
    ready = cluster is not None and is_true(cluster, "Ready")
    pull = cluster is not None and cluster["spec"].get("syncMode") == "Pull"
    if work["spec"].get("preserveResourcesOnDeletion"):
        if cluster is None or not ready or not _release(work, world.member(cluster)):
            return
        world.drop_finalizer(work, WORK_FINALIZER)
        return
    if cluster is not None and not ready and (pull or not deleting(cluster)):
        return
    if cluster is not None and ready:
        try:
            member = world.member(cluster)
            for manifest in work["spec"]["workload"]["manifests"]:
                if manifest["kind"] == "Namespace" and deleting(cluster):
                    continue  # a namespace outlives the membership of its cluster
                found = find_served(member, ref_of(manifest))
                if found is not None and label(found, MANAGED) == "true":
                    member.delete(ref_of(manifest), propagation="Background")
        except FlotillaError:
            return
    world.drop_finalizer(work, WORK_FINALIZER)


def _release(work: Object, member: Connection) -> bool:
    """Remove Karmada's marks from the copies of a Work (cleanupPolicyClaimMetadata); return False if that fails."""
    overwrite = (work["metadata"].get("annotations") or {}).get(CONFLICT) == "overwrite"
    for manifest in work["spec"]["workload"]["manifests"]:
        try:
            found = find_served(member, ref_of(manifest))
            if found is None or (label(found, MANAGED) != "true" and not overwrite):
                return False
            kind = "PropagationPolicy" if ref_of(manifest).namespace else "ClusterPropagationPolicy"
            labels = (*_RELEASED_LABELS, POLICY_ID_LABELS[kind])
            annotations = (*_RELEASED_ANNOTATIONS, POLICY_NAME_ANNOTATIONS[kind])
            annotations += (POLICY_NAMESPACE_ANNOTATION,) if ref_of(manifest).namespace else ()
            body = {"metadata": {"labels": dict.fromkeys(labels), "annotations": dict.fromkeys(annotations)}}
            member.patch(ref_of(manifest), body, query={"fieldManager": MANAGER})
        except FlotillaError:
            return False
    return True


def _apply(world: World, work: Object, member: Connection) -> None:
    applied, message, statuses = True, "Manifest has been successfully applied", []
    overwrite = (work["metadata"].get("annotations") or {}).get(CONFLICT) == "overwrite"
    for manifest in work["spec"]["workload"]["manifests"]:
        try:
            live = _apply_one(world, member, manifest, overwrite=overwrite)
        except FlotillaError as error:
            applied, message = False, error.message
            continue
        statuses.append(
            {
                "identifier": {"ordinal": 0, "kind": manifest["kind"], "name": manifest["metadata"]["name"]},
                "health": health(live),
                "status": collected_status(live, manifest),
            }
        )
    reason = "AppliedSuccessful" if applied else "AppliedFailed"
    said = new_condition("Applied", status=applied, reason=reason, message=message, old=conditions_of(work))
    world.set_status(work, {"conditions": [said], "manifestStatuses": statuses})


def _apply_one(world: World, member: Connection, manifest: Object, *, overwrite: bool) -> Object:
    """Apply a manifest in a member; a copy that has not changed since the last time is skipped."""
    ref = ref_of(manifest)
    found = member.find(ref)
    key = (member.server, ref)
    if found is not None and world.applied.get(key) == (manifest, _version(found)):
        return found
    applied = _apply_over(member, manifest, found, overwrite=overwrite)
    world.applied[key] = (manifest, _version(applied))
    return applied


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


def _apply_over(
    member: Connection, manifest: Object, found: Object | None, *, overwrite: bool, again: int = 3
) -> Object:
    ref = ref_of(manifest)
    if found is not None and label(found, MANAGED) != "true":
        if not overwrite:
            which = f"kind={ref.kind}, {ref.namespace}/{ref.name}"
            raise FlotillaError(
                f"resource({which}) already exists in the cluster {member.name} and the {CONFLICT} strategy value is "
                "empty, Karmada will not manage this resource"
            )
        return member.replace(written_over(manifest, found), field_manager=MANAGER)
    kept = retained(manifest, found)
    if found is None or kept is manifest:
        return member.apply(kept, field_manager=MANAGER, force=True)
    # The retained values were read a moment ago; if the object has changed since, it is read again.
    version = {"resourceVersion": _version(found)}
    try:
        return member.apply({**kept, "metadata": {**kept["metadata"], **version}}, field_manager=MANAGER, force=True)
    except ApiError as error:
        if error.status != HTTPStatus.CONFLICT or not again:
            raise
        return _apply_over(member, manifest, member.find(ref), overwrite=overwrite, again=again - 1)


def reconcile_reports(world: World) -> None:
    """Collect the statuses of Works into their bindings, and those of bindings into the templates' statuses."""
    works = world.control_plane.list(WORK_API, "Work")
    for binding in bindings(world.control_plane):
        if not deleting(binding):
            _report(world, binding, [work for work in works if carries(work, binding)])


def _report(world: World, binding: Object, works: list[Object]) -> None:
    items = []
    for work in sorted(works, key=lambda w: str(w["metadata"]["namespace"])):
        applied = condition(work, "Applied")
        manifests = (work.get("status") or {}).get("manifestStatuses") or []
        item: Object = {
            "clusterName": work["metadata"]["namespace"].removeprefix(EXECUTION_NAMESPACE_PREFIX),
            "applied": bool(applied and applied["status"] == "True"),
        }
        if applied and applied["status"] != "True":
            item["appliedMessage"] = applied["message"]
        if manifests:
            item |= {"health": manifests[0]["health"], "status": manifests[0]["status"]}
        items.append(item)
    targets = {target["name"] for target in targets_of(binding)}
    complete = targets == {item["clusterName"] for item in items if item["applied"]}
    said = new_condition(
        "FullyApplied",
        status=complete,
        reason="FullyAppliedSuccess" if complete else "FullyAppliedFailed",
        message="All works have been successfully applied" if complete else "Failed to apply all works",
        old=conditions_of(binding),
    )
    others = [c for c in conditions_of(binding) if c["type"] != "FullyApplied"]
    world.set_status(
        binding, {**(binding.get("status") or {}), "conditions": [*others, said], "aggregatedStatus": items}
    )
    _report_template(world, binding, items)


def _report_template(world: World, binding: Object, items: list[Object]) -> None:
    ref = template_ref(binding)
    if ref.kind not in ("Deployment", "StatefulSet"):
        return
    template = find_served(world.control_plane, ref)
    if template is None:
        return
    totals: Object = {
        key: sum(int((item.get("status") or {}).get(key, 0)) for item in items)
        for key in _COUNTS
        if any(key in (item.get("status") or {}) for item in items)
    }
    totals["observedGeneration"] = template["metadata"]["generation"]
    world.set_status(template, totals)
