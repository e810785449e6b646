"""Reads the content of a checkpoint file, or says why it can't be used.

A file is either read as a whole or refused; a broken file is never treated as an empty stack.
"""

from __future__ import annotations

import json
import re
from typing import Any

from flotilla.errors import EngineError
from flotilla.state.checkpoint import VERSION, ResourceState, Snapshot, decode
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.values import Properties

_SALT = re.compile(r"v1:[A-Za-z0-9+/]+={0,2}:v1:[A-Za-z0-9+/]+={0,2}:[A-Za-z0-9+/]+={0,2}")
_TEXTS = ("id", "parent", "provider", "deletedWith", "created", "modified", "importID")
_FLAGS = ("protect", "external", "delete", "retainOnDelete", "pendingReplacement")
_LISTS = ("dependencies", "initErrors", "additionalSecretOutputs", "aliases", "ignoreChanges", "replaceOnChanges")
_OBJECTS = ("inputs", "outputs", "propertyDependencies", "customTimeouts")
_SHOWN = 60


class StateError(EngineError):
    """A checkpoint file that can't be used; the message completes the sentence that begins with the file's name."""


def parse(data: bytes, project: str, stack: str) -> Properties:
    """Return a checkpoint as plain data, with secrets still encrypted, after checking its shape.

    Raises:
        StateError: the checkpoint is empty, broken, of another version or of another stack.
    """
    document = _document(data)
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise StateError(
            f"has checkpoint version {_shown(version)}, this engine supports version {VERSION}",
            hint="use --engine pulumi",
        )
    checkpoint = document.get("checkpoint")
    if not isinstance(checkpoint, dict):
        raise StateError("has no checkpoint in it: it is not a state")
    _check_stack(checkpoint.get("stack"), project, stack)
    latest = _of(dict, checkpoint.get("latest") or {}, "checkpoint.latest")
    _check_secrets(latest.get("secrets_providers"))
    resources = _of(list, latest.get("resources") or [], "resources")
    for index, body in enumerate(resources):
        _check_resource(body, f"resources[{index}]", project, stack)
    for index, operation in enumerate(_of(list, latest.get("pending_operations") or [], "pending_operations")):
        where = f"pending_operations[{index}]"
        _of(str, _of(dict, operation, where).get("type"), f"{where}.type")
        _check_resource(operation.get("resource"), f"{where}.resource", project, stack)
    return document


def snapshot_of(document: Properties, crypter: PassphraseCrypter) -> Snapshot:
    """Return the state that a checkpoint contains.

    Raises:
        StateError: a secret can't be decrypted, or the resources contradict each other.
    """
    try:
        snapshot = decode(document, crypter)
    except EngineError as error:
        raise StateError(f"has a part that can't be read: {error.message}") from None
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise StateError(f"has a part that can't be read: {type(error).__name__}") from None
    _check_order(snapshot.resources)
    return snapshot


def count_of(document: Properties) -> int:
    """Return the number of resources in a checkpoint."""
    return len((document["checkpoint"].get("latest") or {}).get("resources") or [])


def _document(data: bytes) -> Properties:
    if not data.strip():
        raise StateError("is empty")
    try:
        document = json.loads(data.decode(), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise StateError(f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        broken_off = error.msg.startswith("Unterminated string") or error.pos >= len(data.rstrip()) - 1
        what = "ends in the middle" if broken_off else "is not JSON"
        raise StateError(f"{what} (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except ValueError as error:
        raise StateError(f"is not JSON ({error})") from None
    except RecursionError:
        raise StateError("is nested too deeply to be a state") from None
    if not isinstance(document, dict):
        raise StateError(f"is not a state: it holds {_kind(document)}, not an object")
    return document


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number of JSON")


def _check_stack(name: Any, project: str, stack: str) -> None:
    """Refuse another stack's state. Older CLIs, without projects in the backend, wrote only the stack's short name."""
    if name is None or name == "":
        return
    parts = _of(str, name, "checkpoint.stack").split("/")
    if parts[-1] != stack or (len(parts) > 1 and parts[-2] != project):
        raise StateError(f"is the state of another stack: {_shown(name)}, not {project}/{stack}")


def _check_secrets(provider: Any) -> None:
    if not provider:
        return
    kind = _of(str, _of(dict, provider, "secrets_providers").get("type"), "secrets_providers.type")
    if kind != "passphrase":
        return  # `secrets_salt` refuses it, with a hint
    state = _of(dict, provider.get("state"), "secrets_providers.state")
    if not _SALT.fullmatch(_of(str, state.get("salt"), "secrets_providers.state.salt")):
        raise StateError("has a salt that is not valid (secrets_providers.state.salt): its secrets can't be read")


def _check_resource(body: Any, where: str, project: str, stack: str) -> None:
    resource = _of(dict, body, where)
    urn = _of(str, resource.get("urn"), f"{where}.urn")
    _of(str, resource.get("type"), f"{where}.type")
    _of(bool, resource.get("custom", False), f"{where}.custom")
    for keys, kind in ((_TEXTS, str), (_FLAGS, bool), (_LISTS, list), (_OBJECTS, dict)):
        for key in keys:
            if resource.get(key) is not None:
                _of(kind, resource[key], f"{where}.{key}")
    for key in _LISTS:
        for entry in resource.get(key) or ():
            _of(str, entry, f"{where}.{key}[]")
    for key, urns in (resource.get("propertyDependencies") or {}).items():
        for entry in _of(list, urns or [], f"{where}.propertyDependencies.{key}"):
            _of(str, entry, f"{where}.propertyDependencies.{key}[]")
    parts = urn.split("::", 3)
    if len(parts) != 4 or not parts[0].startswith("urn:pulumi:"):  # noqa: PLR2004 - stack, project, types, name
        raise StateError(f"{where} has an invalid URN: {_shown(urn)}")
    if (parts[0].removeprefix("urn:pulumi:"), parts[1]) != (stack, project):
        raise StateError(f"holds a resource of another stack: {_shown(urn)} is not of {project}/{stack}")


def _check_order(resources: tuple[ResourceState, ...]) -> None:
    """Refuse resources that occur twice, or before one that they depend on: deletions would fail or do harm."""
    every = {resource.urn for resource in resources if not resource.delete}
    seen: set[str] = set()
    for resource in resources:
        if resource.delete:
            continue
        if resource.urn in seen:
            raise StateError(f"holds a resource twice: {resource.urn}")
        early = (resource.depends_on() & every) - seen
        if early:
            raise StateError(f"is out of order: {resource.urn} stands before {min(early)}, which it depends on")
        seen.add(resource.urn)


def _of(kind: type, value: Any, where: str) -> Any:
    """Return a value if it has the expected type; otherwise raise an error."""
    if not isinstance(value, kind):
        raise StateError(f"is not a state of Pulumi: {where} is {_kind(value)}, not {_NAMES[kind]}")
    return value


_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}


def _kind(value: Any) -> str:
    return _NAMES.get(type(value), "a number")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
