"""The verb `mcp`: serves the tools for AI agents."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.output import Output
from flotilla.cli.setting import setting_of
from flotilla.cli.stack_options import engine_options, stack_options, whole_number
from flotilla.cli.verbs import HELP
from flotilla.counts import counted
from flotilla.errors import FlotillaError

_TOKEN = "FLOTILLA_MCP_TOKEN"  # noqa: S105 - the variable's name
_LOOPBACK = "127.0.0.1"
_SHORTEST_TOKEN = 16


def add_verbs(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command's parser."""
    mcp = verbs.add_parser("mcp", parents=[common, stack_options(), engine_options()], help=HELP["mcp"])
    mcp.add_argument(
        "--http", action="store_true", help="serve over streamable HTTP instead of standard input and output"
    )
    mcp.add_argument("--host", default=_LOOPBACK, help=f"with --http: the address to listen on (default {_LOOPBACK})")
    mcp.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=8931,
        help="with --http: the port (default 8931; 0 for a free one)",
    )
    mcp.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"with --http: the file with the token (default: {_TOKEN}, else a new token is printed)",
    )
    mcp.add_argument(
        "--allow-changes", action="store_true", help="also serve apply, move_workload, scale_workload and rollback"
    )
    mcp.add_argument(
        "--allow-guarded",
        action="store_true",
        help="with --allow-changes: agents may confirm a plan that only guards refuse, by its digest",
    )
    mcp.add_argument(
        "--audit", type=Path, metavar="FILE", help="the file of the audit log (default .flotilla/audit.jsonl)"
    )
    mcp.add_argument("--schemas", action="store_true", help="print the tools as functions with JSON Schemas, and exit")
    mcp.set_defaults(verb=_mcp)


def _mcp(options: argparse.Namespace) -> ExitCode:
    from flotilla.agent import Toolbox, Workplace  # the SDK takes a while to load

    setting = setting_of(options)
    workplace = Workplace(
        setting.project,
        options.stack,
        options.engine,
        allow_changes=options.allow_changes,
        allow_guarded=options.allow_guarded and options.allow_changes,
    )
    toolbox = Toolbox(workplace, audit=options.audit)
    if options.schemas:
        Output(as_json=True).json({"tools": toolbox.schemas()})
        return ExitCode.DONE
    if not setting.stack_file.exists():
        raise FlotillaError(f"there is no stack file {setting.stack_file}", hint="name a stack with --stack")
    from flotilla.agent.server import serve_http, serve_stdio

    if options.http:
        serve_http(toolbox, host=options.host, port=options.port, token=_token(options))
    else:
        serve_stdio(toolbox)
    return ExitCode.DONE


def _token(options: argparse.Namespace) -> str:
    """Return the token; if it is a new one, print it once to standard error."""
    if options.token_file is not None:
        try:
            token = str(options.token_file.read_text()).strip()
        except OSError as error:
            raise FlotillaError(f"--token-file {options.token_file} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise FlotillaError(f"--token-file {options.token_file} can't be read: it is not text") from None
    else:
        token = os.environ.get(_TOKEN, "").strip()
    if token and len(token) < _SHORTEST_TOKEN:
        raise FlotillaError(
            f"the token has {counted(len(token), 'character')}; it must have at least {_SHORTEST_TOKEN}, or it can be "
            "guessed",
            hint="create one: openssl rand -hex 32",
        )
    if not token:
        if options.host != _LOOPBACK:
            raise FlotillaError(
                f"--host {options.host} is not the loopback address, so clients need a token, and none is set",
                hint=f"give --token-file or {_TOKEN}",
            )
        token = secrets.token_urlsafe(32)
        sys.stderr.write(f"token for this run: {token}\n")
    return token
