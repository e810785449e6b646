"""The base classes of tools, their arguments and their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from flotilla.errors import FlotillaError


class Refused(FlotillaError):
    """A call that was refused: nothing was changed."""


class Arguments(BaseModel):
    """A tool's arguments. Unknown names are refused, so that an agent that misspells a name gets an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PagedArguments(Arguments):
    """Arguments of a tool whose answer is a list."""

    limit: int = Field(default=20, ge=1, le=100, description="The most entries to return.")
    cursor: str = Field(
        default="", description="Where to continue: the next_cursor of the previous answer. Empty for the beginning."
    )


class Answer(BaseModel):
    """A tool's answer."""

    model_config = ConfigDict(frozen=True)


class PagedAnswer(Answer):
    """A part of a list."""

    total: int = Field(description="The number of all entries.")
    next_cursor: str = Field(default="", description="Give it as cursor to get the rest; empty at the end.")


@dataclass(frozen=True)
class Tool:
    """One tool."""

    name: str
    title: str
    description: str
    """For the agent: when to use the tool, what it returns, what to call next."""
    arguments: type[Arguments]
    answer: type[Answer]
    run: Callable[[Any], Answer]
    changes: bool = False
    """The tool changes the fleet; such tools are only available with `allow_changes`."""
    seconds: float = 60.0
    """The time limit of a call that changes nothing. Calls that change something have none: they must end by
    themselves."""

    def schema(self) -> dict[str, Any]:
        """Return the description of the tool as a function with JSON Schemas, for agent frameworks."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": self.arguments.model_json_schema(),
            "output_schema": self.answer.model_json_schema(mode="serialization"),
        }
