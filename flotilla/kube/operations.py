"""What can be done with objects, as steps that yield requests and are given the answers.

A connection runs the steps: the blocking one and the asyncio one differ in how they send, and in nothing else. An
answer that is an error is thrown into the steps, which may decide that it is none ("not found" for `find`).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from flotilla.kube import answers
from flotilla.kube.answers import Strange
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.kube.wire import MEDIA, ApiError, Peer, Request, Resource, group_path

T = TypeVar("T")
Steps = Generator[Request, Any, T]

PAGE_SIZE = 500


class Page(NamedTuple):
    """A part of a list."""

    items: list[Object]
    more: str
    """What gets the next page; empty on the last."""
    resource_version: str
    """Where a watch that follows this list begins."""


class Scope(NamedTuple):
    """Which objects of a kind are meant; empty parts leave nothing out."""

    namespace: str = ""
    labels: str = ""
    """A label selector, as kubectl takes it."""
    fields: str = ""
    """A field selector."""


EVERYTHING = Scope()


class Operations:
    """The steps, with what has been discovered of one API server."""

    def __init__(self, peer: Peer) -> None:
        """Know nothing yet."""
        self._peer = peer
        self._kinds: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()

    def named_as(self, peer: Peer) -> Operations:
        """Return the steps on the same server, whose errors call it otherwise; what is discovered is shared."""
        other = copy.copy(self)
        other._peer = peer  # noqa: SLF001 - one of ours
        return other

    # -- discovery --------------------------------------------------------------------------------

    def kinds(self, api_version: str, doing: str = "") -> Steps[dict[str, Resource]]:
        """Return what a group and version serves, by kind, as it is now; subresources are left out."""
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
        """Find how a kind is reached; asked once per group and version, and again for a kind that it didn't have.

        `doing` is what errors call it: what the caller wants with the kind.
        """
        with self._lock:
            found = self._kinds.get(api_version, {}).get(kind)
        if found:
            return found
        try:
            kinds = yield from self.kinds(api_version, doing or f"looking up {api_version} {kind}")
        except ApiError as error:
            # An aggregated API that is down answers 503; the core does so while the API server starts.
            if error.status == HTTPStatus.NOT_FOUND or (
                error.status == HTTPStatus.SERVICE_UNAVAILABLE and api_version != "v1"
            ):
                raise self._peer.not_served(api_version, kind) from None
            raise
        if kind not in kinds:
            raise self._peer.not_served(api_version, kind)
        return kinds[kind]

    def versions(self) -> Steps[list[str]]:
        """Return every group and version that is served, the core first, each group's preferred one."""
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
        """Tell whether a kind is certainly served in no version of its group: then none of its objects is there.

        An aggregated API that is down answers 503, and a proxy that has lost its way knows no groups either: both are
        errors here, for they say nothing about the objects.
        """
        doing = f"looking up {api_version} {kind}"
        group = api_version.rpartition("/")[0]
        answer = yield Request("GET", "/apis", doing)
        groups = self._checked(answers.entries, answer, "groups", ("name",), doing=doing)
        versions = {api_version}
        for entry in groups:
            if entry["name"] == group:
                held = self._checked(answers.entries, entry, "versions", ("groupVersion",), doing=doing)
                versions.update(version["groupVersion"] for version in held)
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
        """Find a kind by what kubectl calls it: `deploy`, `deployments`, `Deployment`, `deployments.apps`."""
        wanted, _, group = word.lower().partition(".")
        for version in (yield from self.versions()):
            if group and version.rpartition("/")[0] != group:
                continue
            try:
                kinds = yield from self.kinds(version)
            except ApiError as error:
                if error.status in (404, 503):  # an aggregated API that is down hides its own kinds, not the others
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
        """Read one object; None where it isn't there."""
        try:
            return (yield from self.get(ref))
        except ApiError as error:
            if error.missing:
                return None
            raise

    def page(
        self, api_version: str, kind: str, scope: Scope = EVERYTHING, *, more: str = "", limit: int | None = None
    ) -> Steps[Page]:
        """Read one page of a list; each item carries its apiVersion and kind, as single reads do."""
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
        """Read a whole list, page by page; one that took too long to page through is begun again, once."""
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
        """Create an object; fails where it exists."""
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
        """Server-side apply: creates the object, or changes the fields that `field_manager` owns."""
        meta = obj["metadata"]
        ref = ObjectRef(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace") or "")
        query = {
            "fieldManager": field_manager,
            "force": "true" if force else None,
            "dryRun": "All" if dry_run else None,
        }
        return (yield from self.patch(ref, obj, kind="apply", query=query))

    def replace(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Steps[Object]:
        """Write a whole object over the one that is there; what it doesn't have is gone afterwards."""
        ref = ref_of(obj)
        doing = f"replacing {ref}"
        resource = yield from self.resource(ref.api_version, ref.kind, doing)
        query = {"fieldManager": field_manager, "dryRun": "All" if dry_run else None}
        answer = yield Request("PUT", resource.path(ref.name, ref.namespace), doing, query, obj)
        return self._object(answer, ref.kind, doing, ref.name)

    def delete(self, ref: ObjectRef, *, propagation: str = "Foreground", uid: str | None = None) -> Steps[bool]:
        """Ask for an object's deletion; False where it was gone already.

        With `uid`, an object that was replaced by another of the same name meanwhile is left alone.
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
        """Return the request whose answer is a stream of events; the connection reads it."""
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
        """Return what a check makes of an answer; one that isn't the API's is an error of this server."""
        try:
            return check(*arguments)
        except Strange as strange:
            raise self._peer.not_the_api(doing, strange) from None
