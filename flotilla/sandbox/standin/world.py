"""What the controllers share: the control plane, the members through their stored credentials, small writes."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import time
import uuid
from typing import Any

from flotilla.karmada.discovery import served_kinds
from flotilla.karmada.kinds import group_of
from flotilla.karmada.objects import BINDING_API
from flotilla.karmada.reaching import stored_access
from flotilla.karmada.rendering.marks import BINDING_ID_LABELS, binding_labels
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.sandbox.standin.reading import ReadingOnce

MANAGER = "karmada-stand-in"
_PREFERRED_SECONDS = 30.0


class World:
    """Everything that one pass looks at and writes to."""

    def __init__(self, control_plane: ReadingOnce) -> None:
        """Begin with no member connected."""
        self.control_plane = control_plane
        self._members: dict[str, tuple[str, ReadingOnce]] = {}
        self.served: dict[tuple[str, ...], tuple[float, list[Object]]] = {}
        """API enablements by server and its groups, with the time of the look."""
        self._preferred: dict[tuple[str, str], tuple[float, str]] = {}
        self.applied: dict[tuple[str, ObjectRef], tuple[Object, str]] = {}
        """What was applied last, by server and object, with the version of the copy that came of it."""

    def renew(self) -> bool:
        """Read everything anew from now on, in clusters where something was written. Tell whether there are any."""
        servers = (self.control_plane, *(server for _, server in self._members.values()))
        changed = [server for server in servers if server.renew()]
        return bool(changed)

    def looks_at(self, api_version: str, kind: str) -> bool:
        """Tell whether a kind is looked at in this version: the one that the API server prefers, and no other."""
        wanted = (group_of(api_version), kind)
        looked, preferred = self._preferred.get(wanted, (-_PREFERRED_SECONDS, ""))
        if time.monotonic() - looked >= _PREFERRED_SECONDS:
            preferred = served_kinds(self.control_plane, [wanted]).preferred.get(wanted, "")
            if preferred:
                self._preferred[wanted] = (time.monotonic(), preferred)
        return preferred == api_version

    def member(self, cluster: Object) -> Connection:
        """Connect to a member by the credentials that its Cluster names, as Karmada does.

        Raises:
            FlotillaError: there are none, or they can't be used.
        """
        name = cluster["metadata"]["name"]
        document = stored_access(self.control_plane, cluster)
        key = hashlib.sha256(repr(document).encode()).hexdigest()
        held = self._members.get(name)
        if held is None or held[0] != key:
            held = (key, ReadingOnce(document, name=name, timeout=5.0))
            self._members[name] = held
        return held[1]

    def patch(self, obj: Object, body: Object, *, manager: str = MANAGER) -> Object:
        """Merge a change into an object of the control plane."""
        return self.control_plane.patch(ref_of(obj), body, query={"fieldManager": manager})

    def set_status(self, obj: Object, status: Object) -> None:
        """Write an object's status, where it differs; kinds without a status part are left alone."""
        if (obj.get("status") or {}) == status:
            return
        ref = ref_of(obj)
        path = self.control_plane.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace) + "/status"
        with contextlib.suppress(ApiError):
            self.control_plane.request(
                "PATCH",
                path,
                doing=f"writing the status of {ref}",
                body={"status": status},
                media="application/merge-patch+json",
                query={"fieldManager": MANAGER},
            )

    def add_finalizer(self, obj: Object, finalizer: str) -> None:
        """Put a finalizer on an object."""
        held = obj["metadata"].get("finalizers") or []
        if finalizer not in held:
            self.patch(obj, {"metadata": {"finalizers": [*held, finalizer]}})

    def drop_finalizer(self, obj: Object, finalizer: str) -> None:
        """Take a finalizer off an object."""
        held = obj["metadata"].get("finalizers") or []
        if finalizer in held:
            with contextlib.suppress(ApiError):
                self.patch(obj, {"metadata": {"finalizers": [f for f in held if f != finalizer]}})


def bindings(server: Connection) -> list[Object]:
    """Return the bindings of both kinds."""
    return [binding for kind in BINDING_ID_LABELS for binding in server.list(BINDING_API, kind)]


def carries(work: Object, binding: Object) -> bool:
    """Tell whether a Work carries the template of a binding."""
    return all(label(work, key) == identity for key, identity in binding_labels(binding).items())


def template_ref(binding: Object) -> ObjectRef:
    """Return which template a binding is for."""
    reference = binding["spec"]["resource"]
    return ObjectRef(reference["apiVersion"], reference["kind"], reference["name"], reference.get("namespace") or "")


def targets_of(binding: Object) -> list[Object]:
    """Return the clusters that get a binding's object: those chosen for it, then those of templates that need it."""
    spec = binding["spec"]
    found = {str(target["name"]): target for target in spec.get("clusters") or []}
    for user in spec.get("requiredBy") or []:
        for target in user.get("clusters") or []:
            found.setdefault(str(target["name"]), target)
    return list(found.values())


def owned_by(template: Object) -> Object:
    """Return the owner reference of a template's binding."""
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "name": template["metadata"]["name"],
        "uid": template["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def deleting(obj: Object) -> bool:
    """Tell whether an object is being deleted."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def label(obj: Object, key: str) -> str:
    """Return a label, or ''."""
    return str((obj["metadata"].get("labels") or {}).get(key, ""))


def fresh_id() -> str:
    """Return a permanent ID, as Karmada gives them to policies, bindings and works."""
    return str(uuid.uuid4())


def new_condition(kind: str, *, status: bool, reason: str, message: str, old: list[Object] | None = None) -> Object:
    """Return a condition; its transition time is the old one's while its status is."""
    text = "True" if status else "False"
    before = next((c for c in old or [] if c.get("type") == kind and c.get("status") == text), None)
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": kind,
        "status": text,
        "reason": reason,
        "message": message,
        "lastTransitionTime": before["lastTransitionTime"] if before else now,
    }


def conditions_of(obj: Object) -> list[Any]:
    """Return an object's conditions."""
    return list((obj.get("status") or {}).get("conditions") or [])
