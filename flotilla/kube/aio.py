"""The connection for asyncio: the same requests, errors and rules as `flotilla.kube.connection`, sent by aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Self, TypeVar

import aiohttp
from kubernetes.aio.config import ConfigException, new_client_from_config_dict

from flotilla.errors import ClusterError
from flotilla.kube import children, plugins
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
    Request,
    Resource,
    back_off,
    no_credentials,
    pause_for,
    token_of,
)

T = TypeVar("T")
_LARGEST_EVENT = 2**23


class AsyncConnection(Endpoint):
    """A cluster's API server, for the event loop that opened it. Close it, or use it with `async with`."""

    def __init__(self, document: Object, *, name: str, concurrency: int = 16, timeout: float = 30.0) -> None:
        """Prepare a connection; nothing is sent yet.

        Args:
            document: a kubeconfig narrowed to one context (`flotilla.kube.kubeconfig.select`).
            name: what errors call the cluster.
            concurrency: requests in flight at once.
            timeout: seconds that one request may take.
        """
        super().__init__(name, kubeconfigs.server(document))
        self._document = document
        self._timeout = timeout
        self._concurrency = concurrency
        self._shared = _Session()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its sockets, and those of connections made with `below`."""
        await self._shared.close()

    # -- requests ---------------------------------------------------------------------------------

    async def request(self, request: Request) -> Any:
        """Send one request and return the decoded JSON answer, or its text.

        Raises:
            Unreachable: no answer in time.
            ApiError: the API server refused.
        """
        session = await self._shared.opened(self._document, self.name, self._concurrency)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._open(session, request, request.timeout or self._timeout) as response:
                    content = await response.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                if attempt < ATTEMPTS and _may_resend(request.method, error):
                    await asyncio.sleep(back_off(attempt))
                    continue
                raise self._peer.unreachable(request.doing, error) from None
            self.traffic.count(received_bytes=len(content))
            pause = pause_for(response.status, response.headers.get("Retry-After"), attempt)
            if pause is None:
                break
            await asyncio.sleep(pause)
        return self._peer.decode(request, response.status, content.decode("utf-8", "replace"), str(response.reason))

    def _open(self, session: _Session, request: Request, seconds: float) -> Any:
        self.traffic.count(requests=1)
        token = token_of(self._document)
        return session.http.request(
            request.method,
            request.url(session.host.rstrip("/") + self._base),
            data=request.content(),
            headers={**request.headers(), **({"authorization": f"Bearer {token}"} if token else session.credentials)},
            timeout=aiohttp.ClientTimeout(connect=min(seconds, CONNECT_SECONDS), sock_read=seconds),
            allow_redirects=False,
            proxy=session.proxy,
            server_hostname=session.server_name,
        )

    async def _run(self, steps: Steps[T]) -> T:
        """Send what the steps ask for, until they are done."""
        try:
            request = next(steps)
            while True:
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
        """Find how a kind is reached. Raises KindNotServed."""
        return await self._run(self._steps.resource(api_version, kind))

    async def get(self, ref: ObjectRef) -> Object:
        """Read one object. Raises ApiError with `missing` where it isn't there."""
        return await self._run(self._steps.get(ref))

    async def find(self, ref: ObjectRef) -> Object | None:
        """Read one object; None where it isn't there."""
        return await self._run(self._steps.find(ref))

    async def list(
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
        """Create an object; fails where it exists."""
        return await self._run(self._steps.create(obj, field_manager=field_manager, dry_run=dry_run))

    async def patch(
        self, ref: ObjectRef, body: Any, *, kind: str = "merge", query: dict[str, Any] | None = None
    ) -> Object:
        """Patch an object; `kind` is merge, json, strategic or apply."""
        return await self._run(self._steps.patch(ref, body, kind=kind, query=query))

    async def apply(self, obj: Object, *, field_manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply: creates the object, or changes the fields that `field_manager` owns."""
        return await self._run(self._steps.apply(obj, field_manager=field_manager, force=force, dry_run=dry_run))

    async def delete(self, ref: ObjectRef, *, propagation: str = "Foreground", uid: str | None = None) -> bool:
        """Ask for an object's deletion; False where it was gone already."""
        return await self._run(self._steps.delete(ref, propagation=propagation, uid=uid))

    async def follow(self, api_version: str, kind: str, scope: Scope, *, seconds: int = 300) -> AsyncIterator[Event]:
        """Yield what is there as ADDED, then what happens, without end: a watch that ends or breaks is resumed."""
        followed = Followed()
        while True:
            for event in followed.listed(await self._run(self._steps.whole(api_version, kind, scope))):
                yield event
            try:
                while True:
                    version = followed.resource_version
                    steps = self._steps.watch(api_version, kind, scope, resource_version=version, seconds=seconds)
                    async for raw in self._stream(await self._run(steps)):
                        happened = followed.happened(raw)
                        if happened:
                            yield happened
            except ApiError as error:  # broken off, or the version too old: the next list tells what was missed
                if error.status not in (0, HTTPStatus.GONE):
                    raise
                await asyncio.sleep(back_off(1))

    async def _stream(self, request: Request) -> AsyncIterator[Object]:
        session = await self._shared.opened(self._document, self.name, self._concurrency)
        try:
            async with self._open(session, request, (request.timeout or 0) + 10.0) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    self._peer.decode(request, response.status, await response.text())
                async for line in response.content:
                    yield self._peer.read_event(line, request.doing)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._peer.broke_off(request.doing, error) from None


class _Session:
    """What the event loop holds open; made at the first request, for only there is a loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._open: aiohttp.ClientSession | None = None
        self.host = ""
        self.proxy: str | None = None
        self.server_name: str | None = None
        self.credentials: dict[str, str] = {}
        self._settings: Any = None

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._open is None:
            raise RuntimeError("the connection is not open")
        return self._open

    async def opened(self, document: Object, name: str, concurrency: int) -> Self:
        async with self._lock:
            if self._open is None:
                await self._make(document, name, concurrency)
            settings = await self._settings.auth_settings()  # runs what renews credentials
            self.credentials = {s["key"]: s["value"] for s in settings.values() if s["in"] == "header" and s["value"]}
        return self

    async def _make(self, document: Object, name: str, concurrency: int) -> None:
        plain = children.without_secrets(kubeconfigs.without_token_file(document))
        try:
            with plugins.complaints() as complaints:
                client = await new_client_from_config_dict(plain)
        except ConfigException as error:
            raise ClusterError(f"{name}: the kubeconfig can't be used: {plugin_text(str(error))}") from None
        if complaints:
            raise no_credentials(name, complaints)
        self._settings = client.configuration
        self.host = client.configuration.host
        self.proxy = client.configuration.proxy
        self.server_name = client.configuration.tls_server_name
        self._open = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency, ssl=client.rest_client.ssl_context),
            read_bufsize=_LARGEST_EVENT,
        )

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None


def _may_resend(method: str, error: BaseException) -> bool:
    """Tell whether sending again can't do a thing twice, as for the blocking connection."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return False
    if isinstance(error, aiohttp.ClientConnectorError):
        return True
    return method != "POST" and isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
