"""Renamed workloads and objects that move between workloads, in a plan.

A template is the same object in every version of its group (`flotilla.karmada.kinds.identity`). Copies are compared
with the same object before, whichever workload it belonged to.
"""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.karmada.kinds import Identity, identity
from flotilla.kube.objects import Object, ref_of

Copies = dict[str, list[Object]]
"""The objects that each cluster has of a workload."""


@dataclass(frozen=True)
class Side:
    """A workload before and after, as its Rollout describes it."""

    name: str
    former: str
    """Its former name, which differs where the Rollout was renamed."""
    old: Copies
    new: Copies
    not_idempotent: bool = False
    """Applying its override rules twice has another result than applying them once."""


@dataclass(frozen=True)
class Moved:
    """A workload, after pairing its objects with those of other workloads."""

    name: str
    old: Copies
    """The former state of the objects that it has now and of those that are removed."""
    new: Copies
    origin: str = ""
    """The origin of the workload or of some of its objects; empty where nothing moved."""
    question: str = ""
    """A question that only the user can answer."""
    absorbed: bool = False
    """All of its objects are now in other workloads."""


def with_moves(sides: list[Side]) -> list[Moved]:
    """Pair the objects of workloads before with those after."""
    homes = {key: side.name for side in sides for key in _identities(side.new)}
    origins = {key: side for side in sides for key in _identities(side.old)}
    return [_moved(side, sides, homes, origins) for side in sides]


def _moved(side: Side, sides: list[Side], homes: dict[Identity, str], origins: dict[Identity, Side]) -> Moved:
    mine, was_mine = _identities(side.new), _identities(side.old)
    arrived = {key: origins[key] for key in mine if key in origins and origins[key].name != side.name}
    left = {key for key in was_mine if homes.get(key, side.name) != side.name}
    old: Copies = _without(side.old, left)
    for key, origin in arrived.items():
        for cluster, objects in origin.old.items():
            old.setdefault(cluster, []).extend(o for o in objects if identity(o) == key)
    old = {cluster: objects for cluster, objects in old.items() if objects}
    return Moved(
        side.name,
        old,
        side.new,
        _origin(side, arrived),
        _question(side, sides, arrived),
        absorbed=bool(left) and left == was_mine and not mine,
    )


def _origin(side: Side, arrived: dict[Identity, Side]) -> str:
    """Describe the origin of a workload: its former name, or objects that come from other workloads."""
    if side.former and side.former != side.name:
        return f"formerly {side.former}"
    if not arrived:
        return ""
    sources = {origin.name: origin for origin in arrived.values()}
    if not side.old and len(sources) == 1:
        (origin,) = sources.values()
        if not origin.new and set(arrived) == _identities(origin.old):
            return f"formerly {origin.name}"
    names = sorted({_text(key) + f" from {origin.name}" for key, origin in arrived.items()})
    return "takes over " + ", ".join(names)


def _question(side: Side, sides: list[Side], arrived: dict[Identity, Side]) -> str:
    """Return a question that only the user can answer.

    One question is whether a new workload is a renamed one, where its objects don't show it: in the short form their
    names follow the workload's. The other concerns arguments that overrides add to a command: two override policies
    would add them twice, until the policy of the former name is deleted at the end of `up`.
    """
    ending = sorted({origin.name for origin in arrived.values() if not origin.new and origin.name != side.former})
    if ending and side.not_idempotent:
        return (
            f"its overrides add arguments to a command, and would add them twice until the policies of {ending[0]} are "
            f"gone; add `formerly: {ending[0]}`, and the policies keep their name"
        )
    if side.old or arrived or not side.new:
        return ""
    candidates = [other.name for other in sides if other.old and not other.new and _similar(side.new, other.old)]
    if not candidates:
        return ""
    listed = " or ".join(repr(name) for name in sorted(candidates))
    return (
        f"is it {listed} under another name? As it stands, the old pods are deleted and new ones are made; "
        f"`formerly: {min(candidates)}` keeps them"
    )


def _similar(new: Copies, old: Copies) -> bool:
    """Return whether two workloads run the same images in one Deployment of the same namespace."""
    one, other = _objects(new), _objects(old)
    return len(one) == len(other) == 1 and _comparable(one[0]) == _comparable(other[0]) and bool(_comparable(one[0])[2])


def _comparable(obj: Object) -> tuple[str, str, tuple[str, ...]]:
    template = (obj.get("spec") or {}).get("template") or {} if isinstance(obj.get("spec"), dict) else {}
    containers = (template.get("spec") or {}).get("containers") or [] if isinstance(template, dict) else []
    named = [str(c.get("image")) for c in containers if isinstance(c, dict)]
    images = tuple(sorted(image.rpartition(":")[0] or image for image in named))
    return str(obj["kind"]), str(obj["metadata"].get("namespace")), images


def _objects(copies: Copies) -> list[Object]:
    """Return one copy of each object."""
    return list({identity(obj): obj for objects in copies.values() for obj in objects}.values())


def _identities(copies: Copies) -> set[Identity]:
    return {identity(obj) for objects in copies.values() for obj in objects}


def _without(copies: Copies, keys: set[Identity]) -> Copies:
    return {cluster: [o for o in objects if identity(o) not in keys] for cluster, objects in copies.items()}


def _text(key: Identity) -> str:
    _, kind, namespace, name = key
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def not_idempotent(rules: list[Object]) -> bool:
    """Return whether applying override rules twice has another result: they add words or elements of a list."""
    for rule in rules:
        overriders = rule.get("overriders") or {}
        if overriders.get("commandOverrider") or overriders.get("argsOverrider"):
            return True
        if any(step.get("operator") == "add" for step in overriders.get("imageOverrider") or []):
            return True
        if any(_changes_again(step, "path") for step in overriders.get("plaintext") or []):
            return True
        within = [
            step
            for field in overriders.get("fieldOverrider") or []
            for key in ("json", "yaml")
            for step in field.get(key) or []
        ]
        if any(_changes_again(step, "subPath") for step in within):
            return True
    return False


def _changes_again(step: Object, path: str) -> bool:
    """Return whether a JSON patch step fails or changes more when it is applied twice."""
    return step.get("operator") == "remove" or str(step.get(path)).rpartition("/")[2].strip("-0123456789") == ""


def in_one_version(old: list[Object], new: list[Object]) -> list[Object]:
    """Return old objects under their new references, so that another API version is the change of a field."""
    now = {identity(obj): ref_of(obj).api_version for obj in new}
    return [{**obj, "apiVersion": now.get(identity(obj), obj["apiVersion"])} for obj in old]
