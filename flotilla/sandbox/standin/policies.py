"""Policies: they claim templates, and each claimed template gets a binding."""

from __future__ import annotations

import contextlib
from typing import Any

from flotilla.karmada.names import BINDING_FINALIZER
from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.rendering.marks import BINDING_ID_LABELS
from flotilla.karmada.scheduling import Scheduler, demand_of, labels_match, requirements_of
from flotilla.karmada.selection import (
    POLICIES,
    POLICY_ID_LABELS,
    POLICY_NAME_ANNOTATIONS,
    POLICY_NAMESPACE_ANNOTATION,
    claim_annotations,
    precedence,
)
from flotilla.karmada.status.snapshot import binding_ref
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import Object, ObjectRef, differences, ref_of
from flotilla.kube.several import find_served
from flotilla.sandbox.standin.world import MANAGER, World, deleting, fresh_id, label, owned_by

_OF_ONE_NAMESPACE = ("PropagationPolicy", "OverridePolicy")


def reconcile_policies(world: World) -> None:
    """Let policies claim templates by their precedence, and update the bindings of claimed templates."""
    for kind in _OF_ONE_NAMESPACE:
        for policy in world.control_plane.list(POLICY_API, kind):
            _name_namespace(world, policy)
    policies = [
        policy for kind in POLICIES for policy in world.control_plane.list(POLICY_API, kind) if not deleting(policy)
    ]
    claims: dict[ObjectRef, tuple[Any, Object, Object]] = {}
    for policy in policies:
        identified = _identified(world, policy)
        for selector in policy["spec"].get("resourceSelectors") or []:
            for template in _selected(world, policy, selector):
                rank = _rank(policy, template)
                best = claims.get(ref_of(template))
                if best is None or rank < best[0]:
                    claims[ref_of(template)] = (rank, identified, template)
    for _, policy, template in claims.values():
        if not deleting(template):
            _bind(world, _claimed(world, template, policy), policy)


def _name_namespace(world: World, policy: Object) -> None:
    """Set the namespace of a policy's selectors, as the webhook does, under the field manager that wrote them."""
    own, selectors = policy["metadata"]["namespace"], policy["spec"].get("resourceSelectors") or []
    if deleting(policy) or all(one.get("namespace") for one in selectors):
        return
    wrote = [
        (str(one.get("time") or ""), str(one["manager"]))
        for one in policy["metadata"].get("managedFields") or []
        if "f:resourceSelectors" in ((one.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    writer = max(wrote)[1] if wrote else MANAGER
    named = [{**one, "namespace": one.get("namespace") or own} for one in selectors]
    version = {"resourceVersion": policy["metadata"]["resourceVersion"]}
    with contextlib.suppress(ApiError):  # it has changed since, and the next pass tries again
        world.patch(policy, {"metadata": version, "spec": {"resourceSelectors": named}}, manager=writer)


def _identified(world: World, policy: Object) -> Object:
    """Give a policy its permanent ID, as the webhook does."""
    key = POLICY_ID_LABELS[policy["kind"]]
    if label(policy, key):
        return policy
    return {**policy, **world.patch(policy, {"metadata": {"labels": {key: fresh_id()}}})}


def _selected(world: World, policy: Object, selector: Object) -> list[Object]:
    """Return the templates that a selector matches; a PropagationPolicy matches only its own namespace."""
    namespace = selector.get("namespace") or ""
    if policy["kind"] == "PropagationPolicy":
        if namespace not in ("", policy["metadata"]["namespace"]):
            return []
        namespace = policy["metadata"]["namespace"]
    ref = ObjectRef(selector["apiVersion"], selector["kind"], selector.get("name") or "", namespace)
    try:
        if not world.is_preferred(ref.api_version, ref.kind):
            return []
        if ref.name and (namespace or not _is_namespaced(world, ref)):
            found = find_served(world.control_plane, ref)
            return [found] if found else []
        items = world.control_plane.list(ref.api_version, ref.kind, namespace=namespace or None)
    except ApiError:
        return []  # a kind that isn't served has no templates
    return [
        item
        for item in items
        if (not ref.name or item["metadata"]["name"] == ref.name)
        and labels_match(item["metadata"].get("labels") or {}, selector.get("labelSelector") or {})
    ]


def _is_namespaced(world: World, ref: ObjectRef) -> bool:
    return world.control_plane.resource(ref.api_version, ref.kind).namespaced


def _rank(policy: Object, template: Object) -> tuple[Any, ...]:
    """Return the rank of a policy for a template; the lowest wins. A claim stays unless another policy preempts it."""
    key = POLICY_ID_LABELS[policy["kind"]]
    claimed = any(label(template, other) for other in POLICY_ID_LABELS.values())
    holds = bool(label(template, key)) and label(template, key) == label(policy, key)
    may_take = holds or not claimed or policy["spec"].get("preemption") == "Always" or not _holder_exists(template)
    return (not may_take, *precedence(policy, template))


def _holder_exists(template: Object) -> bool:
    """Return whether the claim on a template names a policy; the claim of a deleted policy has been cleared."""
    annotations = template["metadata"].get("annotations") or {}
    return any(annotations.get(name) for name in POLICY_NAME_ANNOTATIONS.values())


def _claim(policy: Object) -> dict[str, str | None]:
    """Return the annotations with which a template and its binding name the policy that claimed the template."""
    cleared = dict.fromkeys((*POLICY_NAME_ANNOTATIONS.values(), POLICY_NAMESPACE_ANNOTATION))
    return {**cleared, **claim_annotations(policy)}


def _claimed(world: World, template: Object, policy: Object) -> Object:
    """Mark a template with its policy, and clear the marks of other policies."""
    labels: dict[str, str | None] = dict.fromkeys(POLICY_ID_LABELS.values())
    annotations = _claim(policy)
    labels[POLICY_ID_LABELS[policy["kind"]]] = label(policy, POLICY_ID_LABELS[policy["kind"]])
    meta = template["metadata"]
    same = all((meta.get("labels") or {}).get(k) == v for k, v in labels.items())
    same = same and all((meta.get("annotations") or {}).get(k) == v for k, v in annotations.items())
    if same:
        return template
    return {**template, **world.patch(template, {"metadata": {"labels": labels, "annotations": annotations}})}


def _bind(world: World, template: Object, policy: Object) -> None:
    """Create or update the binding of a claimed template. The fields of the scheduler are not changed."""
    meta, spec = template["metadata"], policy["spec"]
    namespace = meta.get("namespace") or ""
    ref = binding_ref(ref_of(template))
    reference = {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    if namespace:
        reference["namespace"] = namespace
    wanted: Object = {
        "resource": reference,
        "placement": spec.get("placement") or {},
        "conflictResolution": spec.get("conflictResolution", "Abort"),
        "schedulerName": spec.get("schedulerName", "default-scheduler"),
        "propagateDeps": bool(spec.get("propagateDeps")),
        "preserveResourcesOnDeletion": bool(spec.get("preserveResourcesOnDeletion")),
    }
    demand = demand_of(template, Scheduler())
    if demand.replicas is not None:
        wanted["replicas"] = demand.replicas
        requirements = requirements_of(demand)
        if requirements is not None:
            wanted["replicaRequirements"] = requirements
    found = world.control_plane.find(ref)
    if spec.get("suspension") or (found and found["spec"].get("suspension")):
        wanted["suspension"] = spec.get("suspension") or {}
    if found is None:
        metadata: Object = {
            "name": ref.name,
            "labels": {BINDING_ID_LABELS[ref.kind]: fresh_id()},
            "annotations": claim_annotations(policy),
            "finalizers": [BINDING_FINALIZER],
            "ownerReferences": [owned_by(template)],
        }
        if namespace:
            metadata["namespace"] = namespace
        with contextlib.suppress(ApiError):
            world.control_plane.create(
                {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": wanted},
                field_manager=MANAGER,
            )
        return
    annotations = _claim(policy)
    known = found["metadata"].get("annotations") or {}
    if not deleting(found) and any(known.get(key) != value for key, value in annotations.items()):
        found = world.patch(found, {"metadata": {"annotations": annotations}})
    current = found["spec"]
    stale = differences(wanted, current) or any(
        differences(current.get(part) or {}, wanted.get(part) or {}) for part in ("placement", "suspension")
    )
    if stale and not deleting(found):
        # JSON patch, because a merge would keep fields that are no longer in the placement.
        world.control_plane.patch(
            ref_of(found),
            [{"op": "add", "path": f"/spec/{name}", "value": value} for name, value in wanted.items()],
            kind="json",
        )
