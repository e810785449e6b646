"""From a stack's configuration to a Fleet, with every problem of it in one go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from flotilla.config.clusters import KindCluster, check_clusters
from flotilla.config.files import check_files
from flotilla.config.fleet import ControlPlane, Fleet, check_across, check_duplicates, check_modes, check_reachable
from flotilla.config.helm import check_version
from flotilla.config.members import Member
from flotilla.config.policies import PolicySettings
from flotilla.config.problems import ConfigError, Problem, problems_of
from flotilla.config.workloads import Workload
from flotilla.errors import FlotillaError
from flotilla.karmada.versions import Version

PROJECT = "flotilla"
SECTIONS = ("clusters", "controlPlane", "members", "membersFrom", "workloads", "policies")
TEXTS = ("membersFrom",)
"""Sections that are plain texts; all others are objects or arrays."""

M = TypeVar("M", bound=BaseModel)


def parse_fleet(
    sections: dict[str, Any],
    *,
    base: Path | None = None,
    origin: str = "the stack's configuration",
    files: bool = True,
) -> Fleet:
    """Validate a stack's sections and return its fleet.

    Args:
        sections: `controlPlane`, `policies` (objects), `clusters`, `members`, `workloads` (arrays), `membersFrom`
            (a stack's name), as plain JSON.
        base: the project's folder, which relative paths refer to; None skips the checks of files and other stacks.
        origin: what errors call the source.
        files: kubeconfigs, manifests and charts that are named have to be there.

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
        problems.append(
            Problem("controlPlane", "is required", "there is no Karmada to join", "add its kubeconfig, helm or stack")
        )
    else:
        control_plane = _parse(ControlPlane, sections["controlPlane"], "controlPlane", problems)
    clusters = _parse_list(KindCluster, sections.get("clusters"), "clusters", problems)
    members = _parse_list(Member, sections.get("members"), "members", problems)
    policies = _parse(PolicySettings, sections.get("policies") or {}, "policies", problems)
    workloads = _parse_list(Workload, sections.get("workloads"), "workloads", problems)
    stacks = OtherStacks(base, problems)
    others = stacks.members(sections.get("membersFrom"))
    problems += check_across(members, workloads, others)
    problems += check_duplicates("clusters", [(i, name) for i, _, name in clusters])
    valid_clusters = [(i, cluster) for i, cluster, _ in clusters if cluster]
    valid_members = [(i, member) for i, member, _ in members if member]
    problems += check_clusters(valid_clusters)
    known = {cluster.name: cluster for _, cluster in valid_clusters}
    problems += check_sources(control_plane, valid_members, {name for _, _, name in clusters}, stacks)
    problems += check_reachable(valid_members, known)
    if control_plane:
        version = control_plane.version or stacks.version(control_plane.stack)
        problems += check_modes(control_plane, valid_members, version)
        if control_plane.helm and control_plane.version:
            problems += check_version(control_plane.helm, Version.parse(control_plane.version))
    if base is not None and files:
        problems += check_files(
            control_plane,
            valid_members,
            [(i, workload) for i, workload, _ in workloads if workload],
            base,
        )
    if problems or control_plane is None or policies is None:
        raise ConfigError(problems, origin=origin)
    return Fleet(
        clusters=tuple(cluster for _, cluster in valid_clusters),
        control_plane=control_plane.model_copy(update={"version": version}),
        members=tuple(member for _, member in valid_members),
        members_from=sections.get("membersFrom"),
        workloads=tuple(workload for _, workload, _ in workloads if workload),
        policies=policies,
    ).with_others(others)


class OtherStacks:
    """What a stack's file says of other stacks of the same project: read from their files, for references to hold."""

    def __init__(self, base: Path | None, problems: list[Problem]) -> None:
        """Take the project's folder (None: nothing is looked up) and where problems go."""
        self._base = base
        self._problems = problems

    def sections(self, stack: str | None, path: str) -> dict[str, Any]:
        """Return the sections of a stack's file; one that isn't there is a problem at `path`."""
        if not stack or self._base is None:
            return {}
        file = self._base / "stacks" / f"Pulumi.{stack}.yaml"
        try:
            return fleet_sections(file)
        except FlotillaError as error:
            self._problems.append(
                Problem(path, error.message, "nothing could be taken from it", "name a stack of this project", stack)
            )
            return {}

    def members(self, stack: str | None) -> tuple[Member, ...]:
        """Return the members of another stack, as far as they are valid: their own stack says what isn't."""
        parsed = _parse_list(
            Member, _placeholders(self.sections(stack, "membersFrom").get("members")), "membersFrom", []
        )
        return tuple(member for _, member, _ in parsed if member)

    def version(self, stack: str | None) -> str | None:
        """Return which Karmada another stack has."""
        found = self.sections(stack, "controlPlane.stack").get("controlPlane") or {}
        return str(found["version"]) if found.get("version") else None

    def clusters(self, stack: str, path: str) -> set[str]:
        """Return the names of the clusters that another stack makes."""
        return {str(entry.get("name")) for entry in self.sections(stack, path).get("clusters") or []}


def check_sources(
    control_plane: ControlPlane | None,
    members: list[tuple[int, Member]],
    clusters: set[str],
    stacks: OtherStacks,
) -> list[Problem]:
    """Check that every cluster that credentials are taken of is made by this stack, or by the one that is named."""
    sources = [(f"members[{index}].kubeconfig", member.kubeconfig) for index, member in members]
    if control_plane and control_plane.helm:
        sources.append(("controlPlane.helm.host", control_plane.helm.host))
    if control_plane and control_plane.kubeconfig and control_plane.kubeconfig.cluster:
        sources.append(("controlPlane.kubeconfig", control_plane.kubeconfig))
    problems = []
    for path, source in sources:
        if source.cluster is None:
            continue
        known = stacks.clusters(source.stack, f"{path}.stack") if source.stack else clusters
        if source.cluster not in known:
            problems.append(
                Problem(
                    f"{path}.cluster",
                    f"is no cluster of {'stack ' + source.stack if source.stack else 'this stack'}",
                    "there would be no credentials",
                    f"use one of {', '.join(sorted(known)) or '(there are none)'}, or add it to `clusters`",
                    f'"{source.cluster}"',
                )
            )
    return problems


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


def load_stack_file(path: Path, *, base: Path | None = None, files: bool = True) -> Fleet:
    """Validate a stack file (`stacks/Pulumi.<stack>.yaml`); encrypted values count as given.

    Raises:
        ConfigError: with all problems.
        FlotillaError: the file is missing or not YAML.
    """
    return parse_fleet(_placeholders(fleet_sections(path)), base=base, origin=str(path), files=files)


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
