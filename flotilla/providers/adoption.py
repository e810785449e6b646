"""Adopts an existing object: which fields change, who owned them, and which can't be changed.

An adoption is a forced server-side apply by the resource's own field manager. Another manager that owns a field with
the same value would stay its owner too, and the field would stay in the cluster after it is removed from the stack. So
the declared fields are taken from the managers of people and tools. Their other fields stay theirs, and stay in the
object (docs/decisions/adoption.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from flotilla.errors import EngineError, FlotillaError
from flotilla.kube.objects import Object, Path, declarable
from flotilla.kube.wire import ApiError
from flotilla.providers import Live, nothing_done
from flotilla.providers.immutable import among
from flotilla.providers.judging import dry_run_warning
from flotilla.providers.objects import object_id, outputs_of, with_live_values
from flotilla.providers.ownership import CREATORS, PEOPLE, entries_of, is_own
from flotilla.state.diff import Change, compare
from flotilla.state.values import Properties, Secret, mask, reveal, seal_at
from flotilla.untrusted import one_line

_OWN_MARKS = ("pulumi.com/", "flotilla.dev/")
"""Prefixes of annotations that only Pulumi and Flotilla read: how to wait for an object, how to delete it, who scales
it, or that it stays. Nothing in a cluster reads them, so they don't count as differences."""
_HIDDEN = ("data", "stringData")
_DECLARING = (*PEOPLE, *CREATORS)
"""Prefixes of managers that use server-side apply, and whose fields an adoption takes all the same."""
_TRIES = 3
_STACKS = "pulumi-kubernetes-"
_REFUSED = "declare it as it is there, give it another name, or delete it there first (its dependents are deleted too)"

_Fields = frozenset[tuple[str, ...]]
"""Paths of fields in the format of `fieldsV1`, such as `("f:spec", "f:replicas")`."""


class AlreadyThere(FlotillaError):
    """The object to create exists already, and doesn't belong to this stack."""

    def __init__(self, cluster: str, found: Object, name: str) -> None:
        """Keep the object's cluster and name, and who wrote it.

        Args:
            cluster: the cluster's name.
            found: the object.
            name: the object's kind, namespace and name.
        """
        super().__init__(f"{cluster}: {name} is there already")
        self.cluster = cluster
        self.object = name
        self.managers = writers(found)


@dataclass(frozen=True)
class Existing:
    """An existing object, and the result of its adoption."""

    live: Object
    """The object as it is."""
    applied: Properties
    """The fields to apply: the declared ones, without ignored fields that others own."""
    before: Live
    """The object in the form of the state; its inputs are the declared fields with their current values."""
    after: Live
    """The object after the adoption, in the form of the state."""
    changes: tuple[Change, ...] = ()
    """The differences, without annotations for Pulumi and Flotilla; unknown values count as different."""
    note: str = ""
    """Remarks for the user: who else writes the object, and the warning of a dry run."""
    refusal: FlotillaError | None = None
    """Why the object can't be adopted."""


def existing(
    live: Object, inputs: Properties, planned: Object | None, manager: str, applied: Properties | None = None
) -> Existing:
    """Compare an object with the declaration.

    Args:
        live: the object.
        inputs: the declaration; values that are marked as secret are secret on both sides of the changes.
        planned: the answer to a dry run of the adoption; None if there is none, for example while values are unknown.
        manager: the field manager that would apply it.
        applied: the part of the declaration that is applied; None for all of it.
    """
    declared, inputs = inputs, reveal(inputs)
    applied = inputs if applied is None else applied
    current = _marked(with_live_values(inputs, live), inputs)
    if planned is None:
        after = Live(object_id(live), {**live, **inputs}, inputs)
        changes = compare(with_live_values(applied, live), applied)
    else:
        after, changes = outputs_of(planned, inputs, manager), compare(declarable(live), declarable(planned))
    shown = as_secret((change for one in changes for change in _without_marks(one)), declared, live)
    before = replace(outputs_of(live, current, manager), inputs=current)
    return Existing(live, applied, before, after, shown, note_of(live), _another_cluster(live, applied))


def _another_cluster(live: Object, applied: Properties) -> EngineError | None:
    """Return why a Cluster can't be adopted: it registers another cluster than the declared one. None if it doesn't.

    The API server would accept the change of the UID, and then the one cluster would get the other one's workloads.
    """
    if live.get("kind") != "Cluster" or not str(live.get("apiVersion", "")).startswith("cluster.karmada.io/"):
        return None
    there, declared = ((one.get("spec") or {}).get("id") for one in (live, applied))
    if not there or not isinstance(declared, str) or declared in ("", there):
        return None
    refusal = EngineError(
        f"Cluster {live['metadata']['name']} of this control plane is another cluster (UID {there}) than the one that "
        f"the kubeconfig leads to (UID {declared}): it would get the workloads of that one",
        hint="correct the kubeconfig, or use another name",
    )
    refusal.nothing_done = True
    return refusal


def not_judged(found: Existing, error: ApiError, name: str, fixed: Iterable[Path]) -> Existing:
    """Return an object whose dry run failed, with a refusal, with a warning, or unchanged.

    Args:
        found: the object.
        error: the server's answer to the dry run.
        name: the object's cluster, kind, namespace and name.
        fixed: the fields of the kind that can't be changed.
    """
    try:
        warning = dry_run_warning(error)
    except ApiError:
        return replace(found, refusal=_refusal(found, error, name, tuple(fixed)))
    return replace(found, note="; ".join(filter(None, (found.note, warning))))


def _refusal(found: Existing, error: ApiError, name: str, fixed: tuple[Path, ...]) -> EngineError:
    """Return the error that says in one line why an object can't be adopted."""
    why = why_refused(found.changes, list(fixed), error.message)
    refusal = EngineError(f"{name} can't be adopted: {why}", hint=_REFUSED)
    refusal.nothing_done = True
    return refusal


def why_refused(changes: Iterable[Change], fixed: list[Path], message: str) -> str:
    """Return in one line why the API doesn't allow some changes of an object.

    Args:
        changes: the changes of the object.
        fixed: the fields of the kind that can't be changed.
        message: the server's message.
    """
    listed = [change for change in changes if among(change, fixed)]
    differs = ", ".join(f"{c.text} is {_text(c.old)} there and {_text(c.new)} here" for c in listed)
    return one_line(f"{differs}, which can't be changed" if differs else message)


def take_over(
    live: Object, manager: str, apply: Callable[..., Object], transfer: Callable[[Object, list[Object]], Object]
) -> Object:
    """Apply the declaration to an existing object, make the stack the only owner of its fields, and return the object.

    The owners are changed first. So a run that breaks off in between leaves an object that has the stack's manager, by
    which the next run recognises it.

    Args:
        live: the object as it is.
        manager: the stack's field manager.
        apply: applies the declaration, forced; with `dry_run=True` nothing is changed.
        transfer: writes other `managedFields` and returns the object; if the object has changed in the meantime, it is
            only returned.
    """
    for _ in range(_TRIES):
        with nothing_done():
            planned = apply(dry_run=True)
        moved = taken_over(live, planned, manager)
        if moved is None:
            break
        live = transfer(live, moved)
    live = apply()
    # An object without owners gets one by its first apply, so the owners are checked once more.
    moved = taken_over(live, live, manager)
    return live if moved is None else transfer(live, moved)


def taken_over(live: Object, planned: Object, manager: str) -> list[Object] | None:
    """Return `managedFields` in which only the stack owns the declared fields; None if nothing changes.

    Managers that apply by themselves, such as a GitOps controller, keep their fields, since they would take them back.
    Writers through a subresource, such as an autoscaler, keep theirs too.

    Args:
        live: the object as it is.
        planned: the answer to the apply, or to a dry run of it.
        manager: the stack's field manager.
    """
    own = next((entry for entry in entries_of(planned) if is_own(entry, manager)), None)
    if own is None:
        return None
    declared = _paths(own.get("fieldsV1"))
    ours: _Fields = frozenset()
    kept: list[Object] = []
    moved = False
    for entry in entries_of(live):
        fields = _paths(entry.get("fieldsV1"))
        if is_own(entry, manager):
            ours |= fields
        elif fields & declared and _gives_up(entry) and entry.get("apiVersion") == own.get("apiVersion"):
            moved = True
            ours |= fields & declared
            kept += [{**entry, "fieldsV1": _tree(left)}] if (left := fields - declared) else []
        else:
            kept.append(entry)
    return [{**own, "fieldsV1": _tree(ours)}, *kept] if moved else None


def writers(obj: Object) -> tuple[str, ...]:
    """Return the managers that have written an object's fields outside the status."""
    names = {str(entry.get("manager")) for entry in entries_of(obj) if entry.get("subresource") != "status"}
    return tuple(sorted(names))


def note_of(live: Object) -> str:
    """Return a remark on who else applies the object; empty if nobody does."""
    applied = {str(e.get("manager")) for e in entries_of(live) if e.get("operation") == "Apply"}
    stacks = sorted(name for name in applied if name.startswith(_STACKS))
    others = sorted(name for name in applied if not name.startswith(_DECLARING))
    said = []
    if stacks:
        said.append("another stack, or a state that was lost, has applied it")
    if others:
        said.append(f"{', '.join(others)} applies it, too, and keeps the fields that it declares")
    return "; ".join(said)


def _gives_up(entry: Object) -> bool:
    if entry.get("subresource"):
        return False
    return entry.get("operation") == "Update" or str(entry.get("manager")).startswith(_DECLARING)


def _paths(fields: Any, path: tuple[str, ...] = ()) -> _Fields:
    """Return the owned fields of a `fieldsV1` tree: those whose map is empty or contains `.`."""
    if not isinstance(fields, dict) or not fields:
        return frozenset([path]) if path else frozenset()
    found: set[tuple[str, ...]] = set()
    for key, below in fields.items():
        found |= {path} if key == "." else _paths(below, (*path, key))
    return frozenset(found)


def _tree(paths: Iterable[tuple[str, ...]]) -> Object:
    """Return owned fields as a tree in the format of `fieldsV1`."""
    tree: Object = {}
    for path in sorted(paths):
        place = tree
        for step in path:
            place = place.setdefault(step, {})
    own = set(paths)
    for path in own:
        place = tree
        for step in path:
            place = place[step]
        if place:
            place["."] = {}
    return tree


def _marked(current: Properties, inputs: Properties) -> Properties:
    """Return an object's current values with the declared annotations for Pulumi and Flotilla, which don't count."""
    declared = (inputs.get("metadata") or {}).get("annotations")
    marks = {k: v for k, v in declared.items() if k.startswith(_OWN_MARKS)} if isinstance(declared, dict) else {}
    if not marks:
        return current
    metadata = current.get("metadata") or {}
    return {**current, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **marks}}}


def _without_marks(change: Change) -> list[Change]:
    """Return a change without annotations for Pulumi and Flotilla; empty if nothing remains."""
    if change.path[:2] == ("metadata", "annotations") and len(change.path) > 2:  # noqa: PLR2004 - a path's length
        return [] if str(change.path[2]).startswith(_OWN_MARKS) else [change]
    if change.path == ("metadata", "annotations") and isinstance(change.new, dict):
        left = {key: value for key, value in change.new.items() if not str(key).startswith(_OWN_MARKS)}
        return [replace(change, new=left)] if left else []
    return [change]


def as_secret(changes: Iterable[Change], declared: Properties, live: Object) -> tuple[Change, ...]:
    """Return changes of an object, with values marked as secret that are so in the declaration or in a Secret."""
    return tuple(
        _hidden(
            replace(
                change, old=seal_at(change.old, change.path, declared), new=seal_at(change.new, change.path, declared)
            ),
            live,
        )
        for change in changes
    )


def _hidden(change: Change, live: Object) -> Change:
    if live.get("kind") != "Secret" or not change.path or change.path[0] not in _HIDDEN:
        return change
    return replace(change, old=_secret(change.old), new=_secret(change.new))


def _secret(value: Any) -> Any:
    return value if value is None or isinstance(value, Secret) else Secret(value)


def _text(value: Any) -> str:
    return "nothing" if value is None else str(mask(value))
