"""The operations on objects, as generators (steps) that yield requests and receive the answers.

A connection runs the steps; the blocking and the asyncio connection differ only in how they send requests. A refusal
is thrown into the steps as an error, which they may handle ("not found" in `find`).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from flotilla.kube import answers
from flotilla.kube.answers import UnexpectedAnswer
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.kube.wire import MEDIA, ApiError, Peer, Request, Resource, group_path

T = TypeVar("T")
Steps = Generator[Request, Any, T]

PAGE_SIZE = 500


class Page(NamedTuple):
    """A part of a list."""

    items: list[Object]
    more: str
    """The `continue` token of the next page; empty on the last page."""
    resource_version: str
    """The version from which a watch continues this list."""


class Scope(NamedTuple):
    """A filter for the objects of a kind; an empty field excludes nothing."""

    namespace: str = ""
    labels: str = ""
    """A label selector in kubectl's format."""
    fields: str = ""
    """A field selector."""


EVERYTHING = Scope()


class Operations:
    """The steps for one API server, with a cache of its discovery."""

    def __init__(self, peer: Peer) -> None:
        """Start with an empty cache."""
        self._peer = peer
        self._kinds: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()

    def named_as(self, peer: Peer) -> Operations:
        """Return the steps for the same server under another name in errors; the cache is shared."""
        other = copy.copy(self)
        other._peer = peer  # noqa: SLF001 - one of ours
        return other

    # -- discovery --------------------------------------------------------------------------------

    def kinds(self, api_version: str, doing: str = "") -> Steps[dict[str, Resource]]:
        """Ask for the resources of a group and version, by kind, without subresources; the cache is replaced."""
        doing = doing or f"looking up {api_version}"
        answer = yield Request("GET", group_path(api_version), doing)
        found = {
            entry["kind"]: Resource(
                api_version,
                entry["kind"],
                entry["name"],
                bool(entry.get("namespaced")),
                (entry["name"], entry.get("singularName") or "", *(entry.get("shortNames") or ())),
            )
            for entry in self._checked(answers.entries, answer, "resources", ("kind", "name"), doing=doing)
            if "/" not in entry["name"]
        }
        with self._lock:
            self._kinds[api_version] = found
        return found

    def resource(self, api_version: str, kind: str, doing: str = "") -> Steps[Resource]:
        """Return the resource of a kind. Discovery runs once per group and version, and again for an unknown kind.

        `doing` names in errors the operation for which the caller needs the kind.
        """
        with self._lock:
            found = self._kinds.get(api_version, {}).get(kind)
        if found:
            return found
        try:
            kinds = yield from self.kinds(api_version, doing or f"looking up {api_version} {kind}")
        except ApiError as error:
            # An aggregated API that is down answers 503. The core API does so too, while the API server starts.
            if error.status == HTTPStatus.NOT_FOUND or (
                error.status == HTTPStatus.SERVICE_UNAVAILABLE and api_version != "v1"
            ):
                raise self._peer.not_served(api_version, kind) from None
            raise
        if kind not in kinds:
            raise self._peer.not_served(api_version, kind)
        return kinds[kind]

    def versions(self) -> Steps[list[str]]:
        """Return the preferred version of every served group, the core group first."""
        doing = "listing API groups"
        answer = yield Request("GET", "/apis", doing)
        groups = self._checked(answers.entries, answer, "groups", (), doing=doing)
        preferred = [group.get("preferredVersion") for group in groups]
        found = [
            self._checked(answers.an_object, version, doing=doing).get("groupVersion")
            for version in preferred
            if version
        ]
        return ["v1", *(str(version) for version in found if version)]

    def unserved(self, api_version: str, kind: str) -> Steps[bool]:
        """Return whether a kind is certainly served in no version of its group, so that no object of it exists.

        An aggregated API that is down answers 503, and a misconfigured proxy does not know the groups. Both are errors
        here, since they say nothing about the objects.
        """
        doing = f"looking up {api_version} {kind}"
        group = api_version.rpartition("/")[0]
        answer = yield Request("GET", "/apis", doing)
        groups = self._checked(answers.entries, answer, "groups", ("name",), doing=doing)
        versions = {api_version}
        for entry in groups:
            if entry["name"] == group:
                served = self._checked(answers.entries, entry, "versions", ("groupVersion",), doing=doing)
                versions.update(version["groupVersion"] for version in served)
        for version in sorted(versions):
            try:
                kinds = yield from self.kinds(version, doing)
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                continue
            if kind in kinds:
                return False
        return True

    def named(self, word: str) -> Steps[Resource]:
        """Find a kind by any name that kubectl accepts: `deploy`, `deployments`, `Deployment`, `deployments.apps`."""
        wanted, _, group = word.lower().partition(".")
        for version in (yield from self.versions()):
            if group and version.rpartition("/")[0] != group:
                continue
            try:
                kinds = yield from self.kinds(version)
            except ApiError as error:
                if error.status in (404, 503):  # an aggregated API that is down hides only its own kinds
                    continue
                raise
            for resource in kinds.values():
                if wanted in (resource.kind.lower(), *resource.short_names):
                    return resource
        raise self._peer.not_served(group or "any group", word)

    # -- objects ----------------------------------------------------------------------------------

    def get(self, ref: ObjectRef) -> Steps[Object]:
        """Read one object."""
        doing = f"reading {ref}"
        resource = yield from self.resource(ref.api_version, ref.kind, doing)
        answer = yield Request("GET", resource.path(ref.name, ref.namespace), doing)
        return self._object(answer, ref.kind, doing, ref.name)

    def find(self, ref: ObjectRef) -> Steps[Object | None]:
        """Read one object; None if it does not exist."""
        try:
            return (yield from self.get(ref))
        except ApiError as error:
            if error.missing:
                return None
            raise

    def page(
        self, api_version: str, kind: str, scope: Scope = EVERYTHING, *, more: str = "", limit: int | None = None
    ) -> Steps[Page]:
        """Read one page of a list; each item has its apiVersion and kind set, as in a read of a single object."""
        doing = f"listing {kind}s"
        resource = yield from self.resource(api_version, kind, doing)
        query = {
            "limit": limit or PAGE_SIZE,
            "continue": more or None,
            "labelSelector": scope.labels or None,
            "fieldSelector": scope.fields or None,
        }
        answer = yield Request("GET", resource.path(namespace=scope.namespace), doing, query)
        listed = self._checked(answers.a_list, answer, kind, doing=doing)
        meta = answer.get("metadata") or {}
        items = [{"apiVersion": api_version, "kind": kind, **item} for item in listed]
        return Page(items, meta.get("continue") or "", meta.get("resourceVersion") or "")

    def whole(self, api_version: str, kind: str, scope: Scope = EVERYTHING) -> Steps[Page]:
        """Read a complete list page by page; if its version expires in between, start once from the beginning."""
        try:
            return (yield from self._pages(api_version, kind, scope))
        except ApiError as error:
            if error.status != HTTPStatus.GONE:
                raise
            return (yield from self._pages(api_version, kind, scope))

    def _pages(self, api_version: str, kind: str, scope: Scope) -> Steps[Page]:
        items: list[Object] = []
        more = ""
        while True:
            page = yield from self.page(api_version, kind, scope, more=more)
            items += page.items
            more = page.more
            if not more:
                return Page(items, "", page.resource_version)

    def create(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Steps[Object]:
        """Create an object; fails if it exists already."""
        meta = obj.get("metadata") or {}
        doing = f"creating {obj['kind']} {meta.get('name') or meta.get('generateName')}"
        resource = yield from self.resource(obj["apiVersion"], obj["kind"], doing)
        answer = yield Request(
            "POST",
            resource.path(namespace=meta.get("namespace")),
            doing,
            {"fieldManager": field_manager, "dryRun": "All" if dry_run else None},
            obj,
        )
        return self._object(answer, obj["kind"], doing)

    def patch(
        self, ref: ObjectRef, body: Any, *, kind: str = "merge", query: dict[str, Any] | None = None
    ) -> Steps[Object]:
        """Patch an object; `kind` is merge, json, strategic or apply."""
        doing = f"{'applying' if kind == 'apply' else 'patching'} {ref}"
        resource = yield from self.resource(ref.api_version, ref.kind, doing)
        answer = yield Request(
            "PATCH",
            resource.path(ref.name, ref.namespace),
            doing,
            query or {},
            body,
            MEDIA[kind],
        )
        return self._object(answer, ref.kind, doing, ref.name)

    def apply(self, obj: Object, *, field_manager: str, force: bool = False, dry_run: bool = False) -> Steps[Object]:
        """Apply an object on the server: create it, or change the fields that `field_manager` owns."""
        meta = obj["metadata"]
        ref = ObjectRef(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace") or "")
        query = {
            "fieldManager": field_manager,
            "force": "true" if force else None,
            "dryRun": "All" if dry_run else None,
        }
        return (yield from self.patch(ref, obj, kind="apply", query=query))

    def replace(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Steps[Object]:
        """Replace an existing object as a whole; fields that `obj` lacks are removed."""
        ref = ref_of(obj)
        doing = f"replacing {ref}"
        resource = yield from self.resource(ref.api_version, ref.kind, doing)
        query = {"fieldManager": field_manager, "dryRun": "All" if dry_run else None}
        answer = yield Request("PUT", resource.path(ref.name, ref.namespace), doing, query, obj)
        return self._object(answer, ref.kind, doing, ref.name)

    def delete(self, ref: ObjectRef, *, propagation: str = "Foreground", uid: str | None = None) -> Steps[bool]:
        """Request the deletion of an object; return False if it no longer exists.

        With `uid`, an object of the same name that was created in the meantime is not deleted.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        doing = f"deleting {ref}"
        resource = yield from self.resource(ref.api_version, ref.kind, doing)
        try:
            answer = yield Request("DELETE", resource.path(ref.name, ref.namespace), doing, body=options)
        except ApiError as error:
            if error.missing or (uid and error.status == HTTPStatus.CONFLICT):
                return False
            raise
        if answer.get("kind") != "Status":  # the object itself, while finalizers or dependents remain
            self._object(answer, ref.kind, doing, ref.name)
        return True

    def watch(
        self, api_version: str, kind: str, scope: Scope = EVERYTHING, *, resource_version: str, seconds: int
    ) -> Steps[Request]:
        """Return the request for a stream of events, which the connection reads."""
        doing = f"watching {kind}s"
        resource = yield from self.resource(api_version, kind, doing)
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": seconds,
            "allowWatchBookmarks": "true",
            "labelSelector": scope.labels or None,
            "fieldSelector": scope.fields or None,
        }
        return Request("GET", resource.path(namespace=scope.namespace), doing, query, timeout=seconds)

    # -- answers ----------------------------------------------------------------------------------

    def _object(self, answer: Any, kind: str, doing: str, name: str = "") -> Object:
        found: Object = self._checked(answers.an_object, answer, kind, name, doing=doing)
        return found

    def _checked(self, check: Callable[..., T], *arguments: Any, doing: str) -> T:
        """Return the result of a check; an answer that is not one of the API becomes an error of this server."""
        try:
            return check(*arguments)
        except UnexpectedAnswer as strange:
            raise self._peer.not_the_api(doing, strange) from None
