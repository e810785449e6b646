"""What each cluster gets: a template with that cluster's overrides and its share of the replicas.

The same arithmetic as Karmada's controllers (pkg/util/overridemanager, pkg/util/imageparser), so that a plan can show
the objects before anything is applied, and a rollout can be checked against them. A contract test compares it with
objects recorded from real control planes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import jsonpatch

from flotilla.karmada.scheduling import ClusterFacts, matches, replicas_field

Object = dict[str, Any]

_IN_TEMPLATE = frozenset({"ReplicaSet", "Deployment", "DaemonSet", "StatefulSet", "Job"})


@dataclass(frozen=True)
class Image:
    """An image reference in the parts that Karmada's overrider changes."""

    registry: str
    repository: str
    tag: str
    """A tag, or a digest with its algorithm (`sha256:...`)."""

    @classmethod
    def parse(cls, text: str) -> Image:
        """Split a reference; its first part is a registry if it looks like a host (distribution/reference's rule)."""
        name, at, digest = text.partition("@")
        head, slash, rest = name.partition("/")
        registry = head if slash and (("." in head) or (":" in head) or head == "localhost") else ""
        path = rest if registry else name
        repository, _, tag = path.partition(":")
        return cls(registry, repository, digest if at else tag)

    def __str__(self) -> str:
        mark = "@" if re.match(r"[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,}$", self.tag) else ":"
        name = f"{self.registry}/{self.repository}" if self.registry else self.repository
        return f"{name}{mark}{self.tag}" if self.tag else name


def render(template: Object, cluster: ClusterFacts, *, replicas: int | None, rules: list[Object]) -> Object:
    """Return what a cluster gets: the template with its replicas and the override rules that target it.

    Raises:
        ValueError: a patch that doesn't fit the template, as Karmada would refuse it.
    """
    result = deepcopy(template)
    field = replicas_field(result)
    if field and replicas is not None:
        result.setdefault("spec", {})[field] = replicas
    for rule in rules:
        if matches(cluster, rule.get("targetCluster") or {}):
            _apply(result, rule["overriders"])
    return result


def _apply(obj: Object, overriders: Object) -> None:
    """Apply overriders in upstream's order: image, command, args, labels, annotations, plaintext."""
    for step in overriders.get("imageOverrider") or []:
        for container in _containers(obj):
            container["image"] = _override_image(container.get("image", ""), step)
    for key, field in (("commandOverrider", "command"), ("argsOverrider", "args")):
        for step in overriders.get(key) or []:
            for container in _containers(obj):
                if container.get("name") == step["containerName"]:
                    container[field] = _override_words(container.get(field) or [], step)
    for key, field in (("labelsOverrider", "labels"), ("annotationsOverrider", "annotations")):
        for step in overriders.get(key) or []:
            _override_map(obj, field, step)
    patch = [
        {"op": step["operator"], "path": step["path"]} | ({"value": step["value"]} if "value" in step else {})
        for step in overriders.get("plaintext") or []
    ]
    for step in patch:
        _patch(obj, step)


def _patch(obj: Object, step: Object) -> None:
    """Apply one step of a JSON patch. The library's own text quotes the object, which may be a Secret."""
    try:
        jsonpatch.apply_patch(obj, [step], in_place=True)
    except (
        jsonpatch.JsonPatchException,
        jsonpatch.JsonPointerException,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        tested = isinstance(error, jsonpatch.JsonPatchTestFailed)
        why = "the field has another value" if tested else "the object has no such field"
        which = f"{obj['kind']} {obj['metadata']['name']}: {step['op']} {step['path']}"
        raise ValueError(f"a patch doesn't fit {which}: {why}") from None


def _containers(obj: Object) -> list[Object]:
    spec = obj.get("spec") or {}
    if obj["kind"] in _IN_TEMPLATE:
        spec = (spec.get("template") or {}).get("spec") or {}
    elif obj["kind"] != "Pod":
        return []
    return spec.get("containers") or []


def _override_image(text: str, step: Object) -> str:
    image = Image.parse(text)
    part = {"Registry": "registry", "Repository": "repository", "Tag": "tag"}[step["component"]]
    value = step.get("value") or ""
    changes: dict[str, Callable[[], str]] = {
        "add": lambda: getattr(image, part) + value,
        "replace": lambda: value,
        "remove": lambda: "",
    }
    return str(replace(image, **{part: changes[step["operator"]]()}))


def _override_words(words: list[str], step: Object) -> list[str]:
    value = step.get("value") or []
    return words + value if step["operator"] == "add" else [word for word in words if word not in value]


def _override_map(obj: Object, field: str, step: Object) -> None:
    held = obj["metadata"].get(field) or {}
    for key, value in (step.get("value") or {}).items():
        if step["operator"] == "add":
            held[key] = value
        elif key in held:
            if step["operator"] == "replace":
                held[key] = value
            else:
                del held[key]
    if held:
        obj["metadata"][field] = held
