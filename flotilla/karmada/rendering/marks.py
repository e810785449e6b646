"""Labels and annotations that Karmada adds to the objects it sends, and to the Works that contain them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flotilla.karmada.names import execution_namespace
from flotilla.karmada.rendering.policies import Applied
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import copied

Object = dict[str, Any]

BINDING_ID_LABELS = {
    "ResourceBinding": "resourcebinding.karmada.io/permanent-id",
    "ClusterResourceBinding": "clusterresourcebinding.karmada.io/permanent-id",
}
"""The label that links a binding and its Works, by the kind of the binding."""
WORK_ID = "work.karmada.io/permanent-id"
MANAGED = "karmada.io/managed"
CONFLICT = "work.karmada.io/conflict-resolution"
GENERATION = "resourcetemplate.karmada.io/generation"
_UID = "resourcetemplate.karmada.io/uid"
_WORK_NAME, _WORK_NAMESPACE = "work.karmada.io/name", "work.karmada.io/namespace"
_BINDING_NAME, _BINDING_NAMESPACE = "resourcebinding.karmada.io/name", "resourcebinding.karmada.io/namespace"
CLUSTER_BINDING_NAME = "clusterresourcebinding.karmada.io/name"
_MANAGED_LABELS = "resourcetemplate.karmada.io/managed-labels"
_MANAGED_ANNOTATIONS = "resourcetemplate.karmada.io/managed-annotations"
APPLIED_OVERRIDES = {
    "ClusterOverridePolicy": "policy.karmada.io/applied-cluster-overrides",
    "OverridePolicy": "policy.karmada.io/applied-overrides",
}
"""The annotation of a Work that lists the overrides applied to it, by the kind of the policies."""
_GENERATION_SINCE = Version(1, 11)

LABELS = frozenset({*BINDING_ID_LABELS.values(), WORK_ID, MANAGED})
"""Labels that Karmada adds."""
ANNOTATIONS = frozenset(
    {
        CONFLICT,
        GENERATION,
        _UID,
        _WORK_NAME,
        _WORK_NAMESPACE,
        _BINDING_NAME,
        _BINDING_NAMESPACE,
        CLUSTER_BINDING_NAME,
        _MANAGED_LABELS,
        _MANAGED_ANNOTATIONS,
    }
)
"""Annotations that Karmada adds."""


def without_marks(obj: Object) -> Object:
    """Return an object without the labels and annotations that Karmada has added; emptied maps are removed."""
    result = copied(obj)
    for field, keys in (("labels", LABELS), ("annotations", ANNOTATIONS)):
        kept = {key: value for key, value in (result["metadata"].pop(field, None) or {}).items() if key not in keys}
        if kept:
            result["metadata"][field] = kept
    return result


def marked(
    manifest: Object,
    overridden: Object,
    *,
    binding: Object | None,
    work: str,
    work_id: str,
    cluster: str,
    version: Version = SUPPORTED.newest,
) -> Object:
    """Return the manifest of a Work: a manifest with Karmada's labels and annotations.

    Args:
        manifest: the object to send.
        overridden: the same object before it was pruned: its UID and generation become annotations.
        binding: the ResourceBinding or ClusterResourceBinding; None for a Namespace that is sent without one.
        work: the Work's name.
        work_id: the Work's permanent ID.
        cluster: the member's name.
        version: Karmada's version.
    """
    result = copied(manifest)
    metadata = result["metadata"]
    own = overridden["metadata"]
    labels = {**(metadata.get("labels") or {}), MANAGED: "true", WORK_ID: work_id}
    annotations = {**(metadata.get("annotations") or {})}
    if binding is not None:
        labels |= binding_labels(binding)
        annotations |= {**_binding_annotations(binding), CONFLICT: conflict_resolution(overridden, binding)}
        if version >= _GENERATION_SINCE and int(own.get("generation") or 0) > 0:
            annotations[GENERATION] = str(own["generation"])
    annotations |= {
        _UID: str(own.get("uid") or ""),
        _WORK_NAME: work,
        _WORK_NAMESPACE: execution_namespace(cluster),
    }
    annotations[_MANAGED_ANNOTATIONS] = ",".join(sorted({*annotations, _MANAGED_ANNOTATIONS, _MANAGED_LABELS}))
    annotations[_MANAGED_LABELS] = ",".join(sorted(labels))
    metadata |= {"labels": labels, "annotations": annotations}
    return result


def binding_labels(binding: Object) -> dict[str, str]:
    """Return the label by which a binding's Works and objects refer to it."""
    key = BINDING_ID_LABELS[binding["kind"]]
    return {key: str((binding["metadata"].get("labels") or {}).get(key) or "")}


def _binding_annotations(binding: Object) -> dict[str, str]:
    meta = binding["metadata"]
    if binding["kind"] == "ResourceBinding":
        return {_BINDING_NAMESPACE: meta["namespace"], _BINDING_NAME: meta["name"]}
    return {CLUSTER_BINDING_NAME: meta["name"]}


def conflict_resolution(overridden: Object, binding: Object) -> str:
    """Return what Karmada does if the member already has the object; the template's annotation overrides the policy."""
    own = (overridden["metadata"].get("annotations") or {}).get(CONFLICT)
    if own in ("abort", "overwrite"):
        return str(own)
    return "overwrite" if (binding.get("spec") or {}).get("conflictResolution") == "Overwrite" else "abort"


def work_annotations(overridden: Object, binding: Object | None, applied: Iterable[Applied]) -> dict[str, str]:
    """Return the annotations of a Work: its binding, its conflict resolution, and the overrides applied to it."""
    found: dict[str, str] = {}
    if binding is not None:
        found = {**_binding_annotations(binding), CONFLICT: conflict_resolution(overridden, binding)}
    listed = list(applied)
    for kind, key in APPLIED_OVERRIDES.items():
        items = sorted((one for one in listed if one.kind == kind), key=lambda one: one.policy)
        if items:
            shadows = [{"policyName": one.policy, "overriders": one.overriders} for one in items]
            found[key] = json.dumps(shadows, separators=(",", ":"))
    return found
