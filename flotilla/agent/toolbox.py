"""All tools of a workplace: described, called by name, checked, bounded and written to the audit log."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flotilla.agent.audit import AuditLog
from flotilla.agent.bounds import MOST_CHARACTERS
from flotilla.agent.changing import Changing
from flotilla.agent.judging import Judging
from flotilla.agent.looking import Looking
from flotilla.agent.tool import Refused, Tool
from flotilla.agent.workplace import Workplace
from flotilla.errors import FlotillaError
from flotilla.kube.secrecy import redacted

AUDIT_FILE = Path(".flotilla") / "audit.jsonl"
"""The audit log's place in a project, by default."""


class Toolbox:
    """The tools."""

    def __init__(self, workplace: Workplace, *, audit: Path | None = None) -> None:
        """Make the tools of a workplace.

        Args:
            workplace: the stack, and whether it may be changed.
            audit: the audit log's file; by default `.flotilla/audit.jsonl` in the project.
        """
        self.workplace = workplace
        self.audit = AuditLog(audit or workplace.project / AUDIT_FILE)
        parts = (Looking(workplace), Judging(workplace), Changing(workplace))
        self.tools: dict[str, Tool] = {tool.name: tool for part in parts for tool in part.tools()}

    def schemas(self) -> list[dict[str, Any]]:
        """Return every tool as a JSON-schema function: name, description, input_schema, output_schema."""
        return [tool.schema() for tool in self.tools.values()]

    def call(self, name: str, arguments: dict[str, Any], *, caller: str = "") -> dict[str, Any]:
        """Call a tool.

        Args:
            name: one of `schemas()`.
            arguments: as its input_schema says.
            caller: who asks, for the audit log.

        Raises:
            Refused: no such tool, wrong arguments, no or another digest, a policy: nothing was changed.
            FlotillaError: it failed; the message says what was being done, and to which cluster.
        """
        began = time.monotonic()
        outcome, told = "failed", "broken off"
        try:
            answer = self._answer(name, arguments)
            outcome, told = "done", ""
        except Refused as error:
            outcome, told = "refused", redacted(error.message)
            error.message = told
            raise
        except FlotillaError as error:
            error.message = told = redacted(error.message)
            raise
        else:
            return answer
        finally:
            self.audit.record(
                name, arguments, outcome=outcome, seconds=time.monotonic() - began, caller=caller, error=told
            )

    def _answer(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        tool = self.tools.get(name)
        if tool is None:
            raise Refused(f"there is no tool {name!r}", hint=_missing(name, list(self.tools)))
        try:
            asked = tool.arguments.model_validate(arguments)
        except ValidationError as error:
            raise Refused(f"{name}: {_problems(error)}", hint="see the tool's input schema") from None
        answer: dict[str, Any] = tool.run(asked).model_dump(mode="json")
        size = len(json.dumps(answer, ensure_ascii=False))
        if size > MOST_CHARACTERS:
            raise FlotillaError(
                f"{name}: the answer has {size} characters, more than {MOST_CHARACTERS}",
                hint="narrow the question, or give a smaller limit",
            )
        return answer


def _missing(name: str, known: list[str]) -> str:
    if name in ("apply", "move_workload", "scale_workload"):
        return "changing tools are off: a person starts the server with --allow-changes to enable them"
    return f"there are {', '.join(known)}"


def _problems(error: ValidationError) -> str:
    """Say what is wrong with arguments, without repeating their values."""
    told = [f"{'.'.join(str(part) for part in e['loc']) or 'arguments'}: {e['msg']}" for e in error.errors()]
    return "; ".join(told)
