"""Property values in three forms: plain data with two marks (secret, unknown), the SDK's messages, and checkpoints.

Signatures and encodings are Pulumi's (sdk/go/common/resource/properties.go, plugin/rpc.go and stack/deployment.go).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flotilla.errors import EngineError
from flotilla.kube.objects import PLAIN_TYPES
from flotilla.kube.secrecy import HIDDEN, remember_value, without_user_info

if TYPE_CHECKING:
    from google.protobuf import struct_pb2

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a signature
_ASSETS = frozenset({"c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"})
_OUTPUT_VALUE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
INPUTS_KEY = "__inputs"
"""The output in which the Kubernetes provider keeps a copy of the inputs; it compares only with this copy."""

Properties = dict[str, Any]


@dataclass(frozen=True)
class Secret:
    """A value that is stored encrypted and never shown."""

    value: Any

    def __repr__(self) -> str:
        return HIDDEN


class _Unknown:
    """A value that is known only after the deployment."""

    def __repr__(self) -> str:
        return "[unknown]"

    def __deepcopy__(self, _memo: object) -> _Unknown:
        return self


UNKNOWN = _Unknown()


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Convert properties from the SDK's message."""
    return {key: _from_value(value) for key, value in sorted(struct.fields.items(), key=_key)}


def _key(entry: tuple[str, Any]) -> str:
    return entry[0]


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _from_signed(value.struct_value)
    if kind == "list_value":
        return [_from_value(entry) for entry in value.list_value.values]
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "bool_value":
        return value.bool_value
    return None


def _from_signed(struct: struct_pb2.Struct) -> Any:
    signature = struct.fields[SIGNATURE_KEY].string_value if SIGNATURE_KEY in struct.fields else ""
    if signature == _SECRET:
        inner = _from_value(struct.fields["value"])
        return inner if inner is UNKNOWN else _incoming_secret(inner)
    if signature == _OUTPUT_VALUE:
        return _from_value(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
    if signature in _ASSETS:
        raise EngineError("the embedded engine doesn't support assets and archives", hint="use --engine pulumi")
    return from_struct(struct)


def to_struct(properties: Properties) -> struct_pb2.Struct:
    """Convert properties to the SDK's message."""
    from google.protobuf import struct_pb2  # slow to load, and commands that only read a fleet don't need it

    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(target: struct_pb2.Value, value: Any) -> None:
    """Write a value directly into its target; a message that is assigned would be copied once for each level above."""
    if value is None:
        from google.protobuf import struct_pb2

        target.null_value = struct_pb2.NULL_VALUE
    elif value is UNKNOWN:
        target.string_value = UNKNOWN_TEXT
    elif isinstance(value, Secret):
        fields = target.struct_value.fields
        fields[SIGNATURE_KEY].string_value = _SECRET
        _fill(fields["value"], value.value)
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, entry in value.items():
            _fill(target.struct_value.fields[key], entry)
    else:
        target.list_value.SetInParent()
        for entry in value:
            _fill(target.list_value.values.add(), entry)


def to_state(value: Any, encrypt: Callable[[str], str] | None) -> Any:
    """Convert a value for the checkpoint: secrets become ciphertext of their JSON, or the JSON without `encrypt`."""
    if isinstance(value, Secret):
        plaintext = json.dumps(reveal(value), separators=(",", ":"), sort_keys=True)
        return {SIGNATURE_KEY: _SECRET, **({"ciphertext": encrypt(plaintext)} if encrypt else {"plaintext": plaintext})}
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: to_state(entry, encrypt) for key, entry in value.items()}
    if isinstance(value, list):
        return [to_state(entry, encrypt) for entry in value]
    return value


def from_state(value: Any, decrypt: Callable[[str], str]) -> Any:
    """Convert a value from a checkpoint; values without secrets are not copied."""
    if isinstance(value, dict):
        if value.get(SIGNATURE_KEY) == _SECRET:
            if "ciphertext" in value:
                return _incoming_secret(json.loads(decrypt(value["ciphertext"])))
            return _incoming_secret(json.loads(value["plaintext"]))
        return _changed(value, value.items(), lambda entry: from_state(entry, decrypt))
    if isinstance(value, list):
        return _changed(value, enumerate(value), lambda entry: from_state(entry, decrypt))
    return value


def _incoming_secret(value: Any) -> Secret:
    """Mark a received value as secret, and remember it, so that it is removed from texts that may quote it."""
    remember_value(reveal(value))
    return Secret(value)


def reveal(value: Any) -> Any:
    """Return a value without the marks of secrets; unknowns stay.

    Values without marks are not copied, so a caller that changes the result has to copy it first.
    """
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return _changed(value, value.items(), reveal)
    if isinstance(value, list):
        return _changed(value, enumerate(value), reveal)
    return value


def _changed(whole: Any, entries: Iterable[tuple[Any, Any]], change: Callable[[Any], Any]) -> Any:
    """Return a map or list with `change` applied to its entries; the same object if no entry changes."""
    result = whole
    for key, entry in entries:  # iterates over the original, while changes go into a copy
        # Most entries are scalars: they are recognised without a call, since a chart has hundreds of thousands.
        if entry.__class__ in PLAIN_TYPES:
            continue
        new = change(entry)
        if new is not entry:
            result = whole.copy() if result is whole else result
            result[key] = new
    return result


def mask(value: Any) -> Any:
    """Return a copy for display: secrets and unknowns as Pulumi shows them, URLs without user name and password."""
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, str):
        return without_user_info(value)
    if value is UNKNOWN:
        return "[unknown]"
    if isinstance(value, dict):
        return {key: mask(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [mask(entry) for entry in value]
    return value


def has_unknown(value: Any) -> bool:
    """Return whether a value contains an unknown at any depth."""
    return value is UNKNOWN or any(has_unknown(entry) for entry in _within(value))


def has_secret(value: Any) -> bool:
    """Return whether a value contains a secret at any depth."""
    return isinstance(value, Secret) or any(has_secret(entry) for entry in _within(value))


def _within(value: Any) -> list[Any]:
    """Return the entries of a value that may contain marks: all except texts, numbers and other scalars."""
    if isinstance(value, Secret):
        return [value.value]
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [entry for entry in entries if entry.__class__ not in PLAIN_TYPES]


def seal(value: Any, like: Any) -> Any:
    """Mark the parts of `value` as secret that are secret at the same path in `like`."""
    return _sealed(value, like) if has_secret(like) else value


def _sealed(value: Any, like: Any) -> Any:
    if isinstance(like, Secret):
        return value if isinstance(value, Secret) or value is None else Secret(value)
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: _sealed(entry, like.get(key)) for key, entry in value.items()}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [_sealed(entry, other) for entry, other in zip(value, like, strict=True)]
    # The shapes differ, so no path says which part is the secret.
    return Secret(value) if value is not None and has_secret(like) else value


def seal_outputs(outputs: Properties, inputs: Properties) -> Properties:
    """Mark outputs as secret that are secret in the inputs, also in the copy of the inputs among the outputs."""
    if not outputs or not has_secret(inputs):
        return outputs
    sealed: Properties = seal(outputs, {**inputs, INPUTS_KEY: inputs})
    return sealed


def seal_at(value: Any, path: tuple[str | int, ...], like: Properties) -> Any:
    """Mark the value at `path` as secret if `like` has a secret at this path or above it."""
    found: Any = like
    for step in path:
        if isinstance(found, dict):
            found = found.get(str(step))
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            break
    if isinstance(found, Secret):
        return value if value is None or isinstance(value, Secret) else Secret(value)
    return seal(value, found)
