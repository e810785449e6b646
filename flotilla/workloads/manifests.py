"""Parses manifests like kubectl: objects with fixed names, lists unfolded, strings where Kubernetes requires them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flotilla.kube import yaml
from flotilla.kube.objects import Object, is_base64
from flotilla.kube.yaml import Path
from flotilla.stack.problems import at

SOPS = "sops"
"""The section that SOPS adds to files that it encrypts."""
_SHOWN = 40
_TEMPLATES: dict[tuple[str, str], Path] = {
    ("v1", "Pod"): (),
    ("v1", "ReplicationController"): ("spec", "template"),
    ("apps/v1", "Deployment"): ("spec", "template"),
    ("apps/v1", "StatefulSet"): ("spec", "template"),
    ("apps/v1", "DaemonSet"): ("spec", "template"),
    ("apps/v1", "ReplicaSet"): ("spec", "template"),
    ("batch/v1", "Job"): ("spec", "template"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
"""The path of the pod template's metadata and spec, by kind."""
_CONTAINERS = ("containers", "initContainers")


class ManifestError(ValueError):
    """A text that isn't a manifest; `problems` has all problems, each with its line."""

    def __init__(self, problems: list[str]) -> None:
        """Store the problems separately."""
        super().__init__("; ".join(problems))
        self.problems = problems


class NoObjects(ManifestError):
    """A YAML text without objects: comments, empty documents, a list without items."""


def parse_manifests(text: str, documents: list[Any] | None = None) -> list[Object]:
    """Return the objects of a YAML text with one or more documents, in their order.

    Args:
        text: the text.
        documents: the parsed documents to use instead, where placeholders replace the text's own values.

    Raises:
        NoObjects: it contains no object.
        ManifestError: it isn't YAML, or contains something that Kubernetes doesn't accept as an object.
    """
    try:
        documents = yaml.load_all(text) if documents is None else documents
    except yaml.YamlError as error:
        raise ManifestError([f"not valid YAML: {error.message}"]) from None
    found = _Found(text)
    for index, document in enumerate(documents):
        found.document(index, document)
    if not found.problems and not found.objects:
        raise NoObjects(["contains no object"])
    if found.problems:
        raise ManifestError(found.problems)
    return found.objects


class _Found:
    """The objects and problems found in one text."""

    def __init__(self, text: str) -> None:
        self._source = text
        self.objects: list[Object] = []
        self.problems: list[str] = []

    def document(self, index: int, document: Any) -> None:
        if document is None:
            return
        if not isinstance(document, dict):
            self._wrong(index, (), f"a document is {_kind(document)}", "it must be an object with apiVersion and kind")
        elif _is_list(document):
            self._list(index, document)
        else:
            self._object(index, (), document)

    def _list(self, index: int, document: dict[str, Any]) -> None:
        items = document.get("items")
        if not isinstance(items, list | None):
            self._wrong(index, ("items",), f"items is {_kind(items)}{_seen(items)}", "it must be a list of objects")
            return
        kind = str(document["kind"]).removesuffix("List")
        inferred = {"apiVersion": document.get("apiVersion"), "kind": kind} if kind else {}
        for position, item in enumerate(items or []):
            path: Path = ("items", position)
            if not isinstance(item, dict):
                self._wrong(index, path, f"items[{position}] is {_kind(item)}", "it must be an object")
            elif _is_list(item):
                rule = f"a {document['kind']} contains a {item['kind']}: a list within a list is not unfolded"
                self._wrong(
                    index, path, rule, "put the inner one's objects into the outer one (kubectl refuses it too)"
                )
            else:
                self._object(index, path, {**inferred, **item})

    def _object(self, index: int, path: Path, obj: dict[str, Any]) -> None:
        before = len(self.problems)
        for key in ("apiVersion", "kind"):
            if key not in obj or obj[key] in (None, ""):
                self._wrong(index, path, f"a document has no {key}", "an object has apiVersion, kind and metadata")
            else:
                self._text(index, path, obj, (key,))
        section = obj.get(SOPS)
        if isinstance(section, dict) and "mac" in section:
            rule = f"a {obj.get('kind')} is encrypted with SOPS, and Flotilla decrypts only files of `manifests`"
            self._wrong(index, (*path, SOPS), rule, "add its file there")
        if len(self.problems) == before:
            self._metadata(index, path, obj)
            for problem in _text_problems(obj):
                self._wrong(index, (*path, *problem[0]), *problem[1:])
        if len(self.problems) == before:
            self.objects.append(obj)

    def _metadata(self, index: int, path: Path, obj: dict[str, Any]) -> None:
        meta = obj.get("metadata")
        if not isinstance(meta, dict | None):
            rule = f"metadata is {_kind(meta)}{_seen(meta)}"
            self._wrong(index, (*path, "metadata"), rule, "it must be a mapping with name")
            return
        meta = meta or {}
        if meta.get("name") in (None, ""):
            if meta.get("generateName"):
                rule = f"a {obj['kind']} has generateName and no name"
                why = "each run would create another object; give it a fixed metadata.name"
                self._wrong(index, (*path, "metadata", "generateName"), rule, why)
            else:
                self._wrong(index, (*path, "metadata"), f"a {obj['kind']} has no metadata.name", "give it one")
            return
        for key in ("name", "namespace"):
            if meta.get(key) is not None:
                self._text(index, path, obj, ("metadata", key))

    def _text(self, index: int, path: Path, obj: Any, where: Path) -> None:
        value = obj
        for step in where:
            value = value[step]
        if not isinstance(value, str):
            self._wrong(index, (*path, *where), f"{_dotted(where)} is {_kind(value)}{_seen(value)}", _remedy(value))

    def _wrong(self, index: int, path: Path, rule: str, remedy: str = "") -> None:
        place = yaml.place_of(self._source, path, document=index)
        line = f", line {place.line}" if place else ""
        self.problems.append(f"{rule}{line}" + (f": {remedy}" if remedy else ""))


def _is_list(document: dict[str, Any]) -> bool:
    kind = document.get("kind")
    return isinstance(kind, str) and (kind == "List" or (kind.endswith("List") and "items" in document))


def check_overridden(declared: Object, copy: Object, cluster: str) -> None:
    """Check that overrides keep strings where Kubernetes requires strings: API servers refuse other types.

    Args:
        declared: the template.
        copy: the object that a cluster gets from it.
        cluster: the name of the cluster.

    Raises:
        ValueError: an override sets another type.
    """
    found = next(_text_problems(copy, encoded=False), None)
    if found and not any(_text_problems(declared, encoded=False)):
        rule, remedy = found[1:]
        name = f"{copy['kind']} {copy['metadata'].get('name')}"
        raise ValueError(f"{name} in {cluster}: {rule}, set by an override, and API servers refuse it: {remedy}")


def _text_problems(obj: Object, *, encoded: bool = True) -> Iterator[tuple[Path, str, str]]:
    """Yield fields that must be strings but have another type: path, rule and remedy.

    With `encoded`, also yield strings that aren't base64 where they must be; encrypted values of the stack file aren't.
    """
    secret = (obj["apiVersion"], obj["kind"]) == ("v1", "Secret")
    for path in _text_maps(obj):
        value = at(obj, path)
        if value is None:
            continue
        if not isinstance(value, dict):
            yield path, f"{_dotted(path)} is {_kind(value)}", "it must be a mapping of texts"
            continue
        hidden = secret and path[-1] in ("data", "stringData")
        for key, entry in value.items():
            if not isinstance(entry, str | None):
                rule = f"{_dotted((*path, key))} is {_kind(entry)}{'' if hidden else _seen(entry)}"
                yield (*path, key), rule, _remedy(entry)
            elif (
                encoded
                and entry
                and (path[-1] == "binaryData" or (secret and path[-1] == "data"))
                and not is_base64(entry)
            ):
                yield (*path, key), f"{_dotted((*path, key))} is not base64", _encode(path)
    for path in _text_fields(obj):
        value = at(obj, path)
        if not isinstance(value, str | None):
            yield path, f"{_dotted(path)} is {_kind(value)}{_seen(value)}", _remedy(value)


def _text_maps(obj: Object) -> Iterator[Path]:
    """Yield the paths of mappings whose values must be strings."""
    yield "metadata", "labels"
    yield "metadata", "annotations"
    kind = (obj["apiVersion"], obj["kind"])
    if kind == ("v1", "ConfigMap"):
        yield ("data",)
        yield ("binaryData",)
    elif kind == ("v1", "Secret"):
        yield ("data",)
        yield ("stringData",)
    elif kind == ("v1", "Service"):
        yield "spec", "selector"
    template = _TEMPLATES.get(kind)
    if template is None:
        return
    yield *template, "spec", "nodeSelector"
    if template:
        yield *template, "metadata", "labels"
        yield *template, "metadata", "annotations"
        yield "spec", "selector", "matchLabels"


def _text_fields(obj: Object) -> Iterator[Path]:
    """Yield the paths of containers' fields that must be strings."""
    template = _TEMPLATES.get((obj["apiVersion"], obj["kind"]))
    if template is None:
        return
    for section in _CONTAINERS:
        containers = at(obj, (*template, "spec", section))
        for index, container in enumerate(containers if isinstance(containers, list) else []):
            path: Path = (*template, "spec", section, index)
            yield *path, "name"
            yield *path, "image"
            for words in ("command", "args"):
                given = at(container, (words,))
                for position in range(len(given) if isinstance(given, list) else 0):
                    yield *path, words, position
            variables = at(container, ("env",))
            for position in range(len(variables) if isinstance(variables, list) else 0):
                yield *path, "env", position, "name"
                yield *path, "env", position, "value"


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step[:_SHOWN]}" if text else step[:_SHOWN]
    return yaml.escaped(text)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping", type(None): "empty"}
    return names[type(value)]


def _seen(value: Any) -> str:
    if isinstance(value, dict | list | None):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return f" ({text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'})"


def _remedy(value: Any) -> str:
    return "it must be a text" if isinstance(value, dict | list | None) else "quote it"


def _encode(path: Path) -> str:
    return "encode it, or move it to " + ("data" if path[-1] == "binaryData" else "stringData")
