"""Kubernetes objects of any group and kind: server-side apply, with the state of Pulumi's own provider."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from flotilla.errors import EngineError, FlotillaError
from flotilla.karmada.kinds import expires
from flotilla.karmada.status.kept import KEPT_REMEDY, why_cluster_stays
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.identity import PROBE_SECONDS
from flotilla.kube.objects import Object, ObjectRef, declarable, ref_of
from flotilla.providers import InitializationError, Live, nothing_done
from flotilla.providers.adoption import AlreadyThere, Existing, existing, not_judged, take_over
from flotilla.providers.awaits import NotReady, annotation, await_gone, await_ready, find_live
from flotilla.providers.immutable import among, fixed_paths
from flotilla.providers.judging import PATCH_FORCE, dry_run_warning, hint_for
from flotilla.providers.objects import FIELD_MANAGER, OWN_KEYS, normalized, outputs_of, with_live_values
from flotilla.providers.ownership import field_conflicts, gives_way, left_to_others, managers, transferred
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change, Diff, compare, parse_path
from flotilla.state.urns import name_of
from flotilla.state.values import Properties, has_unknown, reveal

_PROPAGATION = "pulumi.com/deletionPropagationPolicy"
_AUTONAMED = "pulumi.com/autonamed"

_DATA = ("data", "binaryData", "stringData")
_ONLY_NEW = "1"
"""A `resourceVersion` that no object has: an apply with it creates an object, and is refused if the object exists."""
_TRIES = 3


class KubernetesProvider:
    """The provider for one cluster, configured by a `pulumi:providers:kubernetes` resource."""

    def __init__(
        self,
        connection: Callable[[], Connection],
        *,
        force: bool = False,
        upsert: bool = False,
        mutable: frozenset[str] = frozenset(),
    ) -> None:
        """Keep the configuration; the connection is opened later.

        Args:
            connection: opens the connection when it is first needed; in a preview, the kubeconfig may be unknown.
            force: whether fields of other managers are taken over (`enablePatchForce`).
            upsert: whether a creation may write to an existing object (`upsertExistingObjects`).
            mutable: which of Secret and ConfigMap are changed in place (`enableSecretMutable`,
                `enableConfigMapMutable`); by default, they are replaced.
        """
        self._connect = connection
        self._force = force
        self._upsert = upsert
        self._mutable = mutable
        self._asking = threading.Lock()
        self._reachable: bool | None = None

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Generate a name if the program gives none, as Pulumi's provider does: the resource's name and a suffix."""
        for key in ("apiVersion", "kind"):
            if not isinstance(inputs.get(key), str):
                raise EngineError(f"{urn}: {key} must be a text")
        inputs = normalized(inputs)
        metadata = inputs.get("metadata") or {}
        if isinstance(metadata, dict) and not metadata.get("name") and not metadata.get("generateName"):
            before = reveal(old.inputs).get("metadata", {}) if old else {}
            was_autonamed = (before.get("annotations") or {}).get(_AUTONAMED) == "true"
            name = before["name"] if was_autonamed else f"{name_of(urn)}-{secrets.token_hex(4)}"
            annotations = {**(metadata.get("annotations") or {}), _AUTONAMED: "true"}
            return {**inputs, "metadata": {**metadata, "name": name, "annotations": annotations}}
        return inputs

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Compare inputs; if they differ, find out by a dry run whether the server allows the change in place."""
        # The inputs of the state are normalized already, except in older states.
        changes = compare(old.plain, inputs) and compare(normalized(old.plain), normalized(inputs))
        if not changes:
            return Diff()
        kind = str(inputs.get("kind"))
        fixed = _DATA if kind in ("Secret", "ConfigMap") and kind not in self._mutable else ()
        patterns = [*fixed_paths(kind), *map(parse_path, fixed)]
        marked = [_marked(change, patterns) for change in changes if not _same_group(change)]
        marked += [change for change in changes if _same_group(change)]
        if not any(c.replaces for c in marked) and not has_unknown(inputs) and self._refused(old, inputs):
            marked = [Change(c.path, c.kind, c.old, c.new, replaces=True) for c in marked]
        # The old and the new object can exist at the same time only if the name changes.
        renamed = any(c.path[:2] in (("metadata", "name"), ("metadata", "namespace")) for c in marked if c.replaces)
        autonamed = annotation(inputs, _AUTONAMED) == "true"
        return Diff(tuple(marked), delete_before_replace=not renamed and not autonamed)

    def _refused(self, old: ResourceState, inputs: Properties) -> bool:
        try:
            # Forced, whoever owns the fields: a conflict would hide that one of them can't be changed at all.
            self._apply(inputs, _manager(old), dry_run=True, force=True)
        except ApiError as error:
            return error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "immutable" in error.message
        return False

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Let the server check the object by a dry run, if the server answers and all values are known.

        Raises:
            AlreadyThere: the object to create exists already.
        """
        if not self._answers():
            return ""
        if has_unknown(inputs):
            if old is None and not self._upsert:
                self._refuse_existing(inputs)
            return ""
        try:
            if old is not None:
                self._apply_over(self._left_to_others(old, inputs), _manager(old), dry_run=True)
            else:
                # Forced, so that a field conflict with an existing object does not hide that the object exists.
                self._apply(inputs, self.creation_token(), dry_run=True, force=True, only_new=not self._upsert)
        except KindNotServed:
            return ""  # the same run may create the definition of the kind
        except ApiError as error:
            if old is None and error.status == HTTPStatus.CONFLICT and self._refuse_existing(inputs):
                return ""
            return dry_run_warning(error)
        return ""

    def _refuse_existing(self, inputs: Properties) -> bool:
        """Refuse an object whose name is taken; return True if the existing one is being deleted, as `up` waits for it.

        Raises:
            AlreadyThere: an object of that name exists, and is not being deleted.
        """
        found = self._found(inputs)
        if found is not None and not _is_leaving(found):
            raise AlreadyThere(self._connect().name, found, str(ref_of(inputs)))
        return found is not None

    def existing(self, inputs: Properties, manager: str, ignored: tuple[str, ...] = ()) -> Existing | None:
        """Return the existing object of that name and the result of its adoption; None if there is none.

        Args:
            inputs: the declaration, with marked secrets.
            manager: the field manager that would apply it.
            ignored: paths of ignored fields, which stay with their owners.
        """
        declared, inputs = inputs, reveal(inputs)
        live = self._found(inputs) if self._answers() else None
        if live is None or _is_leaving(live):
            return None
        applied = left_to_others(inputs, live, manager, ignored)
        if has_unknown(inputs):
            return existing(live, declared, None, manager, applied)
        fixed = fixed_paths(str(inputs.get("kind")))
        uid = live["metadata"]["uid"]
        name = f"{self._connect().name}: {ref_of(inputs)}"
        try:
            planned = self._apply(applied, manager, dry_run=True, force=True, uid=uid)
        except ApiError as error:
            return not_judged(existing(live, declared, None, manager, applied), error, name, fixed)
        return existing(live, declared, planned, manager, applied)

    def adopt(self, found: Existing, inputs: Properties, manager: str, *, timeout: float | None) -> Live:
        """Adopt an object: only the stack owns its declared fields then, and they have the declared values.

        Args:
            found: the object, as `existing` returned it.
            inputs: the declaration.
            manager: the field manager that applies it from now on.
            timeout: seconds to wait until the object is ready.
        """
        apply = partial(self._apply, found.applied, manager, force=True, uid=found.live["metadata"]["uid"])
        return self._ready(take_over(found.live, manager, apply, self._transfer), inputs, manager, timeout)

    def _found(self, inputs: Properties) -> Object | None:
        """Return the object of that name; None if it does not exist, can't be read, or the name is unknown."""
        metadata = inputs.get("metadata")
        if not isinstance(metadata, dict) or any(has_unknown(metadata.get(key)) for key in ("name", "namespace")):
            return None
        if not metadata.get("name"):
            return None
        try:
            return self._connect().find(ref_of(inputs))
        except ApiError:
            return None

    def reach(self) -> None:
        """Ask the cluster for its version.

        Raises:
            ClusterError: the cluster does not answer, or another cluster answers.
        """
        self._connect().request("GET", "/version", doing="asking for its version", timeout=PROBE_SECONDS)

    def _answers(self) -> bool:
        """Return whether the cluster answers; it is asked only once."""
        with self._asking:
            if self._reachable is None:
                try:
                    self.reach()
                    self._reachable = True
                except FlotillaError:
                    self._reachable = False  # a preview works without it
            return self._reachable

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Create the object; an existing one is refused, unless an interrupted attempt of this creation made it.

        If the existing object is being deleted, wait until its name is free.
        """
        manager = adopt or self.creation_token()
        return self._ready(self._created(inputs, manager, timeout), inputs, manager, timeout)

    def _created(self, inputs: Properties, manager: str, timeout: float | None) -> Object:
        if self._upsert:
            return self._apply(inputs, manager)
        try:
            return self._apply(inputs, manager, only_new=True)
        except ApiError as refusal:
            found = self._connect().find(ref_of(inputs)) if refusal.status == HTTPStatus.CONFLICT else None
            if found is None:
                raise
        if _is_leaving(found):
            with nothing_done():
                await_gone(self._connect(), found, timeout)
            return self._apply(inputs, manager, only_new=True)
        if manager in managers(found):  # made by an interrupted run, or by a request whose answer was lost
            return self._apply(inputs, manager)
        error = EngineError(
            f"{self._connect().name}: {ref_of(inputs)} already exists and does not belong to this stack",
            hint="`flotilla up --adopt` takes it over; or remove it, or let the stack use another name",
        )
        error.nothing_done = True
        raise error

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Apply the change; fields that are no longer in the inputs are removed.

        Ignored fields (`ignore_changes`) stay with their owners, as in Pulumi's own provider.
        """
        manager = _manager(old)
        applied = self._left_to_others(old, inputs)
        live = self._apply_over(applied, manager)
        for _ in range(_TRIES):
            moved = transferred(live, manager)
            if moved is None:
                break
            live = self._transfer(live, moved)
            if transferred(live, manager) is None:
                live = self._apply(applied, manager)  # removes the dropped fields, now that the stack owns them
        return self._ready(live, inputs, manager, timeout)

    def _left_to_others(self, old: ResourceState, inputs: Properties) -> Properties:
        """Return the inputs to apply: ignored fields have their current values, or are left out if others own them."""
        if not old.ignore_changes:
            return inputs
        live = self._connect().find(ref_of(inputs))
        return left_to_others(inputs, live, _manager(old), old.ignore_changes) if live is not None else inputs

    def _transfer(self, live: Object, moved: list[Object]) -> Object:
        """Write other owners of an object's fields; if the object has changed in the meantime, only return it."""
        connection, ref = self._connect(), ref_of(live)
        version = live["metadata"]["resourceVersion"]
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": moved},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        ]
        try:
            return connection.patch(ref, patch, kind="json")
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return connection.get(ref)

    def _apply_over(self, inputs: Properties, manager: str, *, dry_run: bool = False) -> Object:
        """Apply to an existing object; fields of managers that give way are taken over."""
        try:
            return self._apply(inputs, manager, dry_run=dry_run)
        except ApiError as error:
            owners = field_conflicts(error)
            if not owners or not self._give_way(inputs, owners):
                raise
        return self._apply(inputs, manager, dry_run=dry_run, force=True)

    def _give_way(self, inputs: Properties, owners: set[str]) -> bool:
        if all(gives_way(owner) for owner in owners):
            return True
        found = self._found(inputs)
        return found is not None and not managers(found)  # created before the server recorded owners

    def _apply(
        self,
        inputs: Properties,
        manager: str,
        *,
        dry_run: bool = False,
        force: bool = False,
        only_new: bool = False,
        uid: str = "",
    ) -> Object:
        with nothing_done():
            connection = self._connect()
        force = force or self._force or annotation(inputs, PATCH_FORCE) == "true"
        body = _bare(inputs)
        if only_new:
            body["metadata"] = {**body["metadata"], "resourceVersion": _ONLY_NEW}
        if uid:  # only this object, and not another one with its name
            body["metadata"] = {**body["metadata"], "uid": uid}
        try:
            return connection.apply(body, field_manager=manager, force=force, dry_run=dry_run)
        except ApiError as error:
            error.nothing_done = error.refused
            error.hint = hint_for(error, inputs) or error.hint
            raise

    def _ready(self, live: Object, inputs: Properties, manager: str, timeout: float | None) -> Live:
        try:
            live = await_ready(self._connect(), live, timeout)
        except NotReady as error:
            raise InitializationError(outputs_of(error.live, inputs, manager), error.message) from None
        except FlotillaError as error:  # the object exists, even if reading it fails
            raise InitializationError(outputs_of(live, inputs, manager), error.message) from None
        return outputs_of(live, inputs, manager)

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Delete the object, its dependents first, and wait until it is gone."""
        connection = self._connect()
        outputs = reveal(old.outputs)
        ref = _ref_of_state(old)
        live = find_live(connection, ref)
        if live is None:
            return
        known = (outputs.get("metadata") or {}).get("uid")
        if known and live["metadata"]["uid"] != known:
            return  # the stack's object is gone; this one only has the same name
        propagation = {"background": "Background", "orphan": "Orphan"}.get(
            annotation(outputs, _PROPAGATION).lower(), "Foreground"
        )
        connection.delete(ref, propagation=propagation, uid=live["metadata"]["uid"])
        try:
            await_gone(connection, live, timeout)
        except NotReady as error:
            kept = why_cluster_stays(connection, ref)
            if kept:
                raise EngineError(f"{error.message}: {kept}", hint=KEPT_REMEDY) from None
            raise EngineError(
                error.message, hint="run it again when the controllers of its finalizers answer"
            ) from None

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Read the object; its inputs are the fields of the old inputs with their current values.

        A Job that was deleted after its time to live stays as in the state: it has run, and must not run again.
        """
        if old is None:
            raise EngineError(f"{urn}: an object is read by its type, which isn't given")
        live = find_live(self._connect(), _ref_of_state(old))
        if live is None and expires(reveal(old.inputs)):
            return Live(resource_id, reveal(old.outputs), reveal(old.inputs))
        if live is None:
            return Live("", {})
        if not old.inputs:  # the program only reads it, and declares none of its fields
            return replace(outputs_of(live, declarable(live), _manager(old)), inputs={})
        inputs = with_live_values(normalized(reveal(old.inputs)), live, reveal(old.outputs))
        return outputs_of(live, inputs, _manager(old))

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find the object of an interrupted creation, by its name and by the creation's field manager."""
        live = self._connect().find(ref_of(inputs))
        if live is None or token not in managers(live):
            return Live("", {})
        return outputs_of(live, inputs, token)

    def creation_token(self) -> str:
        """Return a new name of a field manager, by which an interrupted creation is recognised."""
        return f"pulumi-kubernetes-{secrets.token_hex(4)}"


def _same_group(change: Change) -> bool:
    """Return whether a change is only another version of the same group, so that the object stays the same one."""
    if change.path != ("apiVersion",) or not (isinstance(change.old, str) and isinstance(change.new, str)):
        return False
    return change.old.rpartition("/")[0] == change.new.rpartition("/")[0]


def _marked(change: Change, patterns: list[Any]) -> Change:
    return Change(change.path, change.kind, change.old, change.new, replaces=among(change, patterns))


def _bare(inputs: Properties) -> Object:
    return {key: value for key, value in inputs.items() if key not in OWN_KEYS and value is not None}


def _manager(old: ResourceState) -> str:
    return str(old.outputs.get(FIELD_MANAGER) or f"pulumi-kubernetes-{secrets.token_hex(4)}")


def _is_leaving(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def _ref_of_state(old: ResourceState) -> ObjectRef:
    known = [source for source in (old.outputs, old.inputs) if source.get("apiVersion")]
    api_version, kind = (reveal(known[0][key]) for key in ("apiVersion", "kind")) if known else _named_by(old.type)
    namespace, _, name = old.id.rpartition("/")
    return ObjectRef(api_version, kind, name, namespace)


def _named_by(type_: str) -> tuple[str, str]:
    """Return apiVersion and kind of a type token: `kubernetes:core/v1:ConfigMap` is the ConfigMap of v1."""
    _, group_version, kind = type_.split(":")
    return group_version.removeprefix("core/"), kind
