"""What the API doesn't let change of an object, by its kind. A dry run finds what isn't listed here."""

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
    """Return the paths of the fields that can't change; of any kind its names are."""
    return [parse_path(path) for path in (*_ALWAYS, *_BY_KIND.get(kind, ()))]


def among(change: Change, paths: list[Path]) -> bool:
    """Tell whether a change is at one of some paths, or above or below it."""
    return any(path_matches(path, change.path) or path_matches(change.path, path) for path in paths)
