"""The data that the controllers share: the control plane, the members by their stored credentials, and small writes."""

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
    """The servers that a pass reads and writes, and the data that is kept between passes."""

    def __init__(self, control_plane: ReadingOnce) -> None:
        """Start without connections to members."""
        self.control_plane = control_plane
        self._members: dict[str, tuple[str, ReadingOnce]] = {}
        self.served: dict[tuple[str, ...], tuple[float, list[Object]]] = {}
        """API enablements by server and its groups, with the time at which they were read."""
        self._preferred: dict[tuple[str, str], tuple[float, str]] = {}
        self.applied: dict[tuple[str, ObjectRef], tuple[Object, str]] = {}
        """The last applied manifest by server and object, with the resulting version of the copy."""

    def renew(self) -> bool:
        """Discard the stored answers of clusters in which something was written; return whether there are any."""
        servers = (self.control_plane, *(server for _, server in self._members.values()))
        changed = [server for server in servers if server.renew()]
        return bool(changed)

    def is_preferred(self, api_version: str, kind: str) -> bool:
        """Return whether this is the version that the API server prefers for a kind; other versions are not read."""
        wanted = (group_of(api_version), kind)
        read_at, preferred = self._preferred.get(wanted, (-_PREFERRED_SECONDS, ""))
        if time.monotonic() - read_at >= _PREFERRED_SECONDS:
            preferred = served_kinds(self.control_plane, [wanted]).preferred.get(wanted, "")
            if preferred:
                self._preferred[wanted] = (time.monotonic(), preferred)
        return preferred == api_version

    def member(self, cluster: Object) -> Connection:
        """Return the connection to a member, with the credentials that its Cluster names, as Karmada does.

        Raises:
            FlotillaError: the credentials don't exist or can't be used.
        """
        name = cluster["metadata"]["name"]
        document = stored_access(self.control_plane, cluster)
        key = hashlib.sha256(repr(document).encode()).hexdigest()
        known = self._members.get(name)
        if known is None or known[0] != key:
            known = (key, ReadingOnce(document, name=name, timeout=5.0))
            self._members[name] = known
        return known[1]

    def patch(self, obj: Object, body: Object, *, manager: str = MANAGER) -> Object:
        """Apply a merge patch to an object of the control plane."""
        return self.control_plane.patch(ref_of(obj), body, query={"fieldManager": manager})

    def set_status(self, obj: Object, status: Object) -> None:
        """Write an object's status if it differs; kinds without a status subresource are skipped."""
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
        """Add a finalizer to an object."""
        finalizers = obj["metadata"].get("finalizers") or []
        if finalizer not in finalizers:
            self.patch(obj, {"metadata": {"finalizers": [*finalizers, finalizer]}})

    def drop_finalizer(self, obj: Object, finalizer: str) -> None:
        """Remove a finalizer from an object."""
        finalizers = obj["metadata"].get("finalizers") or []
        if finalizer in finalizers:
            with contextlib.suppress(ApiError):
                self.patch(obj, {"metadata": {"finalizers": [f for f in finalizers if f != finalizer]}})


def bindings(server: Connection) -> list[Object]:
    """Return the bindings of both kinds."""
    return [binding for kind in BINDING_ID_LABELS for binding in server.list(BINDING_API, kind)]


def carries(work: Object, binding: Object) -> bool:
    """Return whether a Work belongs to a binding."""
    return all(label(work, key) == identity for key, identity in binding_labels(binding).items())


def template_ref(binding: Object) -> ObjectRef:
    """Return the reference of a binding's template."""
    reference = binding["spec"]["resource"]
    return ObjectRef(reference["apiVersion"], reference["kind"], reference["name"], reference.get("namespace") or "")


def targets_of(binding: Object) -> list[Object]:
    """Return the clusters that get a binding's object: the scheduled ones, then those of templates that need it."""
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
    """Return whether an object is being deleted."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def label(obj: Object, key: str) -> str:
    """Return a label, or ''."""
    return str((obj["metadata"].get("labels") or {}).get(key, ""))


def fresh_id() -> str:
    """Return a permanent ID, as Karmada gives one to policies, bindings and Works."""
    return str(uuid.uuid4())


def new_condition(kind: str, *, status: bool, reason: str, message: str, old: list[Object] | None = None) -> Object:
    """Return a condition; if the old one has the same status, its transition time is kept."""
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
