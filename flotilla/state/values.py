"""Property values: as plain data with two marks, secret and unknown; on the wire of the SDK; and in a checkpoint.

Signatures and encodings are Pulumi's (sdk/go/common/resource/properties.go, plugin/rpc.go and stack/deployment.go).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import struct_pb2

from flotilla.errors import EngineError
from flotilla.kube.secrecy import HIDDEN, remember_value, without_user_info

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a signature
_ASSETS = frozenset({"c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"})
_OUTPUT_VALUE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
INPUTS_KEY = "__inputs"
"""Where the Kubernetes provider keeps a copy of the inputs among the outputs: it compares with nothing else."""

Properties = dict[str, Any]


@dataclass(frozen=True)
class Secret:
    """A value that is encrypted at rest and never shown."""

    value: Any

    def __repr__(self) -> str:
        return HIDDEN


class _Unknown:
    """A value that only the deployment will tell."""

    def __repr__(self) -> str:
        return "[unknown]"

    def __deepcopy__(self, _memo: object) -> _Unknown:
        return self


UNKNOWN = _Unknown()


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Read properties off the wire."""
    return {key: _from_value(struct.fields[key]) for key in sorted(struct.fields)}


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
        return inner if inner is UNKNOWN else _met(inner)
    if signature == _OUTPUT_VALUE:
        return _from_value(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
    if signature in _ASSETS:
        raise EngineError("assets and archives are not known to the embedded engine", hint="use --engine pulumi")
    return from_struct(struct)


def to_struct(properties: Properties) -> struct_pb2.Struct:
    """Write properties to the wire."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        struct.fields[key].CopyFrom(_to_value(value))
    return struct


def _to_value(value: Any) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=UNKNOWN_TEXT)
    if isinstance(value, Secret):
        signed = struct_pb2.Struct()
        signed.fields[SIGNATURE_KEY].string_value = _SECRET
        signed.fields["value"].CopyFrom(_to_value(value.value))
        return struct_pb2.Value(struct_value=signed)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, dict):
        return struct_pb2.Value(struct_value=to_struct(value))
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_to_value(entry) for entry in value]))


def to_state(value: Any, encrypt: Callable[[str], str]) -> Any:
    """Write a value for the checkpoint: secrets as ciphertext of their JSON."""
    if isinstance(value, Secret):
        plaintext = json.dumps(reveal(value), separators=(",", ":"), sort_keys=True)
        return {SIGNATURE_KEY: _SECRET, "ciphertext": encrypt(plaintext)}
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: to_state(entry, encrypt) for key, entry in value.items()}
    if isinstance(value, list):
        return [to_state(entry, encrypt) for entry in value]
    return value


def from_state(value: Any, decrypt: Callable[[str], str]) -> Any:
    """Read a value of a checkpoint."""
    if isinstance(value, dict):
        if value.get(SIGNATURE_KEY) == _SECRET:
            if "ciphertext" in value:
                return _met(json.loads(decrypt(value["ciphertext"])))
            return _met(json.loads(value["plaintext"]))
        return {key: from_state(entry, decrypt) for key, entry in value.items()}
    if isinstance(value, list):
        return [from_state(entry, decrypt) for entry in value]
    return value


def _met(value: Any) -> Secret:
    """Mark an incoming value as secret, and remember it, so that it is removed from texts that may quote it."""
    remember_value(reveal(value))
    return Secret(value)


def reveal(value: Any) -> Any:
    """Return a copy without the marks of secrets; unknowns stay."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {key: reveal(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [reveal(entry) for entry in value]
    return value


def mask(value: Any) -> Any:
    """Return a copy for people: secrets and unknowns as Pulumi shows them, URLs without user name and password."""
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
    """Tell whether there is an unknown anywhere in a value."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(entry) for entry in value.values())
    if isinstance(value, list):
        return any(has_unknown(entry) for entry in value)
    return value is UNKNOWN


def has_secret(value: Any) -> bool:
    """Tell whether there is a secret at any depth."""
    if isinstance(value, dict):
        return any(has_secret(entry) for entry in value.values())
    if isinstance(value, list):
        return any(has_secret(entry) for entry in value)
    return isinstance(value, Secret)


def seal(value: Any, like: Any) -> Any:
    """Mark as secret in `value` whatever is secret at the same place in `like`."""
    if isinstance(like, Secret):
        return value if isinstance(value, Secret) or value is None else Secret(value)
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: seal(entry, like.get(key)) for key, entry in value.items()}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [seal(entry, other) for entry, other in zip(value, like, strict=True)]
    # Of another shape, so that no place says which part of it is the secret.
    return Secret(value) if value is not None and has_secret(like) else value


def seal_outputs(outputs: Properties, inputs: Properties) -> Properties:
    """Mark as secret in a resource's outputs what is secret in its inputs, in the copy of them among it, too."""
    sealed: Properties = seal(outputs, {**inputs, INPUTS_KEY: inputs})
    return sealed


def seal_at(value: Any, path: tuple[str | int, ...], like: Properties) -> Any:
    """Mark a value that stands at `path` as secret where it is, or is inside, a secret of `like`."""
    held: Any = like
    for step in path:
        if isinstance(held, dict):
            held = held.get(str(step))
        elif isinstance(held, list) and isinstance(step, int) and step < len(held):
            held = held[step]
        else:
            break
    if isinstance(held, Secret):
        return value if value is None or isinstance(value, Secret) else Secret(value)
    return seal(value, held)
