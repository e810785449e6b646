"""Taking over an object that exists: what changes of it, who owned its fields, and what can't be changed.

An adoption is a server-side apply by the resource's own manager, forced. Where another manager owns the same field it
would own it beside the stack for ever, so that a field which later falls out of the stack would stay in the cluster.
So the declared fields are taken from the managers that people and tools write with; what they own beyond the declared
fields stays theirs, and stays in the object (docs/decisions/adoption.md).
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
from flotilla.providers.judging import judged
from flotilla.providers.objects import as_held, object_id, outputs_of
from flotilla.providers.ownership import CREATORS, PEOPLE, entries_of, is_own
from flotilla.state.diff import Change, compare
from flotilla.state.values import Properties, Secret, mask, reveal, seal_at
from flotilla.untrusted import one_line

_OWN_MARKS = ("pulumi.com/", "flotilla.dev/")
"""Annotations that begin so tell Pulumi how to wait for an object and how to delete it, and Flotilla who scales it or
that it stays. Nothing in a cluster reads them: they are no difference between what is declared and what is there."""
_HIDDEN = ("data", "stringData")
_DECLARING = (*PEOPLE, *CREATORS)
"""Managers that declare by server-side apply and give a field up for a stack, by the beginnings of their names."""
_TRIES = 3
_STACKS = "pulumi-kubernetes-"
_REFUSED = "declare it as it is there, give it another name, or delete it there first: what belongs to it goes, too"

_Fields = frozenset[tuple[str, ...]]
"""The paths of fields in the form of `fieldsV1`, such as `("f:spec", "f:replicas")`."""


class AlreadyThere(FlotillaError):
    """What is to be created exists already, and is not this stack's."""

    def __init__(self, cluster: str, found: Object, name: str) -> None:
        """Keep which object of which cluster it is, and who wrote it.

        Args:
            cluster: its name.
            found: the object.
            name: kind, namespace and name.
        """
        super().__init__(f"{cluster}: {name} is there already")
        self.cluster = cluster
        self.object = name
        self.managers = writers(found)


@dataclass(frozen=True)
class Existing:
    """An object that exists, and what an adoption would make of it."""

    live: Object
    """As it is."""
    applied: Properties
    """What is applied to it: what is declared, without fields that are ignored and that others own."""
    before: Live
    """The same as the state would keep it; its inputs are the declared fields with the values that it has."""
    after: Live
    """As it would be."""
    changes: tuple[Change, ...] = ()
    """What differs, marks for Pulumi and Flotilla left out; what isn't known yet counts as different."""
    note: str = ""
    """What is to be known of it: who else writes it, what a dry run warned of."""
    refusal: FlotillaError | None = None
    """Why it can't be taken over."""


def existing(
    live: Object, inputs: Properties, planned: Object | None, manager: str, applied: Properties | None = None
) -> Existing:
    """Compare an object with what is declared.

    Args:
        live: the object.
        inputs: what is declared; what is marked as secret is secret in the changes, on both sides.
        applied: what is applied of it; None for all of it.
        planned: what a dry run of the adoption answered; None where there is no answer, such as while not everything
            is known.
        manager: who would apply it.
    """
    declared, inputs = inputs, reveal(inputs)
    applied = inputs if applied is None else applied
    held = _marked(as_held(inputs, live), inputs)
    if planned is None:
        after, changes = Live(object_id(live), {**live, **inputs}, inputs), compare(as_held(applied, live), applied)
    else:
        after, changes = outputs_of(planned, inputs, manager), compare(declarable(live), declarable(planned))
    shown = as_secret((change for one in changes for change in _without_marks(one)), declared, live)
    before = replace(outputs_of(live, held, manager), inputs=held)
    return Existing(live, applied, before, after, shown, note_of(live), _another_cluster(live, applied))


def _another_cluster(live: Object, applied: Properties) -> EngineError | None:
    """Return why a Cluster can't be adopted that stands for another cluster than the declared one; else None.

    The API server would let the UID change: the one cluster would get the other one's workloads.
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
    """Return an object whose adoption a dry run did not allow: it is refused, or there is a warning, or neither.

    Args:
        found: the object.
        error: what the server said.
        name: cluster, kind, namespace and name.
        fixed: the fields that the kind doesn't let change.
    """
    try:
        warning = judged(error)
    except ApiError:
        return replace(found, refusal=_refusal(found, error, name, tuple(fixed)))
    return replace(found, note="; ".join(filter(None, (found.note, warning))))


def _refusal(found: Existing, error: ApiError, name: str, fixed: tuple[Path, ...]) -> EngineError:
    """Return why an object can't be taken over, in one line."""
    why = why_refused(found.changes, list(fixed), error.message)
    refusal = EngineError(f"{name} can't be adopted: {why}", hint=_REFUSED)
    refusal.nothing_done = True
    return refusal


def why_refused(changes: Iterable[Change], fixed: list[Path], message: str) -> str:
    """Return in one line why the API doesn't allow some changes of an object.

    Args:
        changes: what would change.
        fixed: the fields that the kind doesn't let change.
        message: what the server said.
    """
    listed = [change for change in changes if among(change, fixed)]
    differs = ", ".join(f"{c.text} is {_text(c.old)} there and {_text(c.new)} here" for c in listed)
    return one_line(f"{differs}, which can't be changed" if differs else message)


def take_over(
    live: Object, manager: str, apply: Callable[..., Object], transfer: Callable[[Object, list[Object]], Object]
) -> Object:
    """Apply what is declared to an object that exists, and make it the stack's alone; return the object.

    The owners are changed first: a run that breaks off in between leaves an object that bears the stack's manager, by
    which the next run knows it.

    Args:
        live: the object as it is.
        manager: the stack's.
        apply: applies what is declared, forced; with `dry_run=True` nothing is changed.
        transfer: writes another `managedFields`, unless the object has changed meanwhile; returns it as it is then.
    """
    for _ in range(_TRIES):
        with nothing_done():
            planned = apply(dry_run=True)
        moved = taken_over(live, planned, manager)
        if moved is None:
            break
        live = transfer(live, moved)
    live = apply()
    moved = taken_over(live, live, manager)  # an object that no manager owned gets an owner by its first apply
    return live if moved is None else transfer(live, moved)


def taken_over(live: Object, planned: Object, manager: str) -> list[Object] | None:
    """Return `managedFields` in which what the stack declares is the stack's alone; None where nothing changes.

    Managers that apply by themselves, such as a GitOps controller's, keep what they declare: they would take it back.
    So do writers through a subresource, such as an autoscaler.

    Args:
        live: the object as it is.
        planned: the object as a dry run of the apply, or the apply, answered it.
        manager: the stack's.
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
    """Return who has written an object's fields, its status aside."""
    names = {str(entry.get("manager")) for entry in entries_of(obj) if entry.get("subresource") != "status"}
    return tuple(sorted(names))


def note_of(live: Object) -> str:
    """Say who will go on writing the object, or has another claim to it."""
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
    """Return the owned fields of a tree: a field that is empty, and one that has `.` in it."""
    if not isinstance(fields, dict) or not fields:
        return frozenset([path]) if path else frozenset()
    found: set[tuple[str, ...]] = set()
    for key, below in fields.items():
        found |= {path} if key == "." else _paths(below, (*path, key))
    return frozenset(found)


def _tree(paths: Iterable[tuple[str, ...]]) -> Object:
    """Return owned fields as a tree in the form of `fieldsV1`."""
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


def _marked(held: Properties, inputs: Properties) -> Properties:
    """Return what an object has with the marks that are declared: they are no difference."""
    declared = (inputs.get("metadata") or {}).get("annotations")
    marks = {k: v for k, v in declared.items() if k.startswith(_OWN_MARKS)} if isinstance(declared, dict) else {}
    if not marks:
        return held
    metadata = held.get("metadata") or {}
    return {**held, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **marks}}}


def _without_marks(change: Change) -> list[Change]:
    """Leave marks out of a change."""
    if change.path[:2] == ("metadata", "annotations") and len(change.path) > 2:  # noqa: PLR2004 - a path's length
        return [] if str(change.path[2]).startswith(_OWN_MARKS) else [change]
    if change.path == ("metadata", "annotations") and isinstance(change.new, dict):
        left = {key: value for key, value in change.new.items() if not str(key).startswith(_OWN_MARKS)}
        return [replace(change, new=left)] if left else []
    return [change]


def as_secret(changes: Iterable[Change], declared: Properties, live: Object) -> tuple[Change, ...]:
    """Return changes of an object whose values are as secret as what is declared, and as a Secret's content."""
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
