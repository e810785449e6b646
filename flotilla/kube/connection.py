"""One pooled connection per cluster: plain JSON over the API, retried, bounded, with errors that say what was done.

Credentials, TLS and exec plugins are the `kubernetes` package's; this module adds what a deployment needs: discovery,
a bound on concurrent requests, back-off, and one kind of error. `flotilla.kube.aio` is the same for asyncio.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, TypeVar

import urllib3
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, new_client_from_config_dict

from flotilla.errors import ClusterError
from flotilla.kube import children, keys, plugins
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.endpoint import Endpoint
from flotilla.kube.following import Event, Followed
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.operations import Page, Scope, Steps
from flotilla.kube.secrecy import plugin_text
from flotilla.kube.wire import (
    ATTEMPTS,
    CONNECT_SECONDS,
    ApiError,
    KindNotServed,
    Request,
    Resource,
    Unreachable,
    back_off,
    no_credentials,
    pause_for,
    token_of,
)

__all__ = ["ApiError", "Connection", "KindNotServed", "Resource", "Unreachable", "connect"]

T = TypeVar("T")


class Connection(Endpoint):
    """A cluster's API server. Safe to use from many threads."""

    def __init__(self, document: Object, *, name: str, concurrency: int = 16, timeout: float = 30.0) -> None:
        """Prepare a connection; nothing is sent yet.

        Args:
            document: a kubeconfig narrowed to one context (`flotilla.kube.kubeconfig.select`).
            name: what errors call the cluster.
            concurrency: requests in flight at once, so that small API servers stay alive.
            timeout: seconds that one request may take.
        """
        super().__init__(name, kubeconfigs.server(document))
        settings = Configuration()
        settings.connection_pool_maxsize = concurrency
        settings.retries = False
        # A token that is kept in a file is read at each request: the package would keep the one of now.
        plain = children.without_secrets(keys.without(kubeconfigs.without_token_file(document)))
        try:
            with plugins.complaints() as complaints:
                client = new_client_from_config_dict(plain, client_configuration=settings, persist_config=False)
        except ConfigException as error:
            raise ClusterError(f"{name}: the kubeconfig can't be used: {plugin_text(str(error))}") from None
        self._document = document
        self._settings = client.configuration
        self._pool = client.rest_client.pool_manager
        unreadable = keys.load(self._pool, document)
        self._complaints = [*complaints, *([unreadable] if unreadable else [])]
        self._timeout = timeout
        self._slots = threading.BoundedSemaphore(concurrency)

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
        """Send one request and return the decoded JSON answer, or its text.

        `doing` completes "while ..." in errors, such as "reading Deployment default/nginx".

        Raises:
            Unreachable: no answer in time.
            ApiError: the API server refused.
        """
        return self.send(Request(method, path, doing, query or {}, body, media, timeout))

    def send(self, request: Request) -> Any:
        """Send one request, as `request` does."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._exchange(request)
            except urllib3.exceptions.HTTPError as error:
                if attempt < ATTEMPTS and _may_resend(request.method, error):
                    time.sleep(back_off(attempt))
                    continue
                raise self._peer.unreachable(request.doing, error) from None
            pause = pause_for(response.status, response.headers.get("Retry-After"), attempt)
            if pause is None:
                break
            time.sleep(pause)
        text = response.data.decode("utf-8", "replace")
        return self._peer.decode(request, response.status, text, str(response.reason))

    def _exchange(self, request: Request) -> urllib3.BaseHTTPResponse:
        with self._slots:
            response = self._open(request, request.timeout or self._timeout, preload=True)
            self.traffic.count(received_bytes=response.tell())
            return response

    def _open(self, request: Request, seconds: float, *, preload: bool) -> urllib3.HTTPResponse:
        self.traffic.count(requests=1)
        response: urllib3.HTTPResponse = self._pool.request(
            request.method,
            request.url(self._settings.host.rstrip("/") + self._base),
            body=request.content(),
            headers={**request.headers(), **self._credentials()},
            timeout=urllib3.Timeout(connect=min(seconds, CONNECT_SECONDS), read=seconds),
            preload_content=preload,
            redirect=False,
        )
        return response

    def _credentials(self) -> dict[str, str]:
        if self._complaints:
            raise no_credentials(self.name, self._complaints)
        token = token_of(self._document)
        if token:
            return {"authorization": f"Bearer {token}"}
        return {
            setting["key"]: setting["value"]
            for setting in self._settings.auth_settings().values()
            if setting["in"] == "header" and setting["value"]
        }

    def _run(self, steps: Steps[T]) -> T:
        """Send what the steps ask for, until they are done."""
        try:
            request = next(steps)
            while True:
                try:
                    answer = self.send(request)
                except ApiError as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    # -- discovery --------------------------------------------------------------------------------

    def resource(self, api_version: str, kind: str) -> Resource:
        """Find how a kind is reached, by discovery; asked once per group and version.

        Raises:
            KindNotServed: the API server doesn't serve it now.
        """
        return self._run(self._steps.resource(api_version, kind))

    def named(self, word: str) -> Resource:
        """Find a kind by what kubectl calls it: `deploy`, `deployments`, `Deployment`, `deployments.apps`.

        Raises:
            KindNotServed: the API server knows no such word.
        """
        return self._run(self._steps.named(word))

    # -- objects ----------------------------------------------------------------------------------

    def get(self, ref: ObjectRef) -> Object:
        """Read one object. Raises ApiError with `missing` where it isn't there."""
        return self._run(self._steps.get(ref))

    def find(self, ref: ObjectRef) -> Object | None:
        """Read one object; None where it isn't there."""
        return self._run(self._steps.find(ref))

    def list(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        """List objects in pages; each carries its apiVersion and kind, as single reads do."""
        scope = Scope(namespace or "", labels or "", fields or "")
        return self._run(self._steps.whole(api_version, kind, scope)).items

    def pages(self, api_version: str, kind: str, scope: Scope, *, limit: int | None = None) -> Iterator[Page]:
        """Yield a list page by page, `limit` objects each."""
        more = ""
        while True:
            page = self._run(self._steps.page(api_version, kind, scope, more=more, limit=limit))
            yield page
            more = page.more
            if not more:
                return

    def create(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Create an object; fails where it exists."""
        return self._run(self._steps.create(obj, field_manager=field_manager, dry_run=dry_run))

    def patch(self, ref: ObjectRef, body: Any, *, kind: str = "merge", query: dict[str, Any] | None = None) -> Object:
        """Patch an object; `kind` is merge, json, strategic or apply."""
        return self._run(self._steps.patch(ref, body, kind=kind, query=query))

    def apply(self, obj: Object, *, field_manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply: creates the object, or changes the fields that `field_manager` owns."""
        return self._run(self._steps.apply(obj, field_manager=field_manager, force=force, dry_run=dry_run))

    def delete(self, ref: ObjectRef, *, propagation: str = "Foreground", uid: str | None = None) -> bool:
        """Ask for an object's deletion; False where it was gone already.

        With `uid`, an object that was replaced by another of the same name meanwhile is left alone.
        """
        return self._run(self._steps.delete(ref, propagation=propagation, uid=uid))

    # -- watches ----------------------------------------------------------------------------------

    def watch(
        self,
        api_version: str,
        kind: str,
        *,
        resource_version: str,
        namespace: str | None = None,
        labels: str | None = None,
        seconds: int = 300,
    ) -> Iterator[Object]:
        """Yield watch events (`type`, `object`) from a resource version on, for at most `seconds`.

        Raises:
            ApiError: status 410 where the version is too old: list again.
        """
        scope = Scope(namespace or "", labels or "")
        steps = self._steps.watch(api_version, kind, scope, resource_version=resource_version, seconds=seconds)
        yield from self._stream(self._run(steps))

    def _stream(self, request: Request) -> Iterator[Object]:
        for line in self.lines(request):
            yield self._peer.read_event(line, request.doing)

    def lines(self, request: Request) -> Iterator[bytes]:
        """Yield the lines of an answer as they come; `request.timeout` bounds the silence between two.

        Raises:
            Unreachable: no answer, or it broke off.
            ApiError: the API server refused.
        """
        try:
            response = self._open(request, (request.timeout or 0) + 10.0, preload=False)
        except urllib3.exceptions.HTTPError as error:
            raise self._peer.unreachable(request.doing, error) from None
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                text = response.read(decode_content=True).decode("utf-8", "replace")
                self._peer.decode(request, response.status, text)
            buffer = b""
            for chunk in response.stream(65536, decode_content=True):
                *lines, buffer = (buffer + chunk).split(b"\n")
                yield from lines
            if buffer:
                yield buffer
        except urllib3.exceptions.HTTPError as error:
            raise self._peer.broke_off(request.doing, error) from None
        finally:
            response.close()

    def follow(self, api_version: str, kind: str, scope: Scope, *, seconds: int = 300) -> Iterator[Event]:
        """Yield what is there as ADDED, then what happens, without end: a watch that ends or breaks is resumed.

        Raises:
            Unreachable: the cluster can't be listed any more.
            ApiError: it refuses.
        """
        followed = Followed()
        while True:
            yield from followed.listed(self._run(self._steps.whole(api_version, kind, scope)))
            try:
                while True:
                    version = followed.resource_version
                    steps = self._steps.watch(api_version, kind, scope, resource_version=version, seconds=seconds)
                    for raw in self._stream(self._run(steps)):
                        event = followed.happened(raw)
                        if event:
                            yield event
            except ApiError as error:  # broken off, or the version too old: the next list tells what was missed
                if error.status not in (0, HTTPStatus.GONE):
                    raise
                time.sleep(back_off(1))


_POOL: dict[str, Connection] = {}
_POOL_LOCK = threading.Lock()


def connect(text: str, *, context: str | None = None, name: str = "cluster") -> Connection:
    """Return the connection to a kubeconfig's cluster; the same content gets the same one, under each one's name."""
    key = hashlib.sha256(f"{context}\0{text}".encode()).hexdigest()
    with _POOL_LOCK:
        if key not in _POOL:
            document = kubeconfigs.select(kubeconfigs.load(text), context)
            _POOL[key] = Connection(document, name=name)
        shared = _POOL[key]
    return shared if shared.name == name else shared.called(name)


def _may_resend(method: str, error: urllib3.exceptions.HTTPError) -> bool:
    """Tell whether sending again can't do a thing twice.

    A refused connection was never served. One that broke before an answer may have been: every verb of ours is
    idempotent then, except POST.
    """
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return True
    return method != "POST" and isinstance(error, urllib3.exceptions.ProtocolError)
