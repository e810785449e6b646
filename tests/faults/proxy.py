"""The proxy: TLS on loopback, one thread for each connection; it forwards requests unless a fault applies."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from tests.faults.authority import Upstream, kubeconfig_for_proxy, text_of, upstream_of
from tests.faults.model import Action, Entry, Fault, Schedule

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "upgrade"})
_HANDSHAKE_SECONDS = 10.0
_UPSTREAM_SECONDS = 330.0
_CHUNK = 65536
_BROKEN = (OSError, http.client.HTTPException, ValueError)


class FaultProxy:
    """A proxy before the API server of a kubeconfig. It is a context manager, or call `start` and `stop`."""

    def __init__(self, kubeconfig: str, folder: Path, *, seed: int = 0, name: str = "proxy") -> None:
        """Store the settings; `start` opens the port.

        Args:
            kubeconfig: text with one context, certificates inline or by absolute path. The proxy forwards the tokens of
                clients; if the kubeconfig has a client certificate, the proxy presents it for its own clients.
            folder: the folder for the proxy's certificates; created if it doesn't exist.
            seed: the seed of faults with a probability.
            name: the name of the proxy in `report`.
        """
        self.name, self.seed = name, seed
        self.log: list[Entry] = []
        self._document = yaml.safe_load(kubeconfig)
        self._folder = folder
        self._schedule = Schedule(seed)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._released = threading.Event()
        self._stopped = threading.Event()
        self._serving = threading.Event()
        self._silent = False

    # -- start and stop ---------------------------------------------------------------------------

    def start(self) -> Self:
        """Open the port and accept connections."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._upstream: Upstream = upstream_of(self._document, self._folder)
        with socket.socket() as probe:  # bound by number, the port stays reserved while the socket doesn't listen
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        changed, self._context = kubeconfig_for_proxy(self._document, self.port, self._folder)
        self.kubeconfig = text_of(changed)
        """The kubeconfig, as text, that connects through the proxy."""
        self.server = f"https://127.0.0.1:{self.port}"
        self.open_port()
        threading.Thread(target=self._accept, name=f"{self.name}-accept", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close every connection and the port."""
        self._stopped.set()
        self._serving.set()
        self._released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- faults -----------------------------------------------------------------------------------

    def fail(self, *faults: Fault) -> None:
        """Add faults; if several match a request, the first one applies."""
        for fault in faults:
            self._schedule.add(fault)

    def clear(self) -> None:
        """Remove all faults, open the port, and close the connections of requests that hang."""
        self._schedule.clear()
        self._release()
        self.open_port()

    def close_port(self) -> None:
        """Refuse new connections, and close open ones."""
        self._serving.clear()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.close_connections()

    def silence_port(self) -> None:
        """Accept connections without any answer, not even TLS, like a stopped process; close open ones."""
        self._silent = True
        self.close_connections()

    def open_port(self) -> None:
        """Serve again after `close_port` or `silence_port`."""
        if self._silent:
            self._silent = False
            self._release()
        if not self._serving.is_set():
            self._listener.listen(128)
            self._serving.set()

    def lead_to(self, kubeconfig: str) -> None:
        """Forward to another API server from now on, like an address whose cluster was rebuilt."""
        folder = self._folder / "next"
        folder.mkdir(exist_ok=True)
        self._upstream = upstream_of(yaml.safe_load(kubeconfig), folder)
        self.close_connections()

    def close_connections(self) -> None:
        """Close every open connection, streams included."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def report(self, last: int = 40) -> str:
        """Return a line for each of the last requests, for a failure message."""
        with self._lock:
            entries = self.log[-last:]
            left = len(self.log) - len(entries)
        lines = [f"{self.name} (seed {self.seed}):", *([f"  ... {left} before"] if left else [])]
        return "\n".join([*lines, *(f"  {entry}" for entry in entries)])

    # -- connections --------------------------------------------------------------------------------

    def _release(self) -> None:
        released, self._released = self._released, threading.Event()
        released.set()

    def _hang(self) -> None:
        self._released.wait()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            self._serving.wait()
            try:
                connection, address = self._listener.accept()
            except OSError:  # the port is closed
                self._stopped.wait(0.01)
                continue
            arguments = (connection, address)
            threading.Thread(target=self._serve, args=arguments, name=f"{self.name}-request", daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        with self._lock:
            self._open.add(connection)
        if self._stopped.is_set() or not self._serving.is_set():
            self._forget(connection)
            return
        try:
            if self._silent:
                self._hang()
                return
            connection.settimeout(_HANDSHAKE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.discard(connection)
            connection = self._context.wrap_socket(connection, server_side=True)
            with self._lock:
                self._open.add(connection)
            connection.settimeout(None)
            _Handler(connection, address, self)
        except _BROKEN:
            pass
        finally:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        with contextlib.suppress(OSError):
            connection.close()

    def _note(self, handler: _Handler, fault: Fault | None, status: int) -> None:
        agent = handler.headers.get("User-Agent", "")
        action, after = (fault.action, fault.after) if fault else (Action.PASS, False)
        with self._lock:
            number = len(self.log) + 1
            self.log.append(Entry(number, handler.command, handler.path, agent, action, after, status))

    def _garbage(self, length: int, path: str) -> bytes:
        """Return bytes that are neither JSON nor UTF-8."""
        block = hashlib.sha256(f"{self.seed} {path}".encode()).digest()
        return (b"\xff\xfe" + block * (length // len(block) + 1))[: max(length, 2)]


class _Handler(BaseHTTPRequestHandler):
    """The requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket, address: Any, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._known = isinstance(connection, ssl.SSLSocket) and bool(connection.getpeercert())
        self._lines: dict[bool, http.client.HTTPConnection] = {}
        super().__init__(connection, address, proxy)  # type: ignore[arg-type]

    def finish(self) -> None:
        for line in self._lines.values():
            line.close()
        with contextlib.suppress(*_BROKEN):
            super().finish()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class calls it so
        """Print nothing, because the proxy has its own log."""

    def do_GET(self) -> None:
        proxy = self._proxy
        content = self._content()
        fault = proxy._schedule.choose(self.command, self.path, self.headers.get("User-Agent", ""))
        if proxy._silent:
            proxy._hang()
            self.close_connection = True
            return
        action = fault.action if fault else Action.PASS
        if action is Action.DELAY and fault:
            proxy._stopped.wait(fault.seconds)
        if action in (Action.HANG, Action.DROP, Action.ANSWER) and fault:
            self._without_the_server(fault, content)
            return
        response = self._forward(content)
        proxy._note(self, fault, response.status)
        self._pass_on(response, action)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def _without_the_server(self, fault: Fault, content: bytes | None) -> None:
        if fault.after:
            self._forward(content).read()
        self._proxy._note(self, fault, fault.status)
        if fault.action is Action.ANSWER:
            self._answer(fault)
            return
        if fault.action is Action.HANG:
            self._proxy._hang()
        self.close_connection = True

    def _content(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        length = self.headers.get("Content-Length")
        return self.rfile.read(int(length)) if length is not None else None

    def _forward(self, content: bytes | None) -> http.client.HTTPResponse:
        presents = self._known and "Authorization" not in self.headers
        line = self._lines.get(presents)
        if line is None:
            line = self._lines[presents] = self._dial(presents)
        line.putrequest(self.command, self._path(), skip_host=True, skip_accept_encoding=True)
        for key, value in self.headers.items():
            if key.lower() not in _HOP_BY_HOP and key.lower() != "content-length":
                line.putheader(key, value)
        if content is not None:
            line.putheader("Content-Length", str(len(content)))
        line.endheaders(content)
        return line.getresponse()

    def _path(self) -> str:
        return urlsplit(self._proxy._upstream.server).path.rstrip("/") + self.path

    def _dial(self, presents: bool) -> http.client.HTTPConnection:
        upstream = self._proxy._upstream
        where = urlsplit(upstream.server)
        host = where.hostname or "127.0.0.1"
        context = upstream.presenting if presents else upstream.trusting
        if context is None:
            return http.client.HTTPConnection(host, where.port or 80, timeout=_UPSTREAM_SECONDS)
        return http.client.HTTPSConnection(host, where.port or 443, timeout=_UPSTREAM_SECONDS, context=context)

    def _answer(self, fault: Fault) -> None:
        self.send_response_only(fault.status)
        given = {key.lower() for key, _ in fault.headers}
        for key, value in fault.headers:
            self.send_header(key, value)
        if "content-type" not in given:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(fault.body)))
        self.end_headers()
        self.wfile.write(fault.body)

    def _pass_on(self, response: http.client.HTTPResponse, action: Action) -> None:
        length = response.getheader("Content-Length")
        self.send_response_only(response.status, response.reason)
        for key, value in response.getheaders():
            if key.lower() not in _HOP_BY_HOP and key.lower() != "content-length":
                self.send_header(key, value)
        if self.command == "HEAD" or response.status in (204, 304):
            self.end_headers()
            response.read()
        elif length is not None or action in (Action.HALF, Action.GARBLE):
            self._whole(response.read(), action)
        else:
            self._streamed(response, action)

    def _whole(self, body: bytes, action: Action) -> None:
        sent = body
        if action in (Action.HALF, Action.CUT):
            sent = body[: len(body) // 2]
        if action is Action.GARBLE:
            sent = self._proxy._garbage(len(body), self.path)
        self.send_header("Content-Length", str(len(body) if action is Action.CUT else len(sent)))
        self.end_headers()
        self.wfile.write(sent)
        if action is Action.CUT:
            self.close_connection = True

    def _streamed(self, response: http.client.HTTPResponse, action: Action) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        while part := response.read1(_CHUNK):
            if action is Action.CUT:
                part = part[: len(part) // 2]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" if part else b"")
            if action is Action.CUT:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")
