"""The tools of a workplace: describes them, calls them by name within limits, and writes the audit log."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flotilla.agent.audit import AuditLog
from flotilla.agent.bounds import MOST_CHARACTERS
from flotilla.agent.changing import Changing
from flotilla.agent.judging import Judging
from flotilla.agent.looking import Looking
from flotilla.agent.own_tools import own_tools
from flotilla.agent.simulating import Simulating
from flotilla.agent.tool import Answer, Refused, Tool
from flotilla.agent.workplace import Workplace
from flotilla.counts import first_of
from flotilla.errors import FlotillaError
from flotilla.kube.secrecy import redacted

MOST_ARGUMENTS = 400_000
"""The most characters that the arguments of a call may have as JSON."""
_MOST_PROBLEMS = 20
_SHOWN = 100
AUDIT_FILE = Path(".flotilla") / "audit.jsonl"
"""The default path of the audit log in a project."""


class Toolbox:
    """The tools of a workplace, by name."""

    def __init__(self, workplace: Workplace, *, audit: Path | None = None) -> None:
        """Create the tools of a workplace.

        Args:
            workplace: the stack, and whether it may be changed.
            audit: the audit log's file; by default `.flotilla/audit.jsonl` in the project.

        Raises:
            PluginError: a tool of a user or a package is not usable.
        """
        self.workplace = workplace
        self.audit = AuditLog(audit or workplace.project / AUDIT_FILE)
        parts = (Looking(workplace), Judging(workplace), Simulating(workplace), Changing(workplace))
        self.tools: dict[str, Tool] = {tool.name: tool for part in parts for tool in part.tools()}
        for tool in own_tools(workplace, set(self.tools)):
            self.tools[tool.name] = tool

    def schemas(self) -> list[dict[str, Any]]:
        """Return each tool as a function with JSON Schemas: name, description, input_schema, output_schema."""
        return [tool.schema() for tool in self.tools.values()]

    def call(self, name: str, arguments: dict[str, Any], *, caller: str = "") -> dict[str, Any]:
        """Call a tool.

        Args:
            name: the name of a tool in `schemas()`.
            arguments: the arguments; they must match the tool's input_schema.
            caller: the client, for the audit log.

        Raises:
            Refused: there is no such tool, the arguments are wrong, the digest is missing or not the plan's, or a
                policy refuses the plan; nothing was changed.
            FlotillaError: the tool failed; the message says what it was doing, and in which cluster.
        """
        began = time.monotonic()
        outcome, reason = "failed", "interrupted"
        try:
            answer = self._answer(name, arguments)
            outcome, reason = "done", ""
        except FlotillaError as error:
            outcome = "refused" if isinstance(error, Refused) else "failed"
            error.message = reason = redacted(error.message)
            raise
        else:
            return answer
        finally:
            self.audit.record(
                name, arguments, outcome=outcome, seconds=time.monotonic() - began, caller=caller, error=reason
            )

    def _answer(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        tool = self.tools.get(name)
        if tool is None:
            raise Refused(f"there is no tool {name!r}", hint=_missing(name, list(self.tools)))
        if len(json.dumps(arguments, default=str)) > MOST_ARGUMENTS:
            raise Refused(f"{name}: the arguments have more than {MOST_ARGUMENTS} characters", hint="ask for less")
        try:
            asked = tool.arguments.model_validate(arguments)
        except ValidationError as error:
            raise Refused(f"{name}: {_problems(error)}", hint="see the tool's input schema") from None
        answer: dict[str, Any] = _run(tool, asked).model_dump(mode="json")
        size = len(json.dumps(answer, ensure_ascii=False))
        if size > MOST_CHARACTERS:
            raise FlotillaError(
                f"{name}: the answer has {size} characters, more than {MOST_CHARACTERS}",
                hint="narrow the question, or give a smaller limit",
            )
        return answer


def _missing(name: str, known: list[str]) -> str:
    if name in ("apply", "move_workload", "scale_workload", "rollback"):
        return "changing tools are off: a person has to start the server with --allow-changes to enable them"
    return f"there are {', '.join(known)}"


def _run(tool: Tool, asked: Any) -> Answer:
    """Run a tool. A tool that changes nothing has a time limit: if it still runs then, it is no longer waited for.

    Raises:
        FlotillaError: the tool failed, or took too long.
    """
    if tool.changes:
        return _reported(tool, asked)
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(_reported(tool, asked))
        except BaseException as error:  # noqa: BLE001 - `future.result` raises it
            future.set_exception(error)

    threading.Thread(target=work, name=tool.name, daemon=True).start()
    try:
        return future.result(timeout=tool.seconds)
    except TimeoutError:
        raise FlotillaError(
            f"{tool.name} took more than {tool.seconds:.0f} s and was stopped; nothing was changed",
            hint="ask for less, or check with `flotilla status` whether a cluster does not answer",
        ) from None


def _reported(tool: Tool, asked: Any) -> Answer:
    """Run a tool. The text of an unexpected error goes to the operator's log, not to the agent."""
    try:
        return tool.run(asked)
    except FlotillaError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug in Flotilla: the operator gets the traceback
        traceback.print_exc(file=sys.stderr)
        raise FlotillaError(
            f"{tool.name} failed: unexpected {type(error).__name__}", hint="the server's log has the details"
        ) from None


def _problems(error: ValidationError) -> str:
    """Return what is wrong with arguments, without their values."""
    problems = []
    for entry in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in entry["loc"]) or "arguments"
        rule = _RULES.get(entry["type"], "does not match the input schema")
        problems.append(f"{where[:_SHOWN]}: {rule.format(**(entry.get('ctx') or {}))}")
    return "; ".join(first_of(problems, _MOST_PROBLEMS))


_RULES = {
    "missing": "is required",
    "extra_forbidden": "is not an argument of this tool",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be of kind {expected_tags}",
    "union_tag_not_found": "needs 'kind': move, scale or rollback",
}
