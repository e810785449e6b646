"""CustomResourceDefinitions for the stand-in, generated from Flotilla's typed models of Karmada's API."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flotilla.karmada import objects as api
from flotilla.karmada.control_plane_kinds import KINDS, OwnKind
from flotilla.karmada.kinds import GroupKind

Object = dict[str, Any]

_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_KINDS: tuple[tuple[type[api.ApiObject], str, bool], ...] = (
    (api.Cluster, "clusters", False),
    (api.PropagationPolicy, "propagationpolicies", True),
    (api.ClusterPropagationPolicy, "clusterpropagationpolicies", False),
    (api.OverridePolicy, "overridepolicies", True),
    (api.ClusterOverridePolicy, "clusteroverridepolicies", False),
    (api.ResourceBinding, "resourcebindings", True),
    (api.ClusterResourceBinding, "clusterresourcebindings", False),
    (api.Work, "works", True),
)
# The defaults that Karmada's webhook writes into policies (policy/v1alpha1, PropagationSpec).
_POLICY_DEFAULTS = {
    "priority": 0,
    "preemption": "Never",
    "conflictResolution": "Abort",
    "schedulerName": "default-scheduler",
}


def definitions() -> list[Object]:
    """Return the definitions of the kinds that the stand-in handles, and of those that it only stores.

    ResourceRegistry is left out, because karmada-search serves it, which no sandbox runs.
    """
    kept = [_kept(kind, own) for kind, own in KINDS.items() if not kind[0].startswith("search.")]
    return [*(_definition(model, plural, namespaced=namespaced) for model, plural, namespaced in _KINDS), *kept]


def _kept(kind: GroupKind, own: OwnKind) -> Object:
    """Return the definition of a kind whose objects the stand-in only stores."""
    return _of_kind(*kind, own.version, own.plural, dict(_OPEN), namespaced=own.namespaced)


def _definition(model: type[api.ApiObject], plural: str, *, namespaced: bool) -> Object:
    group, _, version = model.api_version_of.partition("/")
    schema = _schema(model)
    schema["properties"].pop("metadata")
    if model.kind_of in ("PropagationPolicy", "ClusterPropagationPolicy"):
        for key, value in _POLICY_DEFAULTS.items():
            schema["properties"]["spec"]["properties"][key]["default"] = value
    schema["properties"].setdefault("status", dict(_OPEN))
    return _of_kind(group, model.kind_of, version, plural, schema, namespaced=namespaced)


def _of_kind(group: str, kind: str, version: str, plural: str, schema: Object, *, namespaced: bool) -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": {"flotilla.dev/stand-in": "true"}},
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _schema(annotation: Any) -> Object:
    """Return the structural schema of a type. Unknown fields are preserved, as in Flotilla's models."""
    origin = get_origin(annotation)
    if origin is Annotated:
        kind, *marks = get_args(annotation)
        words = [mark.values for mark in marks if isinstance(mark, api.KnownValues)]
        return {"type": "string", "enum": list(words[0])} if words else _schema(kind)
    if origin in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _schema(kinds[0]) if len(kinds) == 1 else {"x-kubernetes-int-or-string": True}
    if origin is list:
        return {"type": "array", "items": _schema(get_args(annotation)[0])}
    if origin is dict:
        inner = get_args(annotation)[1]
        return dict(_OPEN) if inner is Any else {"type": "object", "additionalProperties": _schema(inner)}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {f.alias or name: f for name, f in annotation.model_fields.items()}
        required = [key for key, f in fields.items() if f.is_required() and key != "metadata"]
        schema = {**_OPEN, "properties": {key: _schema(_whole(f)) for key, f in fields.items()}}
        return {**schema, "required": required} if required else schema
    return {str: {"type": "string"}, int: {"type": "integer"}, bool: {"type": "boolean"}}.get(
        annotation, {"x-kubernetes-preserve-unknown-fields": True}
    )


def _whole(field: FieldInfo) -> Any:
    """Return a field's type with its metadata, which pydantic stores separately."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
