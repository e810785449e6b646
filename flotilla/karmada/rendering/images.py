"""Image references, split as Karmada's overrider does (pkg/util/imageparser, github.com/distribution/reference)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.patches import apply_patch

Object = dict[str, Any]

IN_TEMPLATE = frozenset({"ReplicaSet", "Deployment", "DaemonSet", "StatefulSet", "Job"})
"""The kinds whose pods are at spec.template. Karmada only checks the kind, not its group."""

_ALPHANUMERIC = r"[a-z0-9]+"
_PART = rf"{_ALPHANUMERIC}(?:(?:\.|_|__|-+){_ALPHANUMERIC})*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"((?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::({_TAG}))?(?:@({_DIGEST}))?")
_ANCHORED_TAG, _ANCHORED_DIGEST = re.compile(_TAG), re.compile(_DIGEST)
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Image:
    """The parts of an image reference."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""
    """With its algorithm (`sha256:...`). If there is also a tag, Karmada drops the digest whenever it writes the
    reference."""

    @classmethod
    def parse(cls, text: str) -> Image:
        """Split a reference; its first part is the registry if it looks like a host.

        Raises:
            ValueError: it isn't an image reference.
        """
        found = _REFERENCE.fullmatch(text)
        if not found:
            raise ValueError("it isn't a valid image reference")
        name, tag, digest = found[1], found[2] or "", found[3] or ""
        algorithm, _, digits = digest.partition(":")
        if digest and (_DIGEST_LENGTHS.get(algorithm) != len(digits) or digits != digits.lower()):
            raise ValueError("its digest is not valid")
        head, slash, rest = name.partition("/")
        is_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
        registry, repository = (head, rest) if is_host else ("", name)
        if len(repository) > _LONGEST_NAME:
            raise ValueError("its name is too long")
        return cls(registry, repository, tag, digest)

    def __str__(self) -> str:
        """Return the reference as Karmada writes it: with the tag if there is one, else with the digest."""
        name = f"{self.registry}/{self.repository}" if self.registry else self.repository
        if self.tag:
            return f"{name}:{self.tag}"
        return f"{name}@{self.digest}" if self.digest else name

    @property
    def version(self) -> str:
        """The part that identifies the version: the digest if there is one, else the tag."""
        return self.digest or self.tag

    def overridden(self, component: str, operator: str, value: str) -> Image:
        """Return the image with one component changed, as Karmada changes it.

        A value that is neither a tag nor a digest (such as `v2@sha256:...`) changes neither.

        Args:
            component: Registry, Repository or Tag.
            operator: add (append), replace or remove.
            value: the value; ignored for remove.
        """
        given = self if not self.tag else replace(self, digest="")
        if component != "Tag":
            part = component.lower()
            values = {"add": getattr(self, part) + value, "replace": value, "remove": ""}
            return replace(given, **{part: values[operator]})
        if operator == "remove":
            return replace(given, tag="", digest="")
        wanted = (given.tag or given.digest) + value if operator == "add" else value
        if _ANCHORED_TAG.fullmatch(wanted):
            return replace(given, tag=wanted, digest="")
        return replace(given, tag="", digest=wanted) if _ANCHORED_DIGEST.fullmatch(wanted) else given


def override_image(obj: Object, step: Object) -> Object:
    """Return an object with one imageOverrider applied.

    Without a predicate it applies to the containers of Pods and of the kinds in `IN_TEMPLATE`. Karmada skips init
    containers, CronJobs and all other kinds.

    Raises:
        OverrideError: an image isn't a valid reference, or a predicate's path leads to no text.
    """
    return dict(apply_patch(obj, list(_steps(obj, step))))


def image_paths(obj: Object) -> list[str]:
    """Return the paths of the images to which an imageOverrider without a predicate applies."""
    prefix = {"Pod": "/spec"}.get(obj["kind"], "/spec/template/spec" if obj["kind"] in IN_TEMPLATE else "")
    return [f"{prefix}/containers/{index}/image" for index, _ in enumerate(containers(obj))]


def containers(obj: Object) -> list[Object]:
    """Return the containers to which image, command and args overriders apply."""
    spec = obj.get("spec")
    if obj["kind"] in IN_TEMPLATE:
        spec = (_map(spec).get("template") or {}).get("spec")
    elif obj["kind"] != "Pod":
        return []
    found = _map(spec).get("containers")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _steps(obj: Object, step: Object) -> Iterator[tuple[str, str, str]]:
    predicate = step.get("predicate")
    if predicate:
        path = str(predicate.get("path") or "")
        yield "replace", path, _overridden(_image_at(obj, path), step, path)
        return
    for path, container in zip(image_paths(obj), containers(obj), strict=True):
        yield "replace", path, _overridden(str(container.get("image") or ""), step, path)


def _overridden(text: str, step: Object, path: str) -> str:
    try:
        image = Image.parse(text)
    except ValueError as error:
        raise OverrideError(f"the image at {path}", str(error)) from None
    return str(image.overridden(str(step["component"]), str(step["operator"]), str(step.get("value") or "")))


def _image_at(obj: Object, path: str) -> str:
    """Return the text at a predicate's path. Karmada reads it without escapes, and expects maps as entries of lists."""
    if not path.startswith("/"):
        raise OverrideError(f"the image at {path}", "the path doesn't begin with /")
    current: Any = obj
    parts = path.strip("/").split("/")
    while len(parts) > 1 and isinstance(current, dict):
        current = current.get(parts.pop(0))
        if isinstance(current, list):
            index = parts.pop(0)
            current = current[int(index)] if index.isdecimal() and int(index) < len(current) else None
    text = current.get(parts[0]) if parts and isinstance(current, dict) else None
    if not isinstance(text, str):
        raise OverrideError(f"the image at {path}", "the object has no text there")
    return text
