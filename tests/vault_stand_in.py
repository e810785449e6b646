"""A local key service with the part of Vault's transit engine that Pulumi's `hashivault://` provider uses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MARK = "vault:v1:"


class _Transit(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "/transit/encrypt/" in self.path:
            data = {"ciphertext": _MARK + body["plaintext"][::-1]}
        else:
            data = {"plaintext": body["ciphertext"].removeprefix(_MARK)[::-1]}
        answer = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class calls it so
        pass


@contextmanager
def vault() -> Iterator[dict[str, str]]:
    """Run the service during the block; yield the environment with which Pulumi's CLI finds it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Transit)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {"VAULT_SERVER_URL": f"http://127.0.0.1:{server.server_port}", "VAULT_SERVER_TOKEN": "token"}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
