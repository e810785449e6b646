"""Overriders of every kind, applied in Karmada's order (pkg/util/overridemanager)."""

from __future__ import annotations

from typing import Any

from flotilla.karmada.rendering.embedded import override_field
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.images import containers, override_image
from flotilla.karmada.rendering.patches import apply_patch
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import copied

Object = dict[str, Any]
FIELD_OVERRIDER_SINCE = Version(1, 12)
ORDER = (
    "imageOverrider",
    "commandOverrider",
    "argsOverrider",
    "labelsOverrider",
    "annotationsOverrider",
    "fieldOverrider",
    "plaintext",
)
"""The kinds of overriders in the order in which Karmada applies those of one rule."""


def apply_overriders(obj: Object, overriders: Object, version: Version = SUPPORTED.newest) -> Object:
    """Return an object with the overriders of one rule: image, command, args, labels, annotations, fields, patches.

    Without overriders, the object itself is returned.

    Raises:
        OverrideError: Karmada fails on an overrider.
    """
    if not any(overriders.values()):
        return obj
    result = copied(obj)
    for step in overriders.get("imageOverrider") or []:
        result = override_image(result, step)
    for key, field in (("commandOverrider", "command"), ("argsOverrider", "args")):
        for step in overriders.get(key) or []:
            _override_list(result, field, step)
    for key, field in (("labelsOverrider", "labels"), ("annotationsOverrider", "annotations")):
        for step in overriders.get(key) or []:
            _override_map(result, field, step)
    if version >= FIELD_OVERRIDER_SINCE:  # an older API server drops the field from a policy
        for step in overriders.get("fieldOverrider") or []:
            result = override_field(result, step)
    steps = [(str(p["operator"]), str(p["path"]), p.get("value")) for p in overriders.get("plaintext") or []]
    return whole(apply_patch(result, steps))


def whole(obj: Any) -> Object:
    """Return the result of a patch, if it is still a Kubernetes object.

    Raises:
        OverrideError: it has no kind or metadata any more, so that Karmada can't decode it.
    """
    if not isinstance(obj, dict) or not obj.get("kind") or not isinstance(obj.get("metadata"), dict):
        raise OverrideError("the patched object", "it has no kind or metadata any more")
    return obj


def _override_list(obj: Object, field: str, step: Object) -> None:
    """Add values to a container's command or args, or remove them; removing from a missing list leaves an empty one."""
    value = [str(word) for word in step.get("value") or []]
    for container in containers(obj):
        if container.get("name") != step["containerName"]:
            continue
        words = [str(word) for word in container.get(field) or []]
        if step["operator"] == "add":
            words += value
        elif step["operator"] == "remove":
            words = [word for word in words if word not in value]
        container[field] = words


def _override_map(obj: Object, field: str, step: Object) -> None:
    """Add, replace or remove labels or annotations; missing keys are neither replaced nor removed."""
    value = step.get("value") or {}
    metadata = obj["metadata"]
    present = metadata.get(field)
    if step["operator"] == "add":
        if value:
            metadata[field] = {**(present or {}), **value}
        return
    for key in value:
        if not present or key not in present:
            continue
        if step["operator"] == "replace":
            present[key] = value[key]
        else:
            del present[key]
