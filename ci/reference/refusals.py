"""Reads from the source what the models' validators refuse: each call of `refuse` has rule, consequence and remedy."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import AfterValidator, BaseModel

from ci.reference.sections import LISTED_AS
from flotilla.stack.fleet import Fleet

_UNNAMED = "…"
_EMPTY = re.compile(r"(?:`\w+` )?(?:has|the key|without|…| )+")
"""Matches a rule that is empty without its names, which are only known when a file is read."""


@dataclass(frozen=True)
class Refusal:
    """A rule of validation, with what would happen without it and the remedy."""

    rule: str
    consequence: str
    remedy: str


def refusals_of(name: str) -> list[Refusal]:
    """Return what a model's own validators and those of its keys refuse, in the order of the source."""
    model = _models()[name]
    found: dict[Refusal, None] = {}
    for key, function in _validators(model):
        for refusal in _calls(function):
            rule = f"`{key}` {refusal.rule}" if key and not refusal.rule.startswith("`") else refusal.rule
            if not (_UNNAMED in rule and _EMPTY.fullmatch(rule)):
                found[Refusal(rule, refusal.consequence, refusal.remedy)] = None
    return list(found)


def models() -> set[str]:
    """Return the names of all models of the stack file."""
    return set(_models())


@cache
def _models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}

    def add(model: type[BaseModel]) -> None:
        if model.__name__ not in found:
            found[model.__name__] = model
            for field in model.model_fields.values():
                for inner in _in(field.annotation):
                    add(inner)

    add(Fleet)
    return found


def _in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _in(part)


def _validators(model: type[BaseModel]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the functions that validate a model's keys, with the key, and those that validate the model itself."""
    elsewhere = _listed_elsewhere(model)
    for name, field in model.model_fields.items():
        if name not in elsewhere:
            functions = (
                one.func for one in (*field.metadata, *_metadata(field.annotation)) if isinstance(one, AfterValidator)
            )
            yield from ((field.alias or name, function) for function in functions if inspect.isfunction(function))
    for name in model.__pydantic_decorators__.model_validators:
        if name not in elsewhere:
            yield "", inspect.unwrap(getattr(model, name))


def _listed_elsewhere(model: type[BaseModel]) -> set[str]:
    """Return the names of keys and validators that a model has from another model, whose section lists them."""
    bases = [base for base in model.__mro__[1:] if base.__name__ in _models() and issubclass(base, BaseModel)]
    listed = [base for base in bases if LISTED_AS.get(base.__name__) != model.__name__]
    validators = {name for base in listed for name in base.__pydantic_decorators__.model_validators}
    return {name for base in listed for name in base.model_fields} | validators


def _metadata(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _metadata(part)


def _calls(function: Callable[..., Any]) -> Iterator[Refusal]:
    names = vars(sys.modules[function.__module__])
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "refuse":
            given = {"rule": node.args[0], **{word.arg: word.value for word in node.keywords if word.arg}}
            texts = {
                key: _shown(_text(given[key], names)) if key in given else ""
                for key in ("rule", "consequence", "remedy")
            }
            yield Refusal(**texts)


def _text(node: ast.expr, names: dict[str, Any]) -> str:
    """Return the text of a string in the source; a part that is known only when a file is read becomes an ellipsis."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, names) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, names)
    if isinstance(node, ast.Name) and node.id.lstrip("_").isupper():
        return str(names[node.id])
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body, names)} (or: {_text(node.orelse, names)})"
    return _UNNAMED


def _shown(text: str) -> str:
    """Return a message with keys as code."""
    return re.sub(r"'([\w.-]+)'", r"`\1`", text)
