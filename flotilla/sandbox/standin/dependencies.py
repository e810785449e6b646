"""Dependencies of templates whose policy has propagateDeps: they follow by `spec.requiredBy` of their bindings."""

from __future__ import annotations

import contextlib
import json
import zlib
from dataclasses import dataclass, field

from flotilla.karmada.dependencies import ABORT, OVERWRITE, Reference, references_of
from flotilla.karmada.names import BINDING_FINALIZER
from flotilla.karmada.objects import BINDING_API
from flotilla.karmada.rendering.marks import BINDING_ID_LABELS
from flotilla.karmada.status.snapshot import binding_ref
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.kube.several import find_served
from flotilla.sandbox.standin.world import MANAGER, World, deleting, fresh_id, label, owned_by, template_ref

_ANNOTATION = "resourcebinding.karmada.io/dependencies"
_KIND = "ResourceBinding"
_DEPENDED_BY = "resourcebinding.karmada.io/depended-by-"


@dataclass
class _Needed:
    """An existing dependency, with the bindings of the templates that use it."""

    template: Object
    users: list[Object] = field(default_factory=list)

    @property
    def required_by(self) -> list[Object]:
        return [
            {
                "namespace": user["metadata"]["namespace"],
                "name": user["metadata"]["name"],
                "clusters": user["spec"]["clusters"],
            }
            for user in self.users
        ]

    @property
    def labels(self) -> dict[str, str]:
        identity = BINDING_ID_LABELS[_KIND]
        return {_depended_by(user["metadata"]): label(user, identity) for user in self.users}


def reconcile_dependencies(world: World) -> None:
    """Record the dependencies of scheduled templates, and update the bindings of these dependencies."""
    found = [one for one in world.control_plane.list(BINDING_API, _KIND) if not deleting(one)]
    needed: dict[ObjectRef, _Needed] = {}
    for binding in found:
        template = find_served(world.control_plane, template_ref(binding)) if _sends(binding) else None
        if template is None:
            continue
        references = references_of(template) or ()
        _note(world, binding, references)
        for reference in references:
            for one in _referenced(world, reference):
                needed.setdefault(binding_ref(ref_of(one)), _Needed(one)).users.append(binding)
    existing = {ref_of(one): one for one in found}
    for ref, dependency in needed.items():
        if ref in existing:
            _attach(world, existing[ref], dependency)
        else:
            _create(world, ref, dependency)
    for ref, binding in existing.items():
        if binding["spec"].get("requiredBy") and ref not in needed:
            _attach(world, binding, _Needed({}))


def _sends(binding: Object) -> bool:
    return bool(binding["spec"].get("propagateDeps") and binding["spec"].get("clusters"))


def _note(world: World, binding: Object, references: tuple[Reference, ...]) -> None:
    """Write a template's dependencies into its binding, in Karmada's format."""
    listed = []
    for one in references:
        entry: Object = {"apiVersion": one.api_version, "kind": one.kind, "namespace": one.namespace}
        entry |= {"labelSelector": {"matchLabels": dict(one.labels)}} if one.labels else {"name": one.name}
        listed.append(entry)
    text = json.dumps(listed)
    if (binding["metadata"].get("annotations") or {}).get(_ANNOTATION) != text:
        world.patch(binding, {"metadata": {"annotations": {_ANNOTATION: text}}})


def _referenced(world: World, reference: Reference) -> list[Object]:
    """Return the existing objects that a reference names or selects."""
    if reference.name:
        one = find_served(world.control_plane, reference.ref)
        return [one] if one is not None and not deleting(one) else []
    selector = ",".join(f"{key}={value}" for key, value in reference.labels)
    with contextlib.suppress(ApiError):
        listed = world.control_plane.list(
            reference.api_version, reference.kind, namespace=reference.namespace, labels=selector
        )
        return [one for one in listed if not deleting(one)]
    return []


def _resolution(users: list[Object]) -> str:
    """Return the conflict resolution of a dependency without a policy: Overwrite if one of its users overwrites."""
    found = {str(user["spec"].get("conflictResolution") or ABORT) for user in users}
    return OVERWRITE if OVERWRITE in found else ABORT


def _create(world: World, ref: ObjectRef, needed: _Needed) -> None:
    template = needed.template
    resource = {key: template[key] for key in ("apiVersion", "kind")}
    meta = template["metadata"]
    resource |= {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    metadata: Object = {
        "name": ref.name,
        "namespace": ref.namespace,
        "labels": {BINDING_ID_LABELS[_KIND]: fresh_id(), **needed.labels},
        "finalizers": [BINDING_FINALIZER],
        "ownerReferences": [owned_by(template)],
    }
    spec = {
        "resource": resource,
        "requiredBy": needed.required_by,
        "conflictResolution": _resolution(needed.users),
    }
    body = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": spec}
    with contextlib.suppress(ApiError):
        world.control_plane.create(body, field_manager=MANAGER)


def _attach(world: World, binding: Object, needed: _Needed) -> None:
    """Update the users in the binding of a dependency; if a policy has claimed it, the policy decides the rest."""
    spec = binding["spec"]
    changes: Object = {}
    if (spec.get("requiredBy") or []) != needed.required_by:
        changes["requiredBy"] = needed.required_by or None
    if spec.get("placement") is None and spec.get("conflictResolution") != _resolution(needed.users):
        changes["conflictResolution"] = _resolution(needed.users)
    current = {key for key in binding["metadata"].get("labels") or {} if key.startswith(_DEPENDED_BY)}
    labels = {**dict.fromkeys(current - needed.labels.keys()), **needed.labels}
    if changes or current != needed.labels.keys():
        world.patch(binding, {"metadata": {"labels": labels}, "spec": changes})


def _depended_by(meta: Object) -> str:
    return f"{_DEPENDED_BY}{zlib.crc32('/'.join((meta['namespace'], meta['name'])).encode()):08x}"
