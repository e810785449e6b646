"""One pooled connection per cluster: plain JSON requests with retries and time bounds; errors name the operation.

TLS settings come from the `kubernetes` package. This module adds what a deployment needs: discovery, a bound on
concurrent requests, back-off, and one type of error. `flotilla.kube.aio` is the same for asyncio.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, TypeVar

import urllib3

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.answers import Answer, UnexpectedAnswer, shortened
from flotilla.kube.endpoint import Endpoint
from flotilla.kube.following import Event, Followed
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.operations import Page, Scope, Steps
from flotilla.kube.sending import Late, Sending, Trouble, bounded
from flotilla.kube.transport import Transport
from flotilla.kube.wire import (
    ANSWER_SECONDS,
    ATTEMPTS,
    CONNECT_SECONDS,
    ApiError,
    KindNotServed,
    NotTheApi,
    Request,
    Resource,
    Unreachable,
    back_off,
)

__all__ = ["ApiError", "Connection", "KindNotServed", "NotTheApi", "Resource", "Unreachable", "connect"]

T = TypeVar("T")
_CHUNK = 2**16
_LARGEST_LINE = 2**25
# The errors of urllib3 and of the layers below it. http.client raises ValueError for values that can't be sent.
_TROUBLES = (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError, Late)


class Connection(Endpoint):
    """A cluster's API server. Safe to use from many threads."""

    def __init__(self, document: Object, *, name: str, concurrency: int = 16, timeout: float = ANSWER_SECONDS) -> None:
        """Prepare a connection without sending a request, reading a file or running a plugin.

        Args:
            document: a kubeconfig narrowed to one context (`flotilla.kube.kubeconfig.select`).
            name: the cluster's name in errors.
            concurrency: the maximum number of requests in flight, so that small API servers are not overloaded.
            timeout: seconds that one attempt may take; for the bound on a request see docs/reference/time-bounds.md.
        """
        super().__init__(name, kubeconfigs.server(document))
        self._transport = Transport(document, name, concurrency)
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
        """Send one request and return the JSON object of the answer.

        `doing` completes "while ..." in errors, such as "reading Deployment default/nginx".

        Raises:
            Unreachable: there was no answer in time.
            ApiError: the API server refused the request.
        """
        return self.send(Request(method, path, doing, query or {}, body, media, timeout))

    def ready(self, *, doing: str, timeout: float | None = None) -> None:
        """Ask the API server whether it is ready.

        Raises:
            NotTheApi: something other than an API server answered.
            ApiError: the API server isn't ready, or there was no answer.
        """
        request = Request("GET", "/readyz", doing, timeout=timeout, accept="text/plain, */*")
        said = self.send(request)
        if said.strip() != "ok":
            raise self._peer.not_the_api(doing, UnexpectedAnswer(f"a text that is not 'ok': {shortened(said)!r}"))

    def send(self, request: Request) -> Any:
        """Send one request, as `request` does."""
        sending = Sending(self._peer, request, self._timeout)
        while True:
            try:
                with self._slot(request, sending):
                    answer = self._exchange(request, sending.begin())
            except _TROUBLES as error:
                pause = sending.failed(error, _trouble(error))
            else:
                pause_or_none = sending.answered(answer, renewable=self._transport.renewable)
                if pause_or_none is None:
                    return sending.value
                pause = pause_or_none
                if sending.renews_credentials:
                    sending.renews_credentials = False
                    self._transport.renew()
            time.sleep(pause)

    @contextmanager
    def _slot(self, request: Request, sending: Sending) -> Iterator[None]:
        if not self._slots.acquire(timeout=sending.left):
            raise self._peer.busy(request.doing, sending.seconds)
        try:
            yield
        finally:
            self._slots.release()

    def _exchange(self, request: Request, seconds: float) -> Answer:
        end = time.monotonic() + seconds
        response = self._open(request, seconds)
        whole = False
        try:
            body = self._body(response, end)
            whole = True
        finally:
            received = response.tell()  # codespell:ignore tell
            self.traffic.count(received_bytes=received, date=response.headers.get("date") or "")
            if not whole:
                response.close()
        response.release_conn()
        return _answer(response, body)

    def _body(self, response: urllib3.BaseHTTPResponse, end: float) -> bytes:
        """Read an answer piece by piece, so that a server that sends single bytes slowly is timed out as well."""
        parts: list[bytes] = []
        size = 0
        while True:
            part = response.read1(_CHUNK, decode_content=True)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            bounded(size)
            if time.monotonic() > end:
                raise Late("timed out in the middle of the answer")

    def _open(self, request: Request, seconds: float) -> urllib3.BaseHTTPResponse:
        transport = self._transport.opened(self.name)
        headers = {**request.headers(), **self._transport.headers(self.name)}
        self.traffic.count(requests=1)
        response: urllib3.BaseHTTPResponse = transport.pool.request(
            request.method,
            request.url(transport.host + self._base),
            body=request.content(),
            headers=headers,
            timeout=urllib3.Timeout(connect=min(seconds, CONNECT_SECONDS), read=seconds),
            preload_content=False,
            redirect=False,
            retries=False,
        )
        return response

    def _run(self, steps: Steps[T], timeout: float | None = None) -> T:
        """Send the requests that the steps yield until they end; `timeout` bounds all of them together, in seconds."""
        end = time.monotonic() + (timeout or 0)
        try:
            request = next(steps)
            while True:
                if timeout:
                    request = replace(request, timeout=max(end - time.monotonic(), 0.001))
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
        """Return the resource (path and scope) of a kind by discovery, which is done once per group and version.

        Raises:
            KindNotServed: the API server does not serve the kind now.
        """
        return self._run(self._steps.resource(api_version, kind))

    def unserved(self, api_version: str, kind: str) -> bool:
        """Return whether a kind is certainly served in no version of its group; discovery is repeated for this.

        Raises:
            ApiError: the API server can't say (an aggregated API is down, or something else answers in its place).
        """
        return self._run(self._steps.unserved(api_version, kind))

    def named(self, word: str) -> Resource:
        """Find a kind by any name that kubectl accepts: `deploy`, `deployments`, `Deployment`, `deployments.apps`.

        Raises:
            KindNotServed: the API server knows no such name.
        """
        return self._run(self._steps.named(word))

    # -- objects ----------------------------------------------------------------------------------

    def get(self, ref: ObjectRef, *, timeout: float | None = None) -> Object:
        """Read one object. Raises ApiError with `missing` if it does not exist.

        `timeout` bounds the whole call in seconds: discovery, every attempt, and the pauses between attempts.
        """
        return self._run(self._steps.get(ref), timeout)

    def find(self, ref: ObjectRef, *, timeout: float | None = None) -> Object | None:
        """Read one object; None if it does not exist. `timeout` as for `get`."""
        return self._run(self._steps.find(ref), timeout)

    def list(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        """List objects in pages; each has its apiVersion and kind set, as in a read of a single object."""
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
        """Create an object; fails if it exists already."""
        return self._run(self._steps.create(obj, field_manager=field_manager, dry_run=dry_run))

    def patch(self, ref: ObjectRef, body: Any, *, kind: str = "merge", query: dict[str, Any] | None = None) -> Object:
        """Patch an object; `kind` is merge, json, strategic or apply."""
        return self._run(self._steps.patch(ref, body, kind=kind, query=query))

    def apply(self, obj: Object, *, field_manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Apply an object on the server: create it, or change the fields that `field_manager` owns."""
        return self._run(self._steps.apply(obj, field_manager=field_manager, force=force, dry_run=dry_run))

    def replace(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Replace an existing object as a whole; fields that `obj` lacks are removed."""
        return self._run(self._steps.replace(obj, field_manager=field_manager, dry_run=dry_run))

    def delete(self, ref: ObjectRef, *, propagation: str = "Foreground", uid: str | None = None) -> bool:
        """Request the deletion of an object; return False if it no longer exists.

        With `uid`, an object of the same name that was created in the meantime is not deleted.
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
        fields: str | None = None,
        seconds: int = 300,
    ) -> Iterator[Object]:
        """Yield watch events (`type`, `object`) that follow a resource version, for at most `seconds`.

        Raises:
            ApiError: status 410 if the version is too old; the caller then lists again.
        """
        scope = Scope(namespace or "", labels or "", fields or "")
        steps = self._steps.watch(api_version, kind, scope, resource_version=resource_version, seconds=seconds)
        yield from self._stream(self._run(steps))

    def _stream(self, request: Request) -> Iterator[Object]:
        for line in self.lines(request):
            yield self._peer.read_event(line, request.doing)

    def lines(self, request: Request) -> Iterator[bytes]:
        """Yield the lines of an answer as they arrive; `request.timeout` bounds the time between two lines.

        Raises:
            Unreachable: there was no answer, or it broke off.
            ApiError: the API server refused the request.
        """
        try:
            response = self._open(request, (request.timeout or 0) + 10.0)
        except _TROUBLES as error:
            raise self._peer.unreachable(request.doing, error) from None
        try:
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                body = self._body(response, time.monotonic() + self._timeout)
                self._peer.decode(request, _answer(response, body))
            buffer = b""
            for chunk in response.stream(_CHUNK, decode_content=True):
                *lines, buffer = (buffer + chunk).split(b"\n")
                yield from lines
                if len(buffer) > _LARGEST_LINE:
                    raise Late(f"a line of more than {_LARGEST_LINE // 2**20} MiB")
            if buffer:
                yield buffer
        except _TROUBLES as error:
            raise self._peer.broke_off(request.doing, error) from None
        finally:
            response.close()

    def follow(self, api_version: str, kind: str, scope: Scope, *, seconds: int = 300) -> Iterator[Event]:
        """Yield the existing objects as ADDED, then all changes without end: a watch that ends or breaks is resumed.

        Raises:
            Unreachable: the cluster no longer answers lists.
            ApiError: the API server refuses the request.
        """
        followed = Followed()
        strange = 0
        while True:
            yield from followed.listed(self._run(self._steps.whole(api_version, kind, scope)))
            try:
                while True:
                    version = followed.resource_version
                    steps = self._steps.watch(api_version, kind, scope, resource_version=version, seconds=seconds)
                    for raw in self._stream(self._run(steps)):
                        event = followed.happened(raw)
                        strange = 0
                        if event:
                            yield event
            except ApiError as error:  # broken off, or the version is too old: the next list shows what was missed
                strange += isinstance(error, NotTheApi)
                if error.status not in (0, HTTPStatus.GONE) or strange >= ATTEMPTS:
                    raise
                time.sleep(back_off(max(strange, 1)))


_POOL: dict[str, Connection] = {}
_POOL_LOCK = threading.Lock()


def connect(text: str, *, context: str | None = None, name: str = "cluster") -> Connection:
    """Return the connection to a kubeconfig's cluster. Equal kubeconfigs share one connection under several names."""
    key = hashlib.sha256(f"{context}\0{text}".encode()).hexdigest()
    with _POOL_LOCK:
        if key not in _POOL:
            document = kubeconfigs.select(kubeconfigs.load(text), context)
            _POOL[key] = Connection(document, name=name)
        shared = _POOL[key]
    return shared if shared.name == name else shared.called(name)


def _answer(response: urllib3.BaseHTTPResponse, body: bytes) -> Answer:
    headers = {key.lower(): value for key, value in response.headers.items()}
    return Answer(response.status, body, headers, str(response.reason or ""))


def _trouble(error: BaseException) -> Trouble:
    """Return what a failed attempt means for the next one.

    A request on a refused connection never reached the server, and a server that is starting soon accepts connections.
    If a connection breaks before the answer, the server may have carried out the request. A server that timed out once
    is expected to time out again.
    """
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return Trouble(unsent=True, passes=True)
    unsent = isinstance(error, urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.LocationValueError)
    unsent = unsent or "certificate verify failed" in str(error).lower()
    return Trouble(unsent, passes=isinstance(error, urllib3.exceptions.ProtocolError))
