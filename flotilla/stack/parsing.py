"""Parses sections of a stack file into models, and collects their problems."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from flotilla.stack.problems import Problem, problems_of

M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], raw: Any, path: str, problems: list[Problem]) -> M | None:
    """Return a section as a model; where it is invalid, add its problems at `path` and return None."""
    try:
        return model.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        problems += problems_of(error, raw, prefix=path, model=model)
        return None


def parse_list(model: type[M], raw: Any, path: str, problems: list[Problem]) -> list[tuple[int, M | None, str]]:
    """Return a section's entries: position, model (None where it is invalid) and name."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        problems.append(Problem(path, "must be a list", remedy="begin each entry with `- name: ...`"))
        return []
    parsed = []
    for index, entry in enumerate(raw):
        name = entry.get("name") if isinstance(entry, dict) else None
        parsed.append((index, parse(model, entry, f"{path}[{index}]", problems), str(name or "")))
    return parsed
