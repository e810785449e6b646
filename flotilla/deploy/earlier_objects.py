"""The objects of an earlier update's workloads and groups, read from the state after it instead of from files.

They are the objects that the program registered. If they are declared again, the program registers the same objects.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.propagation import manifest_of
from flotilla.karmada.selection import is_policy
from flotilla.karmada.template_references import digest_of, digests
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.rollouts import templates_in
from flotilla.providers.objects import OWN_KEYS
from flotilla.state.checkpoint import Snapshot
from flotilla.state.urns import name_of, own_type

WORKLOAD, GROUP = "flotilla:index:PropagatedWorkload", "flotilla:index:ControlPlaneObjects"
_LONGEST_PREFIX = 54
"""The length to which the prefix of a part's name is shortened (`flotilla.workloads.policies`)."""


@dataclass
class _Made:
    objects: list[Object] = field(default_factory=list)
    digests: dict[ObjectRef, str] = field(default_factory=dict)
    """The digests of the objects as written in the files, in their order; empty if the rollout doesn't have them."""


Made = dict[tuple[str, str], _Made]
"""The key is the type and the name of a component."""


def made_in(snapshot: Snapshot) -> Made:
    """Return the objects of each workload and each group in a state."""
    found: Made = {}
    for resource in snapshot.resources:
        if resource.delete or resource.external:
            continue
        if resource.type in (WORKLOAD, GROUP):
            found.setdefault((resource.type, resource.name), _Made())
        if not resource.parent or own_type(resource.parent) not in (WORKLOAD, GROUP):
            continue
        made = found.setdefault((own_type(resource.parent), name_of(resource.parent)), _Made())
        if resource.type == ROLLOUT_TYPE:
            made.digests = digests(templates_in(resource.plain))
        elif resource.type.startswith("kubernetes:"):
            kept = {k: value for k, value in resource.plain.items() if k not in OWN_KEYS and value is not None}
            made.objects.append(kept)
    return found


def objects_of_group(made: Made, name: str) -> list[Object] | None:
    """Return the objects of an entry of `objects`; None if the state doesn't have it."""
    group = made.get((GROUP, name))
    return group.objects if group else None


def objects_of_workload(made: Made, workload: Mapping[str, Any], others: Iterable[str]) -> list[Object] | None:
    """Return the objects of a workload's files, with the policies in them; None if the state doesn't have the workload.

    Secrets that its key `secrets` declares are left out, since the stack file contains them.

    Args:
        made: the objects in the state.
        workload: the workload's entry in the stack file.
        others: the names of all workloads in the stack file.
    """
    name = str(workload.get("name"))
    brings = bool(workload.get("policies"))
    parts = [one for key, one in made.items() if key == (WORKLOAD, name)]
    if brings and not parts:
        parts = _parts(made, name, set(others))
    if not parts:
        return None
    own = _secrets(workload)
    return [
        manifest_of(_as_written(obj, part.digests.get(ref_of(obj), "")))
        for part in parts
        for obj in _in_order(part)
        if (brings or not is_policy(obj)) and not (obj["kind"] == "Secret" and _place(obj) in own)
    ]


def _parts(made: Made, name: str, others: set[str]) -> list[_Made]:
    """Return the parts of a workload with several policies; the part with the namespaces comes first."""
    known = sorted(others, key=len, reverse=True)
    named = {
        part: next((one for one in known if part == one or part.startswith(f"{one}-"[:_LONGEST_PREFIX])), "")
        for kind, part in made
        if kind == WORKLOAD
    }
    found = [made[WORKLOAD, part] for part, whole in named.items() if whole == name]
    return sorted(found, key=lambda part: all(obj["kind"] != "Namespace" for obj in part.objects))


def _in_order(part: _Made) -> list[Object]:
    places = {ref: place for place, ref in enumerate(part.digests)}
    return sorted(part.objects, key=lambda obj: places.get(ref_of(obj), len(places)))


def _as_written(obj: Object, digest: str) -> Object:
    """Return a Secret with stringData if it was written so. The state has it as data; the rollout's digest decides.

    Otherwise, the plan would show a change of the rollout.
    """
    data = obj.get("data")
    if obj["kind"] != "Secret" or not data or digest in ("", digest_of(obj)):
        return obj
    with suppress(ValueError, TypeError, AttributeError):  # data that is no text was not written as stringData
        texts = {key: base64.b64decode(value).decode() for key, value in data.items()}
        written = {**{key: value for key, value in obj.items() if key != "data"}, "stringData": texts}
        return written if digest_of(written) == digest else obj
    return obj


def _secrets(workload: Mapping[str, Any]) -> set[tuple[str, str]]:
    namespace = str(workload.get("namespace") or "default")
    return {(namespace, str(one.get("name"))) for one in workload.get("secrets") or [] if isinstance(one, dict)}


def _place(obj: Object) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])
