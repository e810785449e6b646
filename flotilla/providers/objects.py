"""The form of an object in the state: inputs in canonical form, outputs with the fields that the server sets.

The formats are those of Pulumi's own provider, which reads the same state.
"""

from __future__ import annotations

import base64
from typing import Any

from flotilla.kube.merge_keys import shape_of
from flotilla.kube.objects import Item, KeyedPath, Object, differences, key_text, path_text
from flotilla.kube.quantities import canonicalized
from flotilla.kube.shapes import Shape
from flotilla.kube.zero_values import left_out
from flotilla.providers import Live
from flotilla.state.values import INPUTS_KEY, UNKNOWN, Properties, Secret, has_unknown

FIELD_MANAGER = "__fieldManager"
INITIAL_API_VERSION = "__initialApiVersion"
OWN_KEYS = (FIELD_MANAGER, INITIAL_API_VERSION, INPUTS_KEY)


def object_id(obj: Object) -> str:
    """Return the resource ID of an object, as in Pulumi's provider: `namespace/name` or `name`."""
    metadata = obj["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def normalized(inputs: Properties) -> Properties:
    """Return inputs as Pulumi's provider stores them: quantities in canonical form, a Secret's stringData as data.

    Inputs with unknown values are not changed, as in Pulumi's provider.
    """
    if has_unknown(inputs) or not _built_in(str(inputs.get("apiVersion"))):
        return inputs
    if isinstance(inputs.get("spec"), dict):
        return {**inputs, "spec": canonicalized(inputs["spec"])}
    text = inputs.get("stringData")
    if inputs.get("kind") == "Secret" and text and all(isinstance(value, str) for value in text.values()):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
        rest = {key: value for key, value in inputs.items() if key != "stringData"}
        return {**rest, "data": {**(inputs.get("data") or {}), **encoded}}
    return inputs


def secret_places(inputs: Properties) -> Properties:
    """Return inputs with the marks of secrets at the paths to which `normalized` moves the values."""
    text, data = inputs.get("stringData"), inputs.get("data") or {}
    if inputs.get("kind") != "Secret" or text is None:
        return inputs
    if isinstance(text, dict) and isinstance(data, dict):
        return {**inputs, "data": {**data, **text}}
    return {**inputs, "data": Secret(None)}


def _built_in(api_version: str) -> bool:
    group = api_version.rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


def secret_outputs(outputs: Properties) -> tuple[str, ...]:
    """Return the properties that are always secret for the object's kind."""
    return ("data", "stringData") if outputs.get("kind") == "Secret" else ()


def preview_outputs(inputs: Properties) -> Properties:
    """Return the outputs of an object that are known before it is created."""
    metadata = (
        {**(inputs.get("metadata") or {}), "uid": UNKNOWN} if isinstance(inputs.get("metadata"), dict) else UNKNOWN
    )
    outputs = {**inputs, "metadata": metadata}
    if inputs.get("type") == "kubernetes.io/service-account-token":
        outputs["data"] = UNKNOWN
    return outputs


def preview_update(outputs: Properties, inputs: Properties) -> Properties:
    """Return the outputs of an object that are known before an update: the old ones with the new inputs merged in."""
    predicted: Properties = _merged(outputs, inputs)
    return predicted


def _merged(old: Any, new: Any) -> Any:
    """Return `new` merged into `old`, map by map."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return new


def with_live_values(wanted: Object, actual: Object, before: Object | None = None) -> Object:
    """Return the declared fields of an object with their current values; the same object if none has changed.

    Elements that others have added to lists with keys are left out. Zero values that the server never stored stay.

    Args:
        wanted: the declared object.
        actual: the current object.
        before: the server's answer to the last write of the stack; None if it isn't known.
    """
    shape = shape_of(wanted)
    if not differences(wanted, actual, shape=shape):
        return wanted
    result: Object = _with_live_values(wanted, actual, shape, left_out(wanted, before or {}), ())
    return result


def _with_live_values(wanted: Any, actual: Any, shape: Shape, places: frozenset[str], path: KeyedPath) -> Any:
    if isinstance(wanted, dict) and isinstance(actual or {}, dict):
        current = actual or {}
        if not current and not any(place.startswith(path_text(path)) for place in places):
            return wanted if not differences(wanted, actual, shape=shape) else actual
        return {
            key: _with_live_values(value, current.get(key), shape.of(key), places, (*path, key))
            for key, value in wanted.items()
        }
    if isinstance(wanted, list) and isinstance(actual, list):
        keyed = shape.by_key(wanted)
        if keyed is not None:
            found = {shape.key_of(element): element for element in reversed(actual)}
            return [
                _with_live_values(one, found[key], shape.elements, places, (*path, Item(0, key_text(key))))
                for key, one in keyed.items()
                if key in found
            ]
        if len(wanted) == len(actual) and not shape.as_set:
            return [
                _with_live_values(one, other, shape.elements, places, (*path, number))
                for number, (one, other) in enumerate(zip(wanted, actual, strict=True))
            ]
    if actual is None and path_text(path) in places:
        return wanted
    return wanted if not differences(wanted, actual, shape=shape) else actual


def outputs_of(live: Object, inputs: Properties, manager: str) -> Live:
    """Return an object in the form of the state: the server's fields, the inputs, and the field manager."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    kept = {INPUTS_KEY: inputs, INITIAL_API_VERSION: inputs.get("apiVersion"), FIELD_MANAGER: manager}
    return Live(object_id(live), {**live, "metadata": metadata, **kept}, inputs)
