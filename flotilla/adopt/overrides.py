"""Turns rules of an override policy into `overrides` of a workload: the opposite direction of `flotilla.stack.specs`.

A rule without a key makes the whole list unreadable, and the policy is then declared unchanged. The caller compares the
declaration for the keys with the rules, so this module doesn't need to know every rule of Karmada's API.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flotilla.karmada.propagation import CHANGES_NOTHING
from flotilla.kube.objects import Object
from flotilla.stack.from_policies import Keys, affinity_keys


class Unreadable(ValueError):
    """A rule has no key in the stack file."""


def override_keys(rules: list[Object], *, container: str) -> list[Keys]:
    """Return rules (RuleWithCluster, policy/v1alpha1) as entries of `overrides`.

    Args:
        rules: the rules; the one that changes nothing gives no entry.
        container: the default container for command and args in an entry: the workload's name.

    Raises:
        Unreadable: a rule contains something that has no key.
    """
    return [_entry(rule, container) for rule in rules if rules != [CHANGES_NOTHING]]


def _entry(rule: Object, container: str) -> Keys:
    if set(rule) - {"targetCluster", "overriders"}:
        raise Unreadable
    target = affinity_keys(rule.get("targetCluster") or {})
    if target.unread:
        raise Unreadable
    alone = set(target.keys) == {"clusters"}
    keys: Keys = dict(target.keys) if alone else {"target": target.keys}
    for field, value in (rule.get("overriders") or {}).items():
        if field not in _OVERRIDERS:
            raise Unreadable
        if value:
            keys |= _OVERRIDERS[field](value)
    if keys.get("container") == container:
        del keys["container"]
    return keys


def _image(steps: list[Object]) -> Keys:
    paths = {str((step.get("predicate") or {}).get("path") or "") for step in steps}
    if len(paths) != 1:
        raise Unreadable
    keys: Keys = {}
    for step in steps:
        part, operator = str(step.get("component")).lower(), step.get("operator")
        if operator == "replace":
            keys[part] = step.get("value")
        elif operator == "add":
            keys.setdefault("append", {})[part] = step.get("value")
        elif operator == "remove":
            keys.setdefault("remove", []).append(part)
        else:
            raise Unreadable
    path = paths.pop()
    return {"image": {**keys, **({"path": path} if path else {})}}


def _words(key: str, without: str) -> Callable[[list[Object]], Keys]:
    def read(steps: list[Object]) -> Keys:
        keys: Keys = {"container": steps[0].get("containerName")}
        for step in steps:
            name = {"add": key, "remove": without}.get(str(step.get("operator")))
            if name is None or name in keys or step.get("containerName") != keys["container"]:
                raise Unreadable
            keys[name] = list(step.get("value") or [])
        return keys

    return read


def _map(added: str, replaced: str, removed: str) -> Callable[[list[Object]], Keys]:
    names = {"add": added, "replace": replaced, "remove": removed}

    def read(steps: list[Object]) -> Keys:
        keys: Keys = {}
        for step in steps:
            name = names.get(str(step.get("operator")))
            if name is None or name in keys:
                raise Unreadable
            value = step.get("value") or {}
            keys[name] = list(value) if name == removed else dict(value)
        return keys

    return read


def _fields(steps: list[Object]) -> Keys:
    found = []
    for step in steps:
        formats = [name for name in ("json", "yaml") if step.get(name)]
        if len(formats) != 1 or set(step) - {"fieldPath", *formats}:
            raise Unreadable
        patches = [_patch(one, "subPath") for one in step[formats[0]]]
        found.append({"path": step.get("fieldPath"), "format": formats[0], "patches": patches})
    return {"fields": found}


def _patches(steps: list[Object]) -> Keys:
    return {"patches": [_patch(step, "path") for step in steps]}


def _patch(step: Object, path: str) -> Keys:
    if set(step) - {path, "operator", "value"}:
        raise Unreadable
    value: Any = {"value": step["value"]} if "value" in step else {}
    return {"op": step.get("operator"), "path": step.get(path), **value}


_OVERRIDERS: dict[str, Callable[[list[Object]], Keys]] = {
    "imageOverrider": _image,
    "commandOverrider": _words("command", "removeCommand"),
    "argsOverrider": _words("args", "removeArgs"),
    "labelsOverrider": _map("labels", "replaceLabels", "removeLabels"),
    "annotationsOverrider": _map("annotations", "replaceAnnotations", "removeAnnotations"),
    "fieldOverrider": _fields,
    "plaintext": _patches,
}
