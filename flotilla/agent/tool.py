"""What a tool is, whatever serves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from flotilla.errors import FlotillaError


class Refused(FlotillaError):
    """A call that isn't carried out: nothing was changed."""


class Arguments(BaseModel):
    """A tool's arguments. Unknown ones are refused: a model that misspells a name must get an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PagedArguments(Arguments):
    """Arguments of a tool whose answer is a list."""

    limit: int = Field(default=20, ge=1, le=100, description="How many entries to return at most.")
    cursor: str = Field(
        default="", description="Where to go on: the next_cursor of the answer before. Empty for the beginning."
    )


class Answer(BaseModel):
    """A tool's answer."""

    model_config = ConfigDict(frozen=True)


class PagedAnswer(Answer):
    """A part of a list."""

    total: int = Field(description="How many entries there are in all.")
    next_cursor: str = Field(default="", description="Give it as cursor to get the rest; empty if this is the end.")


@dataclass(frozen=True)
class Tool:
    """One verb."""

    name: str
    title: str
    description: str
    """Written for a model: when to use it, what comes back, what to call next."""
    arguments: type[Arguments]
    answer: type[Answer]
    run: Callable[[Any], Answer]
    changes: bool = False
    """It changes the fleet; off unless it is enabled."""
    seconds: float = 60.0
    """How long a call that changes nothing may take; one that changes something is never left half-done."""

    def schema(self) -> dict[str, Any]:
        """Return the function's description in JSON Schema, as agent frameworks take it."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": self.arguments.model_json_schema(),
            "output_schema": self.answer.model_json_schema(mode="serialization"),
        }
