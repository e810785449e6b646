"""One digest for a whole plan, which shows whether the plan that is carried out is the one that was shown.

For every step it covers: operation, URN, type, the provider's URN, every checked input of the new state, the options
that decide about deletion, the identity of the existing resource (ID and UID), and every change with its old value. It
is keyed (HMAC-SHA256), so that nobody can find a secret by trying values. Parts that differ between two previews of
the same program are left out: random names, IDs of providers, the pickled code of dynamic providers.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable
from typing import Any

from flotilla.plan.steps import CHANGING, Op, Result, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change
from flotilla.state.urns import name_of
from flotilla.state.values import UNKNOWN, Secret

PURPOSE = "flotilla plan digest"
"""The purpose for which the key is derived."""
_CHARACTERS = 32
_NAMED_BY_PROVIDER = (Op.CREATE, Op.CREATE_REPLACEMENT)
_RANDOM = re.compile(r"-[0-9a-f]{8}$")
_PICKLE = "__provider"
# Notes of the program about the current run (which cluster did not answer). They are not part of the declaration.
_NOTES = {"ClusterIdentity": "unanswered"}
_WITH_MEMBERS = (":Rollout", ":Move")
_NOTE_OF_MEMBER = "unanswered"
"""The note that a Rollout or a Move has for each of its `members`."""


def plan_digest(result: Result, key: bytes, *, more: dict[str, str] | None = None) -> str:
    """Return the digest of a plan: 32 hexadecimal characters, which do not depend on the order of the steps.

    Args:
        result: the result of a preview.
        key: the stack's key, from `flotilla.state.crypto.derived_key` for `PURPOSE`.
        more: further texts that the digest has to cover, by name.
    """
    names = random_names(result.steps)
    steps = sorted(_keyed(_facts(step, names), key) for step in result.steps)
    return _keyed([steps, sorted(result.unknown), more or {}], key)[:_CHARACTERS]


def differences(shown: Result, now: Result, key: bytes) -> list[str]:
    """Return the steps in which two plans differ, one line each: added, removed, or with other values."""
    olds, news = _by_resource(shown, key), _by_resource(now, key)
    lines = [f"{op} {name_of(urn)} is new" for op, urn in sorted(set(news) - set(olds)) if _counts(op)]
    lines += [f"{op} {name_of(urn)} is no longer there" for op, urn in sorted(set(olds) - set(news)) if _counts(op)]
    lines += [
        f"{op} {name_of(urn)} has other values"
        for op, urn in sorted(set(olds) & set(news))
        if olds[op, urn] != news[op, urn]
    ]
    return lines


def _by_resource(result: Result, key: bytes) -> dict[tuple[str, str], str]:
    names = random_names(result.steps)
    return {(str(step.op), step.urn): _keyed(_facts(step, names), key) for step in result.steps}


def _counts(op: str) -> bool:
    return Op(op) in CHANGING


def _keyed(facts: Any, key: bytes) -> str:
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def _facts(step: Step, names: dict[str, str]) -> list[Any]:
    old, new = step.old, step.new
    return [
        str(step.op),
        step.urn,
        step.type,
        step.provider.rpartition("::")[0],
        None if new is None else [_plain(declared_inputs(new), names), new.protect, new.retain_on_delete],
        None if old is None else identity(old),
        [
            [change.text, str(change.kind), change.replaces, _plain(change.old, names), _plain(change.new, names)]
            for change in step.changes
            if is_declared(step, change)
        ],
        step.detail,
    ]


def identity(state: ResourceState) -> list[str]:
    """Return a resource's identity: its ID, and for an object the UID that the API server gave it."""
    metadata = state.outputs.get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    return [state.id, uid if isinstance(uid, str) else ""]


def declared_inputs(state: ResourceState) -> dict[str, Any]:
    """Return the declared inputs: without the code of dynamic providers, and without notes about this run."""
    inputs = {key: value for key, value in state.inputs.items() if key not in _left_out(state.type)}
    members = members_of(state)
    return {**inputs, "members": {name: _without_note(one) for name, one in members.items()}} if members else inputs


def is_declared(step: Step, change: Change) -> bool:
    """Return whether a change concerns a declared input."""
    if not change.path:
        return True
    noted = step.type.endswith(_WITH_MEMBERS) and change.path[0] == "members" and change.path[2:] == (_NOTE_OF_MEMBER,)
    return change.path[0] not in _left_out(step.type) and not noted


def _left_out(type_: str) -> set[str]:
    return {_PICKLE, *(key for noting, key in _NOTES.items() if type_.endswith(f":{noting}"))}


def unanswered(state: ResourceState) -> bool:
    """Return whether a resource has the note that its cluster did not answer, so that the cluster's UID is unknown."""
    return any(state.type.endswith(f":{type_}") and bool(state.inputs.get(key)) for type_, key in _NOTES.items())


def silent_members(state: ResourceState) -> set[str]:
    """Return the members that a rollout notes as not answering or not joined; their identity may be unknown."""
    return {n for n, one in members_of(state).items() if isinstance(one, dict) and bool(one.get(_NOTE_OF_MEMBER))}


def members_of(state: ResourceState) -> dict[str, Any]:
    """Return the `members` input of a rollout; empty for other resources, and while the input isn't known."""
    members = state.inputs.get("members") if state.type.endswith(_WITH_MEMBERS) else None
    return members if isinstance(members, dict) else {}


def _without_note(member: Any) -> Any:
    return {k: v for k, v in member.items() if k != _NOTE_OF_MEMBER} if isinstance(member, dict) else member


def random_names(steps: Iterable[Step]) -> dict[str, str]:
    """Return placeholders for generated names, whose random part differs in every preview."""
    found = {}
    for step in steps:
        name = generated_name(step)
        if name:
            found[name] = _RANDOM.sub("-[random]", name)
    return found


def generated_name(step: Step) -> str:
    """Return the name that a provider generated for a created resource; empty if the program names it."""
    if step.op not in _NAMED_BY_PROVIDER or step.new is None:
        return ""
    metadata = step.new.inputs.get("metadata")
    for value in (metadata.get("name") if isinstance(metadata, dict) else None, step.new.inputs.get("name")):
        if isinstance(value, str) and _RANDOM.search(value) and _RANDOM.sub("", value) == step.name:
            return value
    return ""


def _plain(value: Any, names: dict[str, str]) -> Any:
    """Return a value as JSON data: unknowns become a mark, secrets their content; entries that are None are removed."""
    if isinstance(value, Secret):
        return _plain(value.value, names)
    if value is UNKNOWN:
        return {"[unknown]": True}
    if isinstance(value, dict):
        return {str(key): _plain(entry, names) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [_plain(entry, names) for entry in value]
    if isinstance(value, str):
        for name, placeholder in names.items():
            value = value.replace(name, placeholder)
    return value
