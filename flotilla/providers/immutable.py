"""The fields that can't be changed after an object's creation, by kind. A dry run finds those that are not listed."""

from __future__ import annotations

from flotilla.kube.objects import Path
from flotilla.state.diff import Change, parse_path, path_matches

_BY_KIND = {
    "Deployment": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
    "Job": ("spec.selector", "spec.template", "spec.completionMode"),
    "ClusterRoleBinding": ("roleRef",),
    "RoleBinding": ("roleRef",),
    "Secret": ("type",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
}
_ALWAYS = ("apiVersion", "kind", "metadata.name", "metadata.namespace")


def fixed_paths(kind: str) -> list[Path]:
    """Return the paths of the fields of a kind that can't be changed; for any kind they include its names."""
    return [parse_path(path) for path in (*_ALWAYS, *_BY_KIND.get(kind, ()))]


def among(change: Change, paths: list[Path]) -> bool:
    """Return whether a change is at one of some paths, or above or below it."""
    return any(path_matches(path, change.path) or path_matches(change.path, path) for path in paths)
