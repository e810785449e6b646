"""Works: one for each binding and cluster, made from the template with the cluster's overrides; others are deleted.

`flotilla.karmada.rendering` makes their content; this module only writes them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from flotilla.karmada.kinds import SKIP_PROPAGATION
from flotilla.karmada.names import (
    BINDING_FINALIZER,
    EXECUTION_NAMESPACE_PREFIX,
    WORK_FINALIZER,
    execution_namespace,
)
from flotilla.karmada.objects import POLICY_API, WORK_API
from flotilla.karmada.rendering.marks import (
    WORK_ID,
    binding_labels,
    marked,
    work_annotations,
)
from flotilla.karmada.rendering.policies import POLICY_KINDS
from flotilla.karmada.rendering.works import NotSent, Sent, works_of
from flotilla.karmada.scheduling import ClusterFacts, divides, facts_of
from flotilla.kube.objects import Object, ObjectRef, differences, ref_of
from flotilla.kube.several import find_served
from flotilla.sandbox.standin.world import (
    MANAGER,
    World,
    bindings,
    carries,
    deleting,
    fresh_id,
    label,
    targets_of,
    template_ref,
)

_SKIPPED_NAMESPACES = ("kube-", "karmada-")
_Facts = Mapping[str, ClusterFacts]
"""The facts of the clusters that stay, by name."""


@dataclass(frozen=True)
class _Wanted:
    """The wanted Work of a template in a cluster."""

    cluster: str
    ref: ObjectRef
    sent: Sent | NotSent
    binding: Object | None
    """None for a Namespace, which is sent to every cluster without a binding."""

    @property
    def key(self) -> tuple[str, str]:
        """The namespace and the name of the Work.

        The name depends on the kind but not on its version: as in Karmada, the Work stays if the version changes.
        """
        key = repr((self.ref.kind, self.ref.name, self.ref.namespace))
        return execution_namespace(self.cluster), f"{self.ref.name.replace(':', '.')}-{zlib.crc32(key.encode()):08x}"

    def work(self, sent: Sent, identity: str) -> Object:
        """Return the Work with a permanent ID."""
        namespace, name = self.key
        labels = binding_labels(self.binding) if self.binding is not None else {}
        manifest = marked(
            sent.manifest, sent.overridden, binding=self.binding, work=name, work_id=identity, cluster=self.cluster
        )
        return {
            "apiVersion": WORK_API,
            "kind": "Work",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {**labels, WORK_ID: identity},
                "annotations": work_annotations(sent.overridden, self.binding, sent.applied),
                "finalizers": [WORK_FINALIZER],
            },
            "spec": {"workload": {"manifests": [manifest]}, **self.orders},
        }

    @property
    def orders(self) -> Object:
        """The Work's fields for suspension and deletion; empty for a Namespace, which has no binding."""
        if self.binding is None:
            return {}
        spec = self.binding["spec"]
        suspension = spec.get("suspension") or {}
        named = (suspension.get("dispatchingOnClusters") or {}).get("clusterNames") or []
        return {
            "preserveResourcesOnDeletion": bool(spec.get("preserveResourcesOnDeletion")),
            "suspendDispatching": bool(suspension.get("dispatching")) or self.cluster in named,
        }


def reconcile_works(world: World, clusters: list[Object]) -> None:
    """Create and update the Works of bindings and namespaces, and delete the others."""
    policies = [one for kind in POLICY_KINDS for one in world.control_plane.list(POLICY_API, kind) if not deleting(one)]
    facts = {cluster["metadata"]["name"]: facts_of(cluster) for cluster in clusters}
    wanted = {one.key: one for one in _namespace_works(world, facts, policies)}
    for binding in bindings(world.control_plane):
        if not deleting(binding):
            wanted |= {one.key: one for one in _works_of(world, binding, facts, policies)}
    skipped = _skipped_namespaces(world)
    for work in world.control_plane.list(WORK_API, "Work"):
        key = (work["metadata"]["namespace"], work["metadata"]["name"])
        cluster = key[0].removeprefix(EXECUTION_NAMESPACE_PREFIX)
        target = wanted.pop(key, None)
        if target is not None:
            # If an override fails, the Work is not changed.
            if isinstance(target.sent, Sent):
                _update(world, work, target.work(target.sent, label(work, WORK_ID)))
        elif not deleting(work) and cluster in facts and not skipped & {ref_of(one) for one in _manifests(work)}:
            world.control_plane.delete(ref_of(work), propagation="Background")
    for one in wanted.values():
        if isinstance(one.sent, Sent):
            world.control_plane.create(one.work(one.sent, fresh_id()), field_manager=MANAGER)
    _release_bindings(world)
    _release_cluster_targets(world, set(facts))


def _release_bindings(world: World) -> None:
    """Release deleted bindings whose Works no longer exist; until then, their objects are still in the members."""
    works = world.control_plane.list(WORK_API, "Work")
    for binding in bindings(world.control_plane):
        if deleting(binding) and not any(carries(work, binding) for work in works):
            world.drop_finalizer(binding, BINDING_FINALIZER)


def _release_cluster_targets(world: World, staying: set[str]) -> None:
    """Remove clusters that leave from every binding, so that their deletion can finish."""
    for binding in bindings(world.control_plane):
        targets = binding["spec"].get("clusters") or []
        kept = [target for target in targets if target["name"] in staying]
        if kept != targets:
            patch = [{"op": "add", "path": "/spec/clusters", "value": kept}]
            world.control_plane.patch(ref_of(binding), patch, kind="json")


def _works_of(world: World, binding: Object, facts: _Facts, policies: list[Object]) -> list[_Wanted]:
    ref, spec = template_ref(binding), binding["spec"]
    template = find_served(world.control_plane, ref)
    if template is None or deleting(template):
        return []
    targets = [(t["name"], t.get("replicas")) for t in targets_of(binding) if t["name"] in facts]
    found = works_of(template, targets, facts, policies, divided=divides(spec.get("placement") or {}))
    return [_Wanted(name, ref, sent, binding) for name, sent in found.items()]


def _manifests(work: Object) -> list[Object]:
    return list((work["spec"].get("workload") or {}).get("manifests") or [])


def _skipped_namespaces(world: World) -> set[ObjectRef]:
    """Return the namespaces that Karmada must not propagate; their existing copies stay unchanged."""
    found = [one for one in world.control_plane.list("v1", "Namespace") if label(one, SKIP_PROPAGATION) == "true"]
    return {ObjectRef("v1", "Namespace", one["metadata"]["name"]) for one in found}


def _update(world: World, current: Object, wanted: Object) -> None:
    old = _manifests(current)
    new = wanted["spec"]["workload"]["manifests"]
    orders = {key: value for key, value in wanted["spec"].items() if key != "workload"}
    same = all(current["spec"].get(key, False) == value for key, value in orders.items())
    if deleting(current) or (same and not differences(new, old) and not differences(old, new)):
        return
    patch: list[Object] = [{"op": "add", "path": "/spec/workload", "value": {"manifests": new}}]
    patch += [{"op": "add", "path": f"/spec/{key}", "value": value} for key, value in orders.items()]
    patch.append({"op": "add", "path": "/metadata/annotations", "value": wanted["metadata"]["annotations"]})
    world.control_plane.patch(ref_of(current), patch, kind="json")


def _namespace_works(world: World, facts: _Facts, policies: list[Object]) -> list[_Wanted]:
    """Return the Works with which the control plane's namespaces are sent to every member, as in Karmada."""
    everywhere = [(name, None) for name in facts]
    works = []
    for namespace in world.control_plane.list("v1", "Namespace"):
        name = namespace["metadata"]["name"]
        if name == "default" or name.startswith(_SKIPPED_NAMESPACES) or deleting(namespace):
            continue
        if label(namespace, SKIP_PROPAGATION) == "true":
            continue
        template = {**namespace, "apiVersion": "v1", "kind": "Namespace"}
        found = works_of(template, everywhere, facts, policies, divided=False)
        works += [_Wanted(cluster, ObjectRef("v1", "Namespace", name), sent, None) for cluster, sent in found.items()]
    return works
