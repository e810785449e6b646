"""Stack files as plain data, and single sections of them as models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from flotilla.config.problems import Problem, problems_of
from flotilla.errors import FlotillaError

PROJECT = "flotilla"

M = TypeVar("M", bound=BaseModel)


def fleet_sections(path: Path) -> dict[str, Any]:
    """Return the fleet's sections of a stack file, by their names without the project's prefix."""
    config = read_stack_file(path).get("config") or {}
    prefix = PROJECT + ":"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def read_stack_file(path: Path) -> dict[str, Any]:
    """Return a stack file as plain data; a key that stands twice is refused, as Pulumi's CLI does."""
    try:
        document = yaml.load(path.read_text(), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        known = ", ".join(sorted(f.stem.removeprefix("Pulumi.") for f in path.parent.glob("Pulumi.*.yaml")))
        raise FlotillaError(
            f"there is no stack file {path}", hint=f"stacks that have one: {known or 'none yet'}"
        ) from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise FlotillaError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(document, dict):
        raise FlotillaError(f"{path}: not a stack file: it must be a mapping with `config`")
    return document


def manifest_names(path: Path) -> set[str]:
    """Return the manifest files that a stack file's workloads name, as far as it is well-formed."""
    workloads = fleet_sections(path).get("workloads")
    listed = (
        [entry.get("manifests") for entry in workloads if isinstance(entry, dict)]
        if isinstance(workloads, list)
        else []
    )
    return {name for names in listed if isinstance(names, list) for name in names if isinstance(name, str)}


class _UniqueKeys(yaml.SafeLoader):
    """YAML as Pulumi reads it: the same key twice in one mapping is an error, not the last one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def placeholders(value: Any) -> Any:
    """Replace Pulumi's `{secure: ciphertext}` by a text, so that an encrypted value counts as given."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return "[secret]"
        return {key: placeholders(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [placeholders(entry) for entry in value]
    return value


def parse(model: type[M], raw: Any, path: str, problems: list[Problem]) -> M | None:
    """Return a section as a model; None, and its problems at `path`, where it isn't valid."""
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
