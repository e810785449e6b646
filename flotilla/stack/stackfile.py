"""Reads stack files as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.kube import yaml
from flotilla.kube.reading import UnreadableFile, read_text
from flotilla.workloads.listing import files_of

PROJECT = "flotilla"
SECTIONS = (
    "clusters",
    "controlPlane",
    "members",
    "membersFrom",
    "workloads",
    "objects",
    "rollout",
    "policies",
    "drift",
)
TEXTS = ("membersFrom",)
"""Sections that are plain strings; all others are objects or arrays."""


def fleet_sections(path: Path) -> dict[str, Any]:
    """Return the fleet's sections of a stack file, by name without the project's prefix."""
    return sections_of(read_stack_file(path).get("config") or {})


def sections_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fleet's sections of a stack's configuration, given as plain data or as Pulumi's JSON strings.

    A string that isn't JSON stays a string: the section's own check reports it.
    """
    prefix = PROJECT + ":"
    found = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
    return {key: value if key in TEXTS else _from_text(value) for key, value in found.items()}


def _from_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return yaml.from_json(value)
    except ValueError:
        return value


def read_stack_file(path: Path) -> dict[str, Any]:
    """Return a stack file as plain data, parsed as Kubernetes tools parse YAML (see `flotilla.kube.yaml`).

    The program's configuration comes from the same data, so `validate` and `preview` always agree.

    Raises:
        FlotillaError: the file doesn't exist, or isn't a stack file.
    """
    try:
        text = read_text(path)
        document = yaml.load(text)
    except UnreadableFile as error:
        if not error.missing:
            raise
        known = ", ".join(sorted(f.stem.removeprefix("Pulumi.") for f in path.parent.glob("Pulumi.*.yaml")))
        raise FlotillaError(
            f"there is no stack file {path}", hint=f"stacks with a file: {known or 'none yet'}"
        ) from None
    except yaml.YamlError as error:
        place = f", line {error.place.line}, column {error.place.column}" if error.place else ""
        raise FlotillaError(f"{path}{place}: not valid YAML: {error.problem}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise FlotillaError(f"{path}: not a stack file: it must be a mapping with `config`")
    config = document.get("config")
    if not isinstance(config, dict | None):
        raise FlotillaError(
            f"{path}{_line(text, 'config')}: `config` must be a mapping",
            hint=f"write each section as a key, such as `{PROJECT}:members:`, without `- ` before it",
        )
    bare = next((key for key in config or {} if ":" not in key), None)
    if bare is not None:
        raise FlotillaError(
            f"{path}{_line(text, 'config', bare)}: the key {bare[:40]!r} has no project",
            hint=f"write `{PROJECT}:{bare[:40]}`",
        )
    for key in ("encryptionsalt", "secretsprovider"):
        if not isinstance(document.get(key), str | None):
            raise FlotillaError(f"{path}{_line(text, key)}: `{key}` must be a text")
    return document


def _line(text: str, *path: str) -> str:
    place = yaml.place_of(text, path)
    return f", line {place.line}" if place else ""


def manifest_names(path: Path, base: Path) -> set[str]:
    """Return the files of manifests and policies that a stack file names; malformed parts are ignored.

    Args:
        path: the stack file.
        base: the project's folder, to which the names are relative.
    """
    sections = fleet_sections(path)
    listed = [
        entry.get(key)
        for key in ("manifests", "policies")
        for section in (sections.get("workloads"), sections.get("objects"))
        for entry in (section if isinstance(section, list) else [])
        if isinstance(entry, dict)
    ]
    entries = {name for names in listed if isinstance(names, list) for name in names if isinstance(name, str)}
    found = set()
    for entry in entries:
        with suppress(UnreadableFile):
            found.update(files_of(entry, base))
    return found


def placeholders(value: Any) -> Any:
    """Replace Pulumi's `{secure: ciphertext}` by a placeholder text, so that an encrypted value counts as given."""
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return "[secret]"
        return {key: placeholders(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [placeholders(entry) for entry in value]
    return value
