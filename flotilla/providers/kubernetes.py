"""Kubernetes objects of any group and kind: server-side apply, with what Pulumi's own provider keeps in the state."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flotilla.errors import EngineError, FlotillaError
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.identity import PROBE_SECONDS
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.providers import InitializationError, Live, nothing_done
from flotilla.providers.awaits import NotReady, annotation, await_gone, await_ready
from flotilla.providers.objects import FIELD_MANAGER, OWN_KEYS, as_held, declarable, normalized, outputs_of
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change, Diff, compare, parse_path, path_matches
from flotilla.state.urns import name_of
from flotilla.state.values import Properties, has_unknown, reveal

_PATCH_FORCE = "pulumi.com/patchForce"
_PROPAGATION = "pulumi.com/deletionPropagationPolicy"
_AUTONAMED = "pulumi.com/autonamed"

# What the API doesn't let change, by kind (a dry run finds the rest). Names and namespaces hold for all.
_IMMUTABLE = {
    "Deployment": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
    "Job": ("spec.selector", "spec.template", "spec.completionMode"),
    "ClusterRoleBinding": ("roleRef",),
    "RoleBinding": ("roleRef",),
    "Secret": ("type",),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
}
_DATA = ("data", "binaryData", "stringData")
_ALWAYS_IMMUTABLE = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_UNPROCESSABLE = 422
_CONFLICT = 409
_REFUSALS = (400, _CONFLICT, _UNPROCESSABLE)


class KubernetesProvider:
    """One cluster, as one `pulumi:providers:kubernetes` resource configures it."""

    def __init__(
        self,
        connection: Callable[[], Connection],
        *,
        force: bool = False,
        upsert: bool = False,
        mutable: frozenset[str] = frozenset(),
    ) -> None:
        """Take how to connect.

        Args:
            connection: connects when first needed: in a preview the kubeconfig may be unknown.
            force: take over fields that other managers own (`enablePatchForce`).
            upsert: create over objects that exist (`upsertExistingObjects`).
            mutable: which of Secret and ConfigMap change in place (`enableSecretMutable`, `enableConfigMapMutable`);
                by the provider's default they are replaced.
        """
        self._connect = connection
        self._force = force
        self._upsert = upsert
        self._mutable = mutable
        self._asking = threading.Lock()
        self._reachable: bool | None = None

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Name the object where the program doesn't, as the provider does: the resource's name and a random part."""
        for key in ("apiVersion", "kind"):
            if not isinstance(inputs.get(key), str):
                raise EngineError(f"{urn}: {key} must be a text")
        inputs = normalized(inputs)
        metadata = inputs.get("metadata") or {}
        if isinstance(metadata, dict) and not metadata.get("name") and not metadata.get("generateName"):
            held = reveal(old.inputs).get("metadata", {}) if old else {}
            was_autonamed = (held.get("annotations") or {}).get(_AUTONAMED) == "true"
            name = held["name"] if was_autonamed else f"{name_of(urn)}-{secrets.token_hex(4)}"
            annotations = {**(metadata.get("annotations") or {}), _AUTONAMED: "true"}
            return {**inputs, "metadata": {**metadata, "name": name, "annotations": annotations}}
        return inputs

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Compare inputs; where they differ, a dry run tells whether the server lets the change be made in place."""
        changes = compare(normalized(reveal(old.inputs)), normalized(inputs))
        if not changes:
            return Diff()
        kind = str(inputs.get("kind"))
        fixed = _DATA if kind in ("Secret", "ConfigMap") and kind not in self._mutable else ()
        patterns = [parse_path(p) for p in (*_ALWAYS_IMMUTABLE, *_IMMUTABLE.get(kind, ()), *fixed)]
        marked = [_marked(change, patterns) for change in changes if not _same_group(change)]
        marked += [change for change in changes if _same_group(change)]
        if not any(c.replaces for c in marked) and not has_unknown(inputs) and self._refused(old, inputs):
            marked = [Change(c.path, c.kind, c.old, c.new, replaces=True) for c in marked]
        # Two objects of one name can't exist side by side, unless the name itself is what changes.
        renamed = any(c.path[:2] in (("metadata", "name"), ("metadata", "namespace")) for c in marked if c.replaces)
        autonamed = annotation(inputs, _AUTONAMED) == "true"
        return Diff(tuple(marked), delete_before_replace=not renamed and not autonamed)

    def _refused(self, old: ResourceState, inputs: Properties) -> bool:
        try:
            self._apply(inputs, _manager(old), dry_run=True)
        except ApiError as error:
            return error.status == _UNPROCESSABLE and "immutable" in error.message
        return False

    def rehearse(self, old: ResourceState | None, inputs: Properties) -> str:
        """Let the server judge what a preview would apply, where it can be asked and everything is known."""
        if has_unknown(inputs) or not self._answers():
            return ""
        manager = _manager(old) if old else self.creation_token()
        try:
            # Fields of an object that is replaced, or waits to be adopted, are no conflict of a creation.
            live = self._apply(inputs, manager, dry_run=True, force=old is None)
        except KindNotServed:
            return ""  # its definition may be made by the very same run
        except ApiError as error:
            if error.status not in _REFUSALS or "dry run" in error.message:
                return ""  # no answer, no right to ask, a namespace that the same run makes: `up` will tell
            raise
        if old is not None or self._upsert or all(m == manager for m in _managers(live)):
            return ""
        return f"{self._connect().name}: {ref_of(inputs)} is there already"

    def reach(self) -> None:
        """Ask the cluster for its version.

        Raises:
            ClusterError: it does not answer, or another cluster does.
        """
        self._connect().request("GET", "/version", doing="asking for its version", timeout=PROBE_SECONDS)

    def _answers(self) -> bool:
        """Tell whether the cluster can be asked; found out once."""
        with self._asking:
            if self._reachable is None:
                try:
                    self.reach()
                    self._reachable = True
                except FlotillaError:
                    self._reachable = False  # a preview does without
            return self._reachable

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Apply the object; one that is there already is refused, unless a broken-off creation of ours left it.

        One that is on its way out is waited for: its name is free as soon as it has gone.
        """
        manager = adopt or self.creation_token()
        with nothing_done():
            self._refuse_existing(inputs, adopt, timeout)
        return self._ready(self._apply(inputs, manager), inputs, manager, timeout)

    def _refuse_existing(self, inputs: Properties, adopt: str, timeout: float | None) -> None:
        connection = self._connect()
        ref = ref_of(inputs)
        found = connection.find(ref)
        if found is not None and found["metadata"].get("deletionTimestamp"):
            await_gone(connection, found, timeout)
            found = None
        if found is not None and not self._upsert and not (adopt and _managed_by(found, adopt)):
            raise EngineError(
                f"{connection.name}: {ref} already exists and is not this stack's",
                hint="import it (`pulumi import`), remove it, or let the stack use another name",
            )

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Apply the change; fields that fell out of the inputs are given up, and so removed."""
        manager = _manager(old)
        return self._ready(self._apply(inputs, manager), inputs, manager, timeout)

    def _apply(self, inputs: Properties, manager: str, *, dry_run: bool = False, force: bool = False) -> Object:
        with nothing_done():
            connection = self._connect()
        force = force or self._force or annotation(inputs, _PATCH_FORCE) == "true"
        try:
            return connection.apply(_bare(inputs), field_manager=manager, force=force, dry_run=dry_run)
        except ApiError as error:
            error.nothing_done = error.refused
            if error.status == _CONFLICT:
                error.hint = (
                    "another manager owns the field: leave it to them (ignore_changes), "
                    f'or take it over with the annotation {_PATCH_FORCE}: "true"'
                )
            raise

    def _ready(self, live: Object, inputs: Properties, manager: str, timeout: float | None) -> Live:
        try:
            live = await_ready(self._connect(), live, timeout)
        except NotReady as error:
            raise InitializationError(outputs_of(error.live, inputs, manager), error.message) from None
        return outputs_of(live, inputs, manager)

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Delete the object, its dependents first, and wait until it is gone."""
        connection = self._connect()
        outputs = reveal(old.outputs)
        ref = _ref_of_state(old)
        live = connection.find(ref)
        if live is None:
            return
        known = (outputs.get("metadata") or {}).get("uid")
        if known and live["metadata"]["uid"] != known:
            return  # ours is gone; this one of the same name is somebody else's
        propagation = {"background": "Background", "orphan": "Orphan"}.get(
            annotation(outputs, _PROPAGATION).lower(), "Foreground"
        )
        connection.delete(ref, propagation=propagation, uid=live["metadata"]["uid"])
        try:
            await_gone(connection, live, timeout)
        except NotReady as error:
            raise EngineError(error.message, hint="run it again once its finalizers can be served") from None

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Read the object; its inputs are the old ones' fields with the values that the server has now."""
        if old is None:
            raise EngineError(f"{urn}: an object is read by its type, which isn't given")
        live = self._connect().find(_ref_of_state(old))
        if live is None:
            return Live("", {})
        if not old.inputs:  # the program doesn't manage it: what it declares of it is nothing
            return replace(outputs_of(live, declarable(live), _manager(old)), inputs={})
        return outputs_of(live, as_held(normalized(reveal(old.inputs)), live), _manager(old))

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find the object of a broken-off creation: the name alone isn't enough, its field manager must be ours."""
        live = self._connect().find(ref_of(inputs))
        if live is None or not _managed_by(live, token):
            return Live("", {})
        return outputs_of(live, inputs, token)

    def creation_token(self) -> str:
        """Return a field manager of its own, by which a broken-off creation is recognised."""
        return f"pulumi-kubernetes-{secrets.token_hex(4)}"


def _same_group(change: Change) -> bool:
    """Tell whether a change is another version of the same group: the API server's object stays the same one."""
    if change.path != ("apiVersion",) or not (isinstance(change.old, str) and isinstance(change.new, str)):
        return False
    return change.old.rpartition("/")[0] == change.new.rpartition("/")[0]


def _marked(change: Change, patterns: list[Any]) -> Change:
    replaces = any(path_matches(p, change.path) or path_matches(change.path, p) for p in patterns)
    return Change(change.path, change.kind, change.old, change.new, replaces=replaces)


def _bare(inputs: Properties) -> Object:
    return {key: value for key, value in inputs.items() if key not in OWN_KEYS and value is not None}


def _manager(old: ResourceState) -> str:
    return str(old.outputs.get(FIELD_MANAGER) or f"pulumi-kubernetes-{secrets.token_hex(4)}")


def _managers(obj: Object) -> set[str]:
    return {str(entry.get("manager")) for entry in obj["metadata"].get("managedFields") or []}


def _managed_by(obj: Object, manager: str) -> bool:
    return manager in _managers(obj)


def _ref_of_state(old: ResourceState) -> ObjectRef:
    known = [source for source in (old.outputs, old.inputs) if source.get("apiVersion")]
    api_version, kind = (reveal(known[0][key]) for key in ("apiVersion", "kind")) if known else _named_by(old.type)
    namespace, _, name = old.id.rpartition("/")
    return ObjectRef(api_version, kind, name, namespace)


def _named_by(type_: str) -> tuple[str, str]:
    """Read a type token: `kubernetes:core/v1:ConfigMap` is the ConfigMap of v1."""
    _, group_version, kind = type_.split(":")
    return group_version.removeprefix("core/"), kind
