"""The connection for asyncio: the same requests, errors and rules as `flotilla.kube.connection`, sent by aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from kubernetes.aio.config import new_client_from_config_dict

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.answers import Answer
from flotilla.kube.credentials import Credentials
from flotilla.kube.endpoint import Endpoint
from flotilla.kube.following import Event, Followed
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.operations import Page, Scope, Steps
from flotilla.kube.sending import Late, Sending, Trouble, bounded
from flotilla.kube.transport import CLIENT_LOCK, check_values, unusable
from flotilla.kube.wire import (
    ANSWER_SECONDS,
    ATTEMPTS,
    CONNECT_SECONDS,
    ApiError,
    NotTheApi,
    Request,
    Resource,
    back_off,
)

T = TypeVar("T")
_LARGEST_EVENT = 2**23
# The errors of aiohttp and of the layers below it. aiohttp raises ValueError for a line that is too long, and for
# values that can't be sent.
_TROUBLES = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError, Late)


class AsyncConnection(Endpoint):
    """A cluster's API server, for the event loop that opened it. Close it, or use it with `async with`."""

    def __init__(self, document: Object, *, name: str, concurrency: int = 16, timeout: float = ANSWER_SECONDS) -> None:
        """Prepare a connection without sending a request, reading a file or running a plugin.

        Args:
            document: a kubeconfig narrowed to one context (`flotilla.kube.kubeconfig.select`).
            name: the cluster's name in errors.
            concurrency: the maximum number of requests in flight.
            timeout: seconds that one attempt may take; for the bound on a request see docs/reference/time-bounds.md.
        """
        super().__init__(name, kubeconfigs.server(document))
        self._timeout = timeout
        self._shared = _Session(document, name, concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the sockets, which connections made with `below` share."""
        await self._shared.close()

    # -- requests ---------------------------------------------------------------------------------

    async def request(self, request: Request) -> Any:
        """Send one request and return the decoded JSON answer, or its text.

        Raises:
            Unreachable: there was no answer in time.
            ApiError: the API server refused the request.
        """
        sending = Sending(self._peer, request, self._timeout)
        while True:
            try:
                async with self._slot(request, sending):
                    answer = await self._exchange(request, sending.begin())
            except _TROUBLES as error:
                pause = sending.failed(error, _trouble(error))
            else:
                pause_or_none = sending.answered(answer, renewable=self._shared.renewable)
                if pause_or_none is None:
                    return sending.value
                pause = pause_or_none
                if sending.renews_credentials:
                    sending.renews_credentials = False
                    await self._shared.renew()
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _slot(self, request: Request, sending: Sending) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._shared.slots.acquire(), sending.left)
        except TimeoutError:
            raise self._peer.busy(request.doing, sending.seconds) from None
        try:
            yield
        finally:
            self._shared.slots.release()

    async def _exchange(self, request: Request, seconds: float) -> Answer:
        session = await self._shared.opened(self.name)
        async with asyncio.timeout(seconds), self._open(session, request, seconds) as response:
            return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            bounded(size)
        self.traffic.count(received_bytes=size)
        headers = {key.lower(): value for key, value in response.headers.items()}
        return Answer(response.status, b"".join(parts), headers, str(response.reason or ""))

    def _open(self, session: _Session, request: Request, seconds: float) -> Any:
        self.traffic.count(requests=1)
        return session.http.request(
            request.method,
            request.url(session.host.rstrip("/") + self._base),
            data=request.content(),
            headers={**request.headers(), **session.credentials},
            timeout=aiohttp.ClientTimeout(sock_connect=min(seconds, CONNECT_SECONDS), sock_read=seconds, total=None),
            allow_redirects=False,
            proxy=session.proxy,
            server_hostname=session.server_name,
        )

    async def _run(self, steps: Steps[T], timeout: float | None = None) -> T:  # noqa: ASYNC109 - it bounds each request
        """Send the requests that the steps yield until they end; `timeout` bounds all of them together, in seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (timeout or 0)
        try:
            request = next(steps)
            while True:
                if timeout:
                    request = replace(request, timeout=max(end - loop.time(), 0.001))
                try:
                    answer = await self.request(request)
                except ApiError as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    # -- objects: as in `flotilla.kube.connection.Connection` ---------------------------------------

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Return the resource (path and scope) of a kind. Raises KindNotServed."""
        return await self._run(self._steps.resource(api_version, kind))

    async def get(self, ref: ObjectRef, *, timeout: float | None = None) -> Object:  # noqa: ASYNC109 - as the blocking one
        """Read one object. Raises ApiError with `missing` if it does not exist. `timeout` bounds the whole call."""
        return await self._run(self._steps.get(ref), timeout)

    async def find(self, ref: ObjectRef, *, timeout: float | None = None) -> Object | None:  # noqa: ASYNC109
        """Read one object; None if it does not exist. `timeout` bounds the whole call."""
        return await self._run(self._steps.find(ref), timeout)

    async def list(
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
        return (await self._run(self._steps.whole(api_version, kind, scope))).items

    async def pages(
        self, api_version: str, kind: str, scope: Scope, *, limit: int | None = None
    ) -> AsyncIterator[Page]:
        """Yield a list page by page, `limit` objects each."""
        more = ""
        while True:
            page = await self._run(self._steps.page(api_version, kind, scope, more=more, limit=limit))
            yield page
            more = page.more
            if not more:
                return

    async def create(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Create an object; fails if it exists already."""
        return await self._run(self._steps.create(obj, field_manager=field_manager, dry_run=dry_run))

    async def patch(
        self, ref: ObjectRef, body: Any, *, kind: str = "merge", query: dict[str, Any] | None = None
    ) -> Object:
        """Patch an object; `kind` is merge, json, strategic or apply."""
        return await self._run(self._steps.patch(ref, body, kind=kind, query=query))

    async def apply(self, obj: Object, *, field_manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Apply an object on the server: create it, or change the fields that `field_manager` owns."""
        return await self._run(self._steps.apply(obj, field_manager=field_manager, force=force, dry_run=dry_run))

    async def replace(self, obj: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        """Replace an existing object as a whole; fields that `obj` lacks are removed."""
        return await self._run(self._steps.replace(obj, field_manager=field_manager, dry_run=dry_run))

    async def delete(self, ref: ObjectRef, *, propagation: str = "Foreground", uid: str | None = None) -> bool:
        """Request the deletion of an object; return False if it no longer exists."""
        return await self._run(self._steps.delete(ref, propagation=propagation, uid=uid))

    async def follow(self, api_version: str, kind: str, scope: Scope, *, seconds: int = 300) -> AsyncIterator[Event]:
        """Yield the existing objects as ADDED, then all changes without end: a watch that ends or breaks is resumed."""
        followed = Followed()
        strange = 0
        while True:
            for event in followed.listed(await self._run(self._steps.whole(api_version, kind, scope))):
                yield event
            try:
                while True:
                    version = followed.resource_version
                    steps = self._steps.watch(api_version, kind, scope, resource_version=version, seconds=seconds)
                    async for raw in self._stream(await self._run(steps)):
                        happened = followed.happened(raw)
                        strange = 0
                        if happened:
                            yield happened
            except ApiError as error:  # broken off, or the version is too old: the next list shows what was missed
                strange += isinstance(error, NotTheApi)
                if error.status not in (0, HTTPStatus.GONE) or strange >= ATTEMPTS:
                    raise
                await asyncio.sleep(back_off(max(strange, 1)))

    async def _stream(self, request: Request) -> AsyncIterator[Object]:
        session = await self._shared.opened(self.name)
        try:
            async with self._open(session, request, (request.timeout or 0) + 10.0) as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    async with asyncio.timeout(self._timeout):
                        self._peer.decode(request, await self._read(response))
                async for line in response.content:
                    yield self._peer.read_event(line, request.doing)
        except _TROUBLES as error:
            raise self._peer.broke_off(request.doing, error) from None


class _Session:
    """The client session of the event loop, opened at the first request, because only then is a loop certain to run."""

    def __init__(self, document: Object, name: str, concurrency: int) -> None:
        self._document = document
        self._credentials = Credentials(document, name)
        self._concurrency = concurrency
        self._lock = asyncio.Lock()
        self._open: aiohttp.ClientSession | None = None
        self._settings: Any = None
        self.slots = asyncio.Semaphore(concurrency)
        self.host = ""
        self.proxy: str | None = None
        self.server_name: str | None = None
        self.credentials: dict[str, str] = {}

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._open is None:
            raise RuntimeError("the connection is not open")
        return self._open

    @property
    def renewable(self) -> bool:
        return self._credentials.runs_a_plugin

    async def renew(self) -> None:
        async with self._lock:
            if self._credentials.renewed():
                await self.close()

    async def opened(self, name: str) -> Self:
        async with self._lock:
            if self._open is None:
                await self._make(name)
            own = await self._in_thread(self._credentials.headers)
            self.credentials = await self._provider_headers(name) if own is None else own
        return self

    async def _make(self, name: str) -> None:
        plain = await self._in_thread(self._credentials.plain)
        check_values(plain, name)
        try:
            with CLIENT_LOCK:
                client = await new_client_from_config_dict(plain)
            self._settings = client.configuration
            self.host = client.configuration.host
            self.proxy = client.configuration.proxy
            self.server_name = client.configuration.tls_server_name
            self._open = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency, ssl=client.rest_client.ssl_context),
                read_bufsize=_LARGEST_EVENT,
            )
        except Exception as error:  # noqa: BLE001 - the package raises errors of any type for unexpected values
            raise unusable(name, error) from None

    async def _provider_headers(self, name: str) -> dict[str, str]:
        try:
            settings = await self._settings.auth_settings()  # may renew an auth provider's token
        except Exception as error:  # noqa: BLE001 - any error of a credentials provider becomes this cluster's error
            raise unusable(name, error) from None
        return {s["key"]: s["value"] for s in settings.values() if s["in"] == "header" and s["value"]}

    async def _in_thread(self, ask: Callable[[], T]) -> T:
        """Call a function that may run a plugin for seconds, without blocking the event loop."""
        return await asyncio.to_thread(ask) if self._credentials.runs_a_plugin else ask()

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None


def _trouble(error: BaseException) -> Trouble:
    """Return what a failed attempt means for the next one, by the rules of the blocking connection."""
    if isinstance(
        error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | aiohttp.InvalidURL
    ):
        return Trouble(unsent=True, passes=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Trouble(unsent=True, passes=True)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Trouble(unsent=True, passes=False)
    broken = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)
    return Trouble(unsent=False, passes=isinstance(error, broken))
