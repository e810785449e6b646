"""Serves the toolbox over the Model Context Protocol (MCP) with its SDK: on standard input and output, or over HTTP."""

from __future__ import annotations

import hmac
import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from flotilla import __version__
from flotilla.agent.tool import Tool
from flotilla.agent.toolbox import Toolbox
from flotilla.errors import FlotillaError

_INSTRUCTIONS = """Flotilla manages a fleet of Kubernetes clusters, joined by Karmada, from one declarative stack file.
Read the fleet first (list_clusters, list_workloads, describe_workload, check_drift). To change something, call
preview_change, read the plan, and give its digest to the changing tool. Lists are paged: give next_cursor as cursor for
the rest."""

_MOST_OF_AN_ERROR = 4_000

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


def build_server(toolbox: Toolbox) -> Server[Any]:
    """Return an MCP server with the toolbox's tools."""

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in toolbox.tools.values()])

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        call = partial(toolbox.call, params.name, params.arguments or {}, caller=_caller(context))
        try:
            answer = await anyio.to_thread.run_sync(call)
        except FlotillaError as error:
            return _failed(str(error))
        except Exception as error:  # noqa: BLE001 - a bug in Flotilla: the agent gets one line, the operator the traceback
            traceback.print_exc(file=sys.stderr)
            return _failed(f"{params.name} failed: {type(error).__name__}; the server's log has the details")
        text = json.dumps(answer, ensure_ascii=False)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)], structured_content=answer, is_error=False
        )

    return Server(
        "flotilla",
        version=__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def serve_stdio(toolbox: Toolbox) -> None:
    """Serve one client on standard input and output, until it closes them."""

    async def run() -> None:
        server = build_server(toolbox)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def serve_http(toolbox: Toolbox, *, host: str, port: int, token: str) -> None:
    """Serve clients over streamable HTTP at /mcp, until the process is ended.

    Args:
        toolbox: the tools.
        host: the address to listen on.
        port: the port; 0 for a free one, which is printed to standard error.
        token: the bearer token that every request must have.
    """
    app = build_server(toolbox).streamable_http_app(
        host=host, transport_security=None if host == "127.0.0.1" else _open_to_others()
    )
    config = uvicorn.Config(guarded(app, token), host=host, port=port, log_level="warning", lifespan="on")
    _Announcing(config).run()


class _Announcing(uvicorn.Server):
    """A server that prints its address to standard error when it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                sys.stderr.write(f"serving MCP at http://{host}:{port}/mcp\n")
                sys.stderr.flush()


def guarded(app: App, token: str) -> App:
    """Return an app that passes on only requests with the token (RFC 6750); all others get 401 and nothing else."""
    expected = f"Bearer {token}".encode()

    async def guard(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            if not hmac.compare_digest(given, expected):
                await _unauthorized(send)
                return
        await app(scope, receive, send)

    return guard


async def _unauthorized(send: Any) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"www-authenticate", b'Bearer realm="flotilla"')]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": b"give the server's token as a bearer token\n"})


def _open_to_others() -> TransportSecuritySettings:
    """Return the settings for an address other than loopback.

    The host names of requests are not checked, because they can't be known; the token protects the server.
    """
    return TransportSecuritySettings(enable_dns_rebinding_protection=False)


def _described(tool: Tool) -> types.Tool:
    schema = tool.schema()
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=schema["input_schema"],
        output_schema=schema["output_schema"],
        annotations=types.ToolAnnotations(read_only_hint=not tool.changes, destructive_hint=tool.changes),
    )


def _failed(text: str) -> types.CallToolResult:
    if len(text) > _MOST_OF_AN_ERROR:
        text = f"{text[:_MOST_OF_AN_ERROR]}… ({len(text)} characters in all)"
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)


def _caller(context: Any) -> str:
    """Return the client's name and version; empty if it gives none."""
    params = getattr(getattr(context, "session", None), "client_params", None)
    info = getattr(params, "client_info", None)
    return f"{info.name} {info.version}".strip() if info else ""
