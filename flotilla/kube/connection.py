"""One pooled connection per cluster: plain JSON over the API, retried, bounded, with errors that say what was done.

Credentials, TLS and exec plugins are the `kubernetes` package's; this module adds what a deployment needs:
discovery by group, version and kind, a bound on concurrent requests, back-off, and one kind of error.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, new_client_from_config_dict

from flotilla.errors import ClusterError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.objects import Object, ObjectRef

# Statuses that say "later", not "no": throttling, an API server or a webhook that is starting or overloaded.
_RETRIED = frozenset({429, 502, 503, 504})
_ATTEMPTS = 5
_PAGE = 500
_MEDIA = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
    "strategic": "application/strategic-merge-patch+json",
}


class ApiError(ClusterError):
    """An API server's refusal. `status` is the HTTP status (0: no answer), `reason` the machine-readable word."""

    def __init__(self, message: str, *, status: int, reason: str = "", details: Object | None = None) -> None:
        """Keep the parts that callers decide on."""
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.details = details or {}

    @property
    def missing(self) -> bool:
        """The object isn't there (which says nothing about its kind: see `KindNotServed`)."""
        return self.status == HTTPStatus.NOT_FOUND


class Unreachable(ApiError):
    """No answer at all: the cluster's state is unknown, never 'gone'."""


class KindNotServed(ApiError):
    """The API server serves no such group, version and kind (a CRD or an aggregated API is missing)."""

    @property
    def missing(self) -> bool:
        """An unserved kind says nothing about its objects: an aggregated API may just be down."""
        return False


@dataclass(frozen=True)
class Resource:
    """How a kind is reached: its collection's path segment and its scope."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """Return the request path of the collection, or of one object."""
        prefix = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        middle = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{prefix}{middle}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Connection:
    """A cluster's API server. Safe to use from many threads."""

    def __init__(self, document: Object, *, name: str, concurrency: int = 16, timeout: float = 30.0) -> None:
        """Prepare a connection; nothing is sent yet.

        Args:
            document: a kubeconfig narrowed to one context (`flotilla.kube.kubeconfig.select`).
            name: what errors call the cluster.
            concurrency: requests in flight at once, so that small API servers stay alive.
            timeout: seconds that one request may take.
        """
        self.name = name
        self.server = kubeconfigs.server(document)
        self._timeout = timeout
        self._slots = threading.BoundedSemaphore(concurrency)
        self._kinds: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()
        settings = Configuration()
        settings.connection_pool_maxsize = concurrency
        settings.retries = False
        try:
            client = new_client_from_config_dict(document, client_configuration=settings, persist_config=False)
        except ConfigException as error:
            raise ClusterError(f"{name}: the kubeconfig can't be used: {error}") from None
        self._settings = client.configuration
        self._pool = client.rest_client.pool_manager

    # -- requests ---------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        media: str = "application/json",
        timeout: float | None = None,
    ) -> Any:
        """Send one request and return the decoded JSON answer.

        `doing` completes "while ..." in errors, such as "reading Deployment default/nginx".

        Raises:
            Unreachable: no answer in time.
            ApiError: the API server refused.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = self._send(method, path, query, body, media, timeout or self._timeout)
            except urllib3.exceptions.HTTPError as error:
                if attempt < _ATTEMPTS and _may_resend(method, error):
                    time.sleep(0.1 * 2**attempt)
                    continue
                raise Unreachable(
                    f"{self.name}: no answer from {self.server} while {doing}: {_network_reason(error)}", status=0
                ) from None
            if response.status in _RETRIED and attempt < _ATTEMPTS:
                time.sleep(min(float(response.headers.get("Retry-After") or 0.1 * 2**attempt), 5.0))
                continue
            break
        return self._decode(response, doing)

    def _send(
        self, method: str, path: str, query: dict[str, Any] | None, body: Any, media: str, timeout: float
    ) -> urllib3.BaseHTTPResponse:
        url = self._settings.host.rstrip("/") + path
        if query:
            url += "?" + urlencode({k: v for k, v in query.items() if v is not None})
        with self._slots:
            response: urllib3.BaseHTTPResponse = self._pool.request(
                method,
                url,
                body=json.dumps(body).encode() if body is not None else None,
                headers=self._headers(media if body is not None else None),
                timeout=urllib3.Timeout(connect=min(timeout, 5.0), read=timeout),
                redirect=False,
            )
            return response

    def _headers(self, media: str | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "flotilla"}
        if media:
            headers["Content-Type"] = media
        for setting in self._settings.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                headers[setting["key"]] = setting["value"]
        return headers

    def _decode(self, response: urllib3.BaseHTTPResponse, doing: str) -> Any:
        text = response.data.decode("utf-8", "replace")
        try:
            answer = json.loads(text) if text[:1] in "{[" else text
        except ValueError:
            answer = text
        if response.status < HTTPStatus.BAD_REQUEST:
            return answer
        status = answer if isinstance(answer, dict) else {}
        said = str(status.get("message") or text.strip()[:300] or response.reason)
        message = f"{self.name}: {self.server} refused while {doing}: {said} (HTTP {response.status})"
        raise ApiError(
            message, status=response.status, reason=str(status.get("reason", "")), details=status.get("details")
        )

    # -- discovery --------------------------------------------------------------------------------

    def resource(self, api_version: str, kind: str) -> Resource:
        """Find how a kind is reached, by discovery; asked once per group and version.

        Raises:
            KindNotServed: the API server doesn't serve it now.
        """
        with self._lock:
            found = self._kinds.get(api_version, {}).get(kind)
        if found:
            return found
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        doing = f"looking up {api_version} {kind}"
        try:
            answer = self.request("GET", prefix, doing=doing)
        except ApiError as error:
            if error.status in (404, 503):
                raise self._not_served(api_version, kind) from None
            raise
        kinds = {
            entry["kind"]: Resource(api_version, entry["kind"], entry["name"], bool(entry["namespaced"]))
            for entry in answer.get("resources", [])
            if "/" not in entry["name"]
        }
        with self._lock:
            self._kinds[api_version] = kinds
        if kind not in kinds:
            raise self._not_served(api_version, kind)
        return kinds[kind]

    def _not_served(self, api_version: str, kind: str) -> KindNotServed:
        return KindNotServed(f"{self.name}: {self.server} serves no {kind} in {api_version}", status=404)

    # -- objects ----------------------------------------------------------------------------------

    def get(self, ref: ObjectRef) -> Object:
        """Read one object. Raises ApiError with `missing` where it isn't there."""
        path = self.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace)
        answer: Object = self.request("GET", path, doing=f"reading {ref}")
        return answer

    def find(self, ref: ObjectRef) -> Object | None:
        """Read one object; None where it isn't there."""
        try:
            return self.get(ref)
        except ApiError as error:
            if error.missing:
                return None
            raise

    def list(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str | None = None
    ) -> list[Object]:
        """List objects in pages; each carries its apiVersion and kind, as single reads do."""
        path = self.resource(api_version, kind).path(namespace=namespace)
        query: dict[str, Any] = {"limit": _PAGE, "labelSelector": labels}
        items: list[Object] = []
        while True:
            answer = self.request("GET", path, doing=f"listing {kind}s", query=query)
            items += [{"apiVersion": api_version, "kind": kind, **item} for item in answer.get("items") or []]
            more = (answer.get("metadata") or {}).get("continue")
            if not more:
                return items
            query["continue"] = more

    def create(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Create an object; fails where it exists."""
        meta = obj.get("metadata") or {}
        resource = self.resource(obj["apiVersion"], obj["kind"])
        answer: Object = self.request(
            "POST",
            resource.path(namespace=meta.get("namespace")),
            doing=f"creating {obj['kind']} {meta.get('name') or meta.get('generateName')}",
            query={"fieldManager": field_manager, "dryRun": "All" if dry_run else None},
            body=obj,
        )
        return answer

    def patch(self, ref: ObjectRef, body: Any, *, kind: str = "merge", query: dict[str, Any] | None = None) -> Object:
        """Patch an object; `kind` is merge, json, strategic or apply."""
        answer: Object = self.request(
            "PATCH",
            self.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace),
            doing=f"{'applying' if kind == 'apply' else 'patching'} {ref}",
            query=query,
            body=body,
            media=_MEDIA[kind],
        )
        return answer

    def apply(self, obj: Object, *, field_manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply: creates the object, or changes the fields that `field_manager` owns."""
        meta = obj["metadata"]
        ref = ObjectRef(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace") or "")
        query = {
            "fieldManager": field_manager,
            "force": "true" if force else None,
            "dryRun": "All" if dry_run else None,
        }
        return self.patch(ref, obj, kind="apply", query=query)

    def delete(self, ref: ObjectRef, *, propagation: str = "Foreground", uid: str | None = None) -> bool:
        """Ask for an object's deletion; False where it was gone already.

        With `uid`, an object that was replaced by another of the same name meanwhile is left alone.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        path = self.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace)
        try:
            self.request("DELETE", path, doing=f"deleting {ref}", body=options)
        except ApiError as error:
            if error.missing or (uid and error.status == HTTPStatus.CONFLICT):
                return False
            raise
        return True

    def watch(
        self,
        api_version: str,
        kind: str,
        *,
        resource_version: str,
        namespace: str | None = None,
        seconds: int = 300,
    ) -> Iterator[Object]:
        """Yield watch events (`type`, `object`) from a resource version on, for at most `seconds`.

        Raises:
            ApiError: status 410 where the version is too old: list again.
        """
        path = self.resource(api_version, kind).path(namespace=namespace)
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": seconds,
            "allowWatchBookmarks": "true",
        }
        response = self._pool.request(
            "GET",
            f"{self._settings.host.rstrip('/')}{path}?{urlencode(query)}",
            headers=self._headers(None),
            timeout=urllib3.Timeout(connect=5.0, read=seconds + 10.0),
            preload_content=False,
            redirect=False,
        )
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                self._decode(response, f"watching {kind}s")
            buffer = b""
            for chunk in response.stream(65536, decode_content=True):
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        message = f"{self.name}: watching {kind}s: {status.get('message')}"
                        raise ApiError(message, status=int(status.get("code", 500)))
                    yield event
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{self.name}: watching {kind}s broke off: {_network_reason(error)}", status=0) from None
        finally:
            response.close()


_POOL: dict[str, Connection] = {}
_POOL_LOCK = threading.Lock()


def connect(text: str, *, context: str | None = None, name: str = "cluster") -> Connection:
    """Return the connection to a kubeconfig's cluster; the same content gets the same connection."""
    key = hashlib.sha256(f"{context}\0{text}".encode()).hexdigest()
    with _POOL_LOCK:
        if key not in _POOL:
            document = kubeconfigs.select(kubeconfigs.load(text), context)
            _POOL[key] = Connection(document, name=name)
        return _POOL[key]


def _may_resend(method: str, error: urllib3.exceptions.HTTPError) -> bool:
    """Tell whether sending again can't do a thing twice.

    A refused connection was never served. One that broke before an answer may have been: every verb of ours is
    idempotent then, except POST.
    """
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return True
    return method != "POST" and isinstance(error, urllib3.exceptions.ProtocolError)


def _network_reason(error: BaseException) -> str:
    """Return the innermost reason of a transport error, without the library's own wording."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _network_reason(reason)
    text = str(error)
    for mark in ("Connection refused", "certificate verify failed", "timed out", "Name or service not known"):
        if mark in text:
            return mark.lower()
    return text[:200]
