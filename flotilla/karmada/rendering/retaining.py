"""What Karmada writes when it updates an object of a member: the manifest, with fields that it retains.

Sources: pkg/util/objectwatcher (retainClusterFields), pkg/resourceinterpreter/default/native/retain.go and
pkg/util/lifted/retain.go, the same in 1.10 and 1.18. Karmada replaces the whole object: a field that is neither in the
manifest nor retained here is removed, or gets the API's default.
"""

from __future__ import annotations

from typing import Any

from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.rendering.traveling import TOKEN_TYPE
from flotilla.kube.objects import Object, copied

_RETAINED_METADATA = ("finalizers", "ownerReferences")
_MANAGED = {
    "labels": "resourcetemplate.karmada.io/managed-labels",
    "annotations": "resourcetemplate.karmada.io/managed-annotations",
}
"""The annotations that list which labels and annotations of a copy Karmada has written."""


def written_over(manifest: Object, live: Object) -> Object:
    """Return what Karmada writes over a member's object, including the object's `resourceVersion`."""
    result = retained(manifest, live)
    metadata, there = {**result["metadata"]}, live["metadata"]
    for field, record in _MANAGED.items():
        former = str((there.get("annotations") or {}).get(record) or "").split(",")
        kept = {key: value for key, value in (there.get(field) or {}).items() if key not in former}
        merged = {**kept, **(metadata.get(field) or {})}
        metadata = {**metadata, **({field: merged} if merged else {})}
    metadata = {key: value for key, value in metadata.items() if key not in _RETAINED_METADATA}
    metadata |= {key: there[key] for key in (*_RETAINED_METADATA, "resourceVersion") if there.get(key)}
    return {**result, "metadata": metadata}


def retained(manifest: Object, live: Object | None) -> Object:
    """Return a manifest with the fields outside its metadata that Karmada retains from the member's object."""
    if live is None:
        return manifest
    match (manifest.get("apiVersion"), manifest.get("kind")):
        case ("apps/v1", "Deployment") if owns_replicas(manifest):
            return _with(manifest, live, ("spec", "replicas"))
        case ("batch/v1", "Job") if _spec(manifest).get("manualSelector") is not True:
            selected = _with(manifest, live, ("spec", "selector", "matchLabels"))
            return _with(selected, live, ("spec", "template", "metadata", "labels"))
        case ("v1", "Service"):
            return _with(_with(manifest, live, ("spec", "healthCheckNodePort")), live, ("spec", "clusterIP"))
        case ("v1", "PersistentVolumeClaim"):
            return _with(manifest, live, ("spec", "volumeName"))
        case ("v1", "PersistentVolume"):
            return _with(manifest, live, ("spec", "claimRef"))
        case ("v1", "Secret") if manifest.get("type") == TOKEN_TYPE:
            return _with(manifest, live, ("data",))
        case ("v1", "ServiceAccount"):
            return {**manifest, **_credentials(manifest, live)}
        case ("v1", "Pod"):
            return _pod(manifest, live)
    return manifest


def _with(manifest: Object, live: Object, path: tuple[str, ...]) -> Object:
    """Return a manifest with the value that the member's object has at a path; unchanged if that is empty."""
    value: Any = live
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value in (None, "", {}):
        return manifest
    result = copied(manifest)
    place = result
    for step in path[:-1]:
        below = place.get(step)
        place[step] = below if isinstance(below, dict) else {}
        place = place[step]
    place[path[-1]] = value
    return result


def _spec(obj: Object) -> Object:
    spec = obj.get("spec")
    return spec if isinstance(spec, dict) else {}


def _credentials(manifest: Object, live: Object) -> Object:
    """Return a ServiceAccount's Secrets, those of the manifest first, then those of the member."""
    found: Object = {}
    for field in ("secrets", "imagePullSecrets"):
        own = [one for one in manifest.get(field) or [] if isinstance(one, dict)]
        names = {one.get("name") for one in own}
        merged = [*own, *(one for one in live.get(field) or [] if one.get("name") not in names)]
        found |= {field: merged} if merged else {}
    return found


def _pod(manifest: Object, live: Object) -> Object:
    there = _spec(live)
    spec = {**_spec(manifest), **{k: there[k] for k in ("nodeName", "serviceAccountName", "volumes") if there.get(k)}}
    for field in ("containers", "initContainers"):
        mounts = {one.get("name"): one.get("volumeMounts") for one in there.get(field) or []}
        own = [
            {**one, "volumeMounts": mounts[one.get("name")]} if mounts.get(one.get("name")) else one
            for one in spec.get(field) or []
        ]
        spec |= {field: own} if own else {}
    return {**manifest, "spec": spec}
