"""Works: one per binding and cluster, made from the template with that cluster's overrides; gone when unwanted."""

from __future__ import annotations

import json
import zlib
from typing import Any

from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX, execution_namespace
from flotilla.karmada.objects import BINDING_API, POLICY_API, WORK_API
from flotilla.karmada.rendering.render import render
from flotilla.karmada.scheduling import facts_of
from flotilla.kube.objects import Object, ObjectRef, differences, ref_of
from flotilla.sandbox.standin.policies import BINDING_FINALIZER, BINDING_ID, CLUSTER_BINDING_ID
from flotilla.sandbox.standin.world import MANAGED, MANAGER, World, deleting, find, fresh_id, label

WORK_FINALIZER = "karmada.io/execution-controller"
WORK_ID = "work.karmada.io/permanent-id"
CONFLICT = "work.karmada.io/conflict-resolution"
GENERATION = "resourcetemplate.karmada.io/generation"
_APPLIED_OVERRIDES = "policy.karmada.io/applied-overrides"
_SKIPPED_NAMESPACES = ("kube-", "karmada-")
_SKIP_LABEL = "namespace.karmada.io/skip-auto-propagation"
# Parts of an object that belong to the server it is on.
_SERVER_METADATA = frozenset(
    {
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
        "selfLink",
        "ownerReferences",
        "finalizers",
    }
)


def reconcile_works(world: World, clusters: list[Object]) -> None:
    """Make the Works that bindings and namespaces ask for, and delete the others."""
    wanted: dict[tuple[str, str], Object] = {}
    by_name = {c["metadata"]["name"]: c for c in clusters}
    rules = _override_policies(world)
    bound: set[str] = set()
    for kind, key in (("ResourceBinding", BINDING_ID), ("ClusterResourceBinding", CLUSTER_BINDING_ID)):
        for binding in world.control_plane.list(BINDING_API, kind):
            if deleting(binding):
                continue
            bound.add(label(binding, key))
            for work in _works_of(world, binding, key, by_name, rules):
                wanted[work["metadata"]["namespace"], work["metadata"]["name"]] = work
    for work in _namespace_works(world, clusters):
        wanted[work["metadata"]["namespace"], work["metadata"]["name"]] = work
    standing = {c["metadata"]["name"] for c in clusters}
    for work in world.control_plane.list(WORK_API, "Work"):
        key_of = (work["metadata"]["namespace"], work["metadata"]["name"])
        cluster = key_of[0].removeprefix(EXECUTION_NAMESPACE_PREFIX)
        target = wanted.pop(key_of, None)
        if target is not None:
            _update(world, work, target)
        elif not deleting(work) and cluster in standing:
            world.control_plane.delete(ref_of(work), propagation="Background")
    for work in wanted.values():
        work["metadata"]["labels"][WORK_ID] = fresh_id()
        world.control_plane.create(work, field_manager=MANAGER)
    _release_bindings(world)
    _release_cluster_targets(world, standing)


def _release_bindings(world: World) -> None:
    """Let bindings go whose Works are gone: until then what they sent is still in the members."""
    works = world.control_plane.list(WORK_API, "Work")
    for kind, key in (("ResourceBinding", BINDING_ID), ("ClusterResourceBinding", CLUSTER_BINDING_ID)):
        for binding in world.control_plane.list(BINDING_API, kind):
            if deleting(binding) and not any(label(work, key) == label(binding, key) for work in works):
                world.drop_finalizer(binding, BINDING_FINALIZER)


def _release_cluster_targets(world: World, standing: set[str]) -> None:
    """Take clusters that leave out of every binding, so that they can."""
    for kind in ("ResourceBinding", "ClusterResourceBinding"):
        for binding in world.control_plane.list(BINDING_API, kind):
            held = binding["spec"].get("clusters") or []
            kept = [target for target in held if target["name"] in standing]
            if kept != held:
                patch = [{"op": "add", "path": "/spec/clusters", "value": kept}]
                world.control_plane.patch(ref_of(binding), patch, kind="json")


def _override_policies(world: World) -> list[Object]:
    """Return override policies in the order in which Karmada applies them: cluster-wide ones first, then by name."""
    found: list[Object] = []
    for kind in ("ClusterOverridePolicy", "OverridePolicy"):
        items = world.control_plane.list(POLICY_API, kind)
        found += sorted((item for item in items if not deleting(item)), key=lambda i: i["metadata"]["name"])
    return found


def _selects(policy: Object, template: Object) -> bool:
    meta = template["metadata"]
    if policy["kind"] == "OverridePolicy" and policy["metadata"]["namespace"] != meta.get("namespace"):
        return False
    for selector in policy["spec"].get("resourceSelectors") or [{}]:
        labels = (selector.get("labelSelector") or {}).get("matchLabels") or {}
        if (
            selector.get("apiVersion", template["apiVersion"]) == template["apiVersion"]
            and selector.get("kind", template["kind"]) == template["kind"]
            and selector.get("name", meta["name"]) in ("", meta["name"])
            and all(label(template, key) == value for key, value in labels.items())
        ):
            return True
    return False


def _works_of(
    world: World, binding: Object, key: str, clusters: dict[str, Object], policies: list[Object]
) -> list[Object]:
    reference = binding["spec"]["resource"]
    ref = ObjectRef(reference["apiVersion"], reference["kind"], reference["name"], reference.get("namespace") or "")
    template = find(world.control_plane, ref)
    if template is None or deleting(template):
        return []
    chosen = [policy for policy in policies if _selects(policy, template)]
    rules = [rule for policy in chosen for rule in policy["spec"].get("overrideRules") or []]
    works = []
    for target in binding["spec"].get("clusters") or []:
        cluster = clusters.get(target["name"])
        if cluster is None:
            continue
        plain = _traveller(template)
        manifest = render(plain, facts_of(cluster), replicas=target.get("replicas"), rules=rules)
        resolution = str(binding["spec"].get("conflictResolution", "Abort")).lower()
        identity = {key: label(binding, key)}
        applied = [
            {"policyName": policy["metadata"]["name"], "overriders": rule["overriders"]}
            for policy in chosen
            for rule in policy["spec"].get("overrideRules") or []
            if render(plain, facts_of(cluster), replicas=None, rules=[rule]) != plain
        ]
        works.append(_work(target["name"], ref, manifest, identity, resolution, template, applied))
    return works


def _traveller(template: Object) -> Object:
    """Return what of a template travels: not its status, and not what its server wrote."""
    metadata = {key: value for key, value in template["metadata"].items() if key not in _SERVER_METADATA}
    kept = {key: value for key, value in template.items() if key not in ("status", "metadata")}
    if template["kind"] == "Service":
        spec = {k: v for k, v in kept["spec"].items() if k not in ("clusterIP", "clusterIPs", "healthCheckNodePort")}
        kept["spec"] = spec
    if template["kind"] == "ServiceAccount":
        kept.pop("secrets", None)
    return {**kept, "metadata": metadata}


def _work(
    cluster: str,
    ref: ObjectRef,
    manifest: Object,
    identity: dict[str, str],
    resolution: str,
    template: Object,
    applied: list[Any],
) -> Object:
    # By kind, not by version: as with Karmada, the Work of an object outlives another version of its group.
    key = repr((ref.kind, ref.name, ref.namespace))
    name = f"{ref.name.replace(':', '.')}-{zlib.crc32(key.encode()):08x}"
    metadata = manifest["metadata"]
    marks = {
        GENERATION: str(template["metadata"].get("generation") or 0),
        "resourcetemplate.karmada.io/uid": template["metadata"]["uid"],
        "work.karmada.io/name": name,
        "work.karmada.io/namespace": execution_namespace(cluster),
        CONFLICT: resolution,
    }
    sent = {
        **manifest,
        "metadata": {
            **metadata,
            "labels": {**(metadata.get("labels") or {}), MANAGED: "true", **identity},
            "annotations": {**(metadata.get("annotations") or {}), **marks},
        },
    }
    annotations = {CONFLICT: resolution}
    if applied:
        annotations[_APPLIED_OVERRIDES] = json.dumps(applied)
    return {
        "apiVersion": WORK_API,
        "kind": "Work",
        "metadata": {
            "name": name,
            "namespace": execution_namespace(cluster),
            "labels": dict(identity),
            "annotations": annotations,
            "finalizers": [WORK_FINALIZER],
        },
        "spec": {"workload": {"manifests": [sent]}},
    }


def _update(world: World, held: Object, wanted: Object) -> None:
    old = (held["spec"].get("workload") or {}).get("manifests") or []
    new = wanted["spec"]["workload"]["manifests"]
    if deleting(held) or (not differences(new, old) and not differences(old, new)):
        return
    patch: list[Object] = [{"op": "add", "path": "/spec/workload", "value": {"manifests": new}}]
    patch.append({"op": "add", "path": "/metadata/annotations", "value": wanted["metadata"]["annotations"]})
    world.control_plane.patch(ref_of(held), patch, kind="json")


def _namespace_works(world: World, clusters: list[Object]) -> list[Object]:
    """Return the Works that carry the control plane's namespaces to every member, as Karmada sends them."""
    works = []
    for namespace in world.control_plane.list("v1", "Namespace"):
        name = namespace["metadata"]["name"]
        if name == "default" or name.startswith(_SKIPPED_NAMESPACES) or deleting(namespace):
            continue
        if label(namespace, _SKIP_LABEL) == "true":
            continue
        ref = ObjectRef("v1", "Namespace", name)
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": _traveller(namespace)["metadata"]}
        works += [_work(c["metadata"]["name"], ref, manifest, {}, "abort", namespace, []) for c in clusters]
    return works
