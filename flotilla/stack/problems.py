"""Problems of a stack file, reported so that its author can fix them: value, rule, consequence, remedy."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from flotilla.counts import counted
from flotilla.errors import FlotillaError
from flotilla.kube.yaml import escaped

_SHOWN = 60


class ConfigModel(BaseModel):
    """Base of all models of user input: no unknown keys, no changes after validation, camelCase keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


@dataclass(frozen=True, order=True)
class Problem:
    """One problem, at one key."""

    path: str
    """The key, such as `members[1].apiEndpoint`."""
    rule: str
    """The rule that the value violates."""
    consequence: str = ""
    """What would go wrong with the value."""
    remedy: str = ""
    """How to fix it."""
    value: str = ""
    """The value, as JSON; empty for secrets and for missing keys."""

    def __str__(self) -> str:
        seen = f"{self.value} — " if self.value else ""
        parts = [self.rule, self.consequence, self.remedy]
        return escaped(f"{self.path}: {seen}" + "; ".join(part for part in parts if part))


class ConfigError(FlotillaError):
    """A stack's fleet is invalid; `problems` has all of its problems."""

    def __init__(self, problems: list[Problem], *, origin: str = "the stack's configuration") -> None:
        """Sort and count the problems; `origin` is the file or the configuration that has them."""
        self.problems = sorted(set(problems))
        self.origin = origin
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{origin} has {counted(count, 'problem')}:\n{lines}")


def refuse(rule: str, *, consequence: str = "", remedy: str = "") -> PydanticCustomError:
    """Return the error that a validator raises; `problems_of` turns it into a Problem with its path and value."""
    context = {"rule": rule, "consequence": consequence, "remedy": remedy}
    return PydanticCustomError("rule", "{rule}", context)


def problems_of(error: ValidationError, raw: Any, *, prefix: str = "", model: type[BaseModel]) -> list[Problem]:
    """Turn pydantic's errors into problems, with the key's path and its value."""
    found = []
    for entry in error.errors(include_url=False, include_context=True, include_input=False):
        location = entry["loc"]
        path = path_of(prefix, location)
        context = entry.get("ctx") or {}
        kind = entry["type"]
        value = "" if _may_contain_secret(location, kind) else _shown(at(raw, location))
        if kind == "rule":
            problem = Problem(path, context["rule"], context["consequence"], context["remedy"], value)
        elif kind == "extra_forbidden":
            problem = _unknown_key(path, str(location[-1]), _model_at(model, location[:-1]))
        elif kind == "missing":
            problem = Problem(path, "is required", remedy="add it")
        else:
            problem = _wrong_form(path, kind, entry["msg"], value)
        found.append(problem)
    return found


def _wrong_form(path: str, kind: str, message: str, value: str) -> Problem:
    """Rephrase an error of pydantic's own types and bounds in Flotilla's terms."""
    rule = message.replace("Input should be", "must be").replace("String should", "must").replace("List should", "must")
    remedy = next((text for start, text in _REMEDIES.items() if kind.startswith(start)), "write it in this form")
    return Problem(path, rule[:1].lower() + rule[1:], "no plan could be made with it", remedy, value)


_REMEDIES = {
    "greater_than": "increase it",
    "less_than": "decrease it",
    "too_short": "add what is missing",
    "too_long": "shorten it",
    "enum": "write one of these",
    "literal": "write one of these",
}


def _unknown_key(path: str, key: str, owner: type[BaseModel] | None) -> Problem:
    known = [f.alias or name for name, f in owner.model_fields.items()] if owner else []
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    remedy = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}" if known else "remove it"
    return Problem(path, "is not a known key", "it would be ignored", remedy)


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Follow a location through nested models, lists and optional fields; return None where it leaves the models."""
    current: type[BaseModel] | None = model
    for step in location:
        if isinstance(step, int) or current is None:
            continue
        field = next((f for n, f in current.model_fields.items() if step in (f.alias, n)), None)
        current = _model_in(field.annotation) if field else None
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found:
            return found
    return None


def path_of(prefix: str, location: tuple[int | str, ...]) -> str:
    """Return the key of a place within a section, such as `members[1].apiEndpoint`."""
    path = prefix
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def at(raw: Any, location: tuple[int | str, ...]) -> Any:
    """Return the value at a place in a document; None where there is none."""
    for step in location:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _may_contain_secret(location: tuple[int | str, ...], kind: str) -> bool:
    """Return whether a value may be secret: a secret key's, an unknown key's (a misspelled `inline`), or a patch's."""
    last = str(location[-1]) if location else ""
    within_secret = "secrets" in location and ("stringData" in location or "data" in location)
    patched = last == "value" and "patches" in location
    return kind == "extra_forbidden" or last in ("inline", "key") or patched or within_secret


def _shown(value: Any) -> str:
    """Return a scalar as text, anything else as an empty text: an object may contain a secret; its path is shown."""
    if not isinstance(value, str | int | float | bool):
        return ""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
