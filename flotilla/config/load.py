"""From a stack's configuration to a Fleet, with every problem of it in one go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from flotilla.config.files import check_files
from flotilla.config.fleet import ControlPlane, Fleet, check_across
from flotilla.config.members import Member
from flotilla.config.policies import PolicySettings
from flotilla.config.problems import ConfigError, Problem, problems_of
from flotilla.config.workloads import Workload
from flotilla.errors import FlotillaError

PROJECT = "flotilla"
SECTIONS = ("controlPlane", "members", "workloads", "policies")

M = TypeVar("M", bound=BaseModel)


def parse_fleet(
    sections: dict[str, Any], *, base: Path | None = None, origin: str = "the stack's configuration"
) -> Fleet:
    """Validate a stack's sections and return its fleet.

    Args:
        sections: `controlPlane` and `policies` (objects), `members` and `workloads` (arrays), as plain JSON.
        base: the project's folder, which relative paths refer to; None skips the checks of files.
        origin: what errors call the source.

    Raises:
        ConfigError: with all problems.
    """
    problems: list[Problem] = [
        Problem(key, "is not a known key", "it would be ignored", f"known keys: {', '.join(SECTIONS)}")
        for key in sections
        if key not in SECTIONS
    ]
    control_plane: ControlPlane | None = None
    if sections.get("controlPlane") is None:
        problems.append(Problem("controlPlane", "is required", "there is no Karmada to join", "add its kubeconfig"))
    else:
        control_plane = _parse(ControlPlane, sections["controlPlane"], "controlPlane", problems)
    members = _parse_list(Member, sections.get("members"), "members", problems)
    policies = _parse(PolicySettings, sections.get("policies") or {}, "policies", problems)
    workloads = _parse_list(Workload, sections.get("workloads"), "workloads", problems)
    problems += check_across(members, workloads)
    if base is not None:
        problems += check_files(
            control_plane,
            [(i, member) for i, member, _ in members if member],
            [(i, workload) for i, workload, _ in workloads if workload],
            base,
        )
    if problems or control_plane is None or policies is None:
        raise ConfigError(problems, origin=origin)
    return Fleet(
        control_plane=control_plane,
        members=tuple(member for _, member, _ in members if member),
        workloads=tuple(workload for _, workload, _ in workloads if workload),
        policies=policies,
    )


def policy_settings(path: Path) -> PolicySettings:
    """Read only how a stack file wants its policies.

    Raises:
        ConfigError: with all problems of that section.
        FlotillaError: the file is missing or not YAML.
    """
    problems: list[Problem] = []
    settings = _parse(PolicySettings, fleet_sections(path).get("policies") or {}, "policies", problems)
    if settings is None:
        raise ConfigError(problems, origin=str(path))
    return settings


def load_stack_file(path: Path, *, base: Path | None = None) -> Fleet:
    """Validate a stack file (`stacks/Pulumi.<stack>.yaml`); encrypted values count as given.

    Raises:
        ConfigError: with all problems.
        FlotillaError: the file is missing or not YAML.
    """
    return parse_fleet(_placeholders(fleet_sections(path)), base=base, origin=str(path))


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


def _placeholders(value: Any) -> Any:
    """Replace Pulumi's `{secure: ciphertext}` by a text, so that an encrypted value counts as given."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return "[secret]"
        return {key: _placeholders(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_placeholders(entry) for entry in value]
    return value


def _parse(model: type[M], raw: Any, path: str, problems: list[Problem]) -> M | None:
    try:
        return model.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        problems += problems_of(error, raw, prefix=path, model=model)
        return None


def _parse_list(model: type[M], raw: Any, path: str, problems: list[Problem]) -> list[tuple[int, M | None, str]]:
    if raw is None:
        return []
    if not isinstance(raw, list):
        problems.append(Problem(path, "must be a list", remedy="begin each entry with `- name: ...`"))
        return []
    parsed = []
    for index, entry in enumerate(raw):
        name = entry.get("name") if isinstance(entry, dict) else None
        parsed.append((index, _parse(model, entry, f"{path}[{index}]", problems), str(name or "")))
    return parsed
