"""Checks a stack file that an agent proposes. It reads only the files of the project which the proposal names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flotilla.agent.reading import Unreadable, check_manifests, check_named, check_rendered, named_files, read_yaml
from flotilla.errors import FlotillaError
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles, check_files
from flotilla.stack.fleet import Fleet
from flotilla.stack.load import load_stack_file, parse_fleet
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.stackfile import PROJECT, placeholders
from flotilla.workloads.control_plane_checks import check_groups
from flotilla.workloads.objects import check_objects
from flotilla.workloads.readiness import check_ready

_ORIGIN = "the proposal"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def proposed_fleet(text: str, stack_file: Path, project: Path) -> Fleet:
    """Return the fleet of a proposed stack file.

    Kubeconfigs are not opened, because an agent must not know their contexts and certificates. No program is started:
    charts and kustomizations are taken from the cache of rendered ones.

    Args:
        text: the whole file as YAML.
        stack_file: the stack's own file; the proposal may name the same paths as this file.
        project: the project's folder.

    Raises:
        ConfigError: the proposal is not valid. The error has all problems, and says nothing about files outside of the
            project.
    """
    sections = _sections(text)
    fleet = parse_fleet(placeholders(sections), base=project, origin=_ORIGIN, files=False, as_written=True)
    manifests = ManifestFiles(project, programs=False)
    problems = check_named(fleet, _own(stack_file), project)
    if not problems:
        problems = check_manifests(fleet, project, manifests)
    if not problems:
        problems = check_rendered(fleet, manifests.renderings)
    if not problems:
        problems = check_files(None, [], list(enumerate(fleet.workloads)), project, manifests)
    if not problems:
        listed = list(enumerate(fleet.workloads))
        problems = check_objects(listed, manifests) + check_ready(listed, manifests)
    if not problems:
        groups, workloads = list(enumerate(fleet.objects)), list(enumerate(fleet.workloads))
        problems = check_groups(groups, workloads, fleet.karmada, manifests)
    if not problems:
        problems = _rendered(fleet, manifests)
    if problems:
        raise ConfigError(problems, origin=_ORIGIN)
    return fleet


def _sections(text: str) -> dict[str, Any]:
    """Return a proposal's sections by their names.

    Raises:
        ConfigError: the text is not a stack file, or exceeds the limits.
    """
    try:
        documents = read_yaml(text)
    except Unreadable as error:
        raise ConfigError([Problem("the text", str(error), "no plan could be made from it")], origin=_ORIGIN) from None
    document = documents[0] if len(documents) == 1 else None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        problem = Problem(
            "config", "must be a mapping", "there is no fleet", f"start with `config:` and `{PROJECT}:...`"
        )
        raise ConfigError([problem], origin=_ORIGIN)
    prefix = f"{PROJECT}:"
    sections = {str(key).removeprefix(prefix): value for key, value in config.items() if str(key).startswith(prefix)}
    problems = [
        Problem(where, "must be a stack's name: letters, digits, '.', '_', '-'", "no stack can have another name")
        for where, name in _stack_names(sections, "")
        if not _NAME.fullmatch(name)
    ]
    if problems:
        raise ConfigError(problems, origin=_ORIGIN)
    return sections


def _stack_names(value: Any, path: str) -> list[tuple[str, str]]:
    """Return the names of other stacks with their places; they are checked because they become parts of paths."""
    found = []
    if isinstance(value, dict):
        for key, entry in value.items():
            where = f"{path}.{key}".lstrip(".")
            if key in ("stack", "membersFrom") and isinstance(entry, str):
                found.append((where, entry))
            found += _stack_names(entry, where)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            found += _stack_names(entry, f"{path}[{index}]")
    return found


def _own(stack_file: Path) -> set[tuple[str, str]]:
    """Return the kind and the path of every file that the stack's own file names."""
    try:
        return {(kind, name) for _, kind, name in named_files(load_stack_file(stack_file, files=False))}
    except FlotillaError:
        return set()


def _rendered(fleet: Fleet, manifests: ManifestFiles) -> list[Problem]:
    """Return a problem if an override does not fit the manifest that it changes."""
    try:
        rendered(fleet, manifests)
    except ValueError as error:
        return [
            Problem("workloads", str(error), "Karmada would refuse it", "correct the manifest or the override's patch")
        ]
    return []
